"""Who may: one key for the API, a signed cookie for the pages, short-lived tokens in the links of results.

The platform's own function keys are not used, as every link of a page would have to carry one; see
``docs/decisions/``. Clients send the key where they would send the platform's: header ``x-functions-key``, or ``code``
in the query. Everything that is signed is signed with keys derived from the one key, so that changing it ends all
sessions and links.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from starlette.requests import HTTPConnection
from starlette.responses import Response

from functions.api.ended import EndedSessions
from functions.api.problems import Refusal
from functions.api.tries import Tries, address_of
from shared.api_key import usable
from shared.settings import Settings
from shared.wiring import services

HEADER, QUERY, COOKIE, TOKEN = "x-functions-key", "code", "icewatch", "token"
SESSION_SECONDS = 12 * 3600
LINK_SECONDS = 3600  # a link works for one to two of these
_MOST_TEXT = 300  # characters of a key, cookie or token that are looked at


@dataclass(frozen=True, slots=True)
class Access:
    """The key in force and what is signed with it."""

    key: str = field(repr=False)  # "": none is set
    is_open: bool  # everything runs on this machine, where nobody else gets at it: nothing is asked for
    secret: bytes = field(repr=False)  # that signatures are made with
    now: Callable[[], float] = time.time  # seconds since 1970
    ended: EndedSessions = field(repr=False, kw_only=True)
    tries: Tries = field(default_factory=Tries, repr=False)

    def knows(self, request: HTTPConnection) -> bool:
        """Whether ``request`` carries the key; raises Refusal (429) as `is_key` does."""
        given = [text for text in (request.headers.get(HEADER), request.query_params.get(QUERY)) if text]
        return any(self.is_key(text, request) for text in given)

    def is_key(self, text: str, request: HTTPConnection) -> bool:
        """Whether ``text`` is the key; raises Refusal (429) where too many wrong ones came from there of late.

        What a page of another site has a browser send is neither compared nor counted: that page could use up the
        tries of everybody behind its reader's address.
        """
        if not (self.key and text) or is_from_another_site(request):
            return False
        is_right = _same(text, self.key)
        seconds = math.ceil(self.tries.pause(address_of(request), self._sign("try", text), is_right=is_right))
        if seconds:
            sentence = f"Too many wrong keys came from this address; none is looked at for {seconds} seconds."
            raise Refusal(429, sentence, headers={"Retry-After": str(seconds)})
        return is_right

    def sign_in(self, key: str, request: HTTPConnection) -> str | None:
        """The value of a session cookie for who knows the key; None for a wrong one. Raises as `is_key` does."""
        if not self.is_key(key, request):
            return None
        session = f"{int(self.now()) + SESSION_SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{session}.{self._sign('session', session)}"

    def sign_out(self, request: HTTPConnection) -> None:
        """End the session of ``request``, and with it every copy of its cookie; raises StorageUnavailable."""
        if (session := self._signed(request)) is not None:
            self.ended.end(session, self.now())

    def has_session(self, request: HTTPConnection) -> bool:
        """Whether ``request`` carries a session of ours that has not run out; somebody may have ended it."""
        return self._signed(request) is not None

    def is_signed_in(self, request: HTTPConnection) -> bool:
        """Whether ``request`` has a session that is still good; always where access is open."""
        return self.is_open or self._session(request) is not None

    def csrf(self, request: HTTPConnection) -> str:
        """What a form of this session carries, so that no other site's form can be sent in its name."""
        return self._sign("form", self._session(request) or "")

    def check_csrf(self, request: HTTPConnection, token: str) -> bool:
        """Whether ``token`` is what a form of this session carries."""
        return self.is_signed_in(request) and _same(token, self.csrf(request))

    def token(self, folder: str) -> str:
        """What opens the files of one result folder for an hour or two; the same within an hour, for caches."""
        return self._token(folder, str((int(self.now()) // LINK_SECONDS + 2) * LINK_SECONDS))

    def opens(self, token: str, folder: str) -> bool:
        """Whether ``token`` opens the files of ``folder`` now."""
        until = token[:_MOST_TEXT].partition(".")[0]
        return self._is_ahead(until) and _same(token, self._token(folder, until))

    def notifier(self) -> str:
        """What a provider's notifications carry, as its logs are no place for the key."""
        return self._sign("notifications", "")

    def notifies(self, token: str) -> bool:
        """Whether ``token`` is what notifications carry."""
        return _same(token, self.notifier())

    def _token(self, folder: str, until: str) -> str:
        return until + "." + self._sign("results", f"{until} {folder}")

    def _session(self, request: HTTPConnection) -> str | None:
        session = self._signed(request)
        return None if session is None or session in self.ended else session

    def _signed(self, request: HTTPConnection) -> str | None:
        session, _, signature = request.cookies.get(COOKIE, "")[:_MOST_TEXT].rpartition(".")
        if not _same(signature, self._sign("session", session)):
            return None
        return session if self._is_ahead(session.partition(".")[0]) else None

    def _is_ahead(self, until: str) -> bool:
        return until.isascii() and until.isdigit() and len(until) < 13 and int(until) > self.now()

    def _sign(self, purpose: str, text: str) -> str:
        digest = hmac.digest(self.secret, f"{purpose}\n{text}".encode("utf-8", "replace"), "sha256")
        return urlsafe_b64encode(digest[:24]).decode()


def is_from_another_site(request: HTTPConnection) -> bool:
    """Whether a browser says that a page of another site has it ask (W3C, Fetch Metadata Request Headers, 2.3)."""
    return request.headers.get("sec-fetch-site") == "cross-site"


def _same(given: str, expected: str) -> bool:
    """Compares in a time that says nothing about where they differ."""
    return hmac.compare_digest(given[:_MOST_TEXT].encode("utf-8", "replace"), expected.encode())


def access() -> Access:
    """The access that the app settings give; raises BadSetting where their key cannot be used."""
    return _access(services().settings)


@lru_cache(maxsize=8)
def _access(settings: Settings) -> Access:
    key = usable(settings.api_key)
    is_open = not key and settings.storage.is_on_this_machine
    derived = hashlib.sha256(b"icewatch signatures 1\n" + key.encode()).digest()
    secret = derived if key else secrets.token_bytes(32)
    return Access(key, is_open, secret, ended=EndedSessions(lambda: services(settings).store))


def set_cookie(response: Response, value: str, request: HTTPConnection) -> None:
    """Give the browser its session."""
    response.set_cookie(
        COOKIE,
        value,
        max_age=SESSION_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def clear_cookie(response: Response) -> None:
    """Take the session from the browser."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
