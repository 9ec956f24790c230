"""In front of everything over HTTP: who may come in, how much they may bring, and what they hear if something breaks.

Nothing is reachable that is not let through here. Bodies are read and bounded here, before any route runs.

Who has changed something gets a cookie that says when: any instance of the app then shows them no state from before.
"""

from __future__ import annotations

import logging
import re
import time
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.access import COOKIE, QUERY, TOKEN, Access, access, is_from_another_site
from functions.api.links import NOTIFICATIONS, RESULTS, folder_of, is_for_programs
from functions.api.problems import Refusal, problem, problem_of, refusal_of
from functions.api.snapshot import not_before
from shared.errors import IceWatchError
from shared.watchlist import MAX_BYTES

HEALTH, SIGN_IN, STATIC = "/api/health", "/sign-in", "/static/"
_READING = {"GET", "HEAD", "OPTIONS"}
_MOST_PATH = 2048  # characters
_CHANGES = ("/orders/", "/api/orders/", "/api/watchlist")  # what is sent there changes what views show
_CHANGED = "icewatch-changed"  # cookie: milliseconds since 1970
_REMEMBERED = 120  # seconds, longer than any instance shows an old state
_CLOCKS_DIFFER = 10  # seconds at most, from one instance to another
_MOST_QUERY = 500  # characters of a page's filters that are kept while somebody signs in
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "strict-transport-security": "max-age=31536000",  # browsers heed it over HTTPS only
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}  # where an answer does not say otherwise
_log = logging.getLogger("icewatch")


class Door:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, is_change = False, scope["method"] not in _READING and str(scope["path"]).startswith(_CHANGES)

        async def sending(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                present = {name.lower() for name, _ in message["headers"]}
                new = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in present]
                if is_change and message["status"] < 400:
                    new.append((b"set-cookie", _changed_now(scope).encode()))
                message = {**message, "headers": [*message["headers"], *new]}
            await send(message)

        not_before.set(_changed_at(scope))
        try:
            body = await _body(receive)
            await _renewed(scope)
            refusal = problem(413, f"The body is longer than {MAX_BYTES} bytes.") if body is None else _refusal(scope)
            await (refusal or self._app)(scope, _told(body or b"", receive), sending)
        except Refusal as refusal:
            await refusal_of(refusal)(scope, receive, sending)
        except IceWatchError as error:  # the settings themselves are wrong
            await problem_of(error)(scope, receive, sending)
        except Exception:
            _log.exception("api: %s %s failed unforeseen", scope["method"], quote(scope["path"])[:200])
            if began:
                raise
            await problem(500, "Something unforeseen went wrong; the log says more.")(scope, receive, sending)


def _changed_now(scope: Scope) -> str:
    secure = "; Secure" if scope["scheme"] == "https" else ""
    at = round(time.time() * 1000)
    return f"{_CHANGED}={at}; Max-Age={_REMEMBERED}; Path=/; HttpOnly; SameSite=Strict{secure}"


def _changed_at(scope: Scope) -> datetime | None:
    """The state of when, by this instance's clock, this reader has to be shown; None where the cookie says none.

    The instance that set the cookie may be ahead, or this one: its copies then look younger than they are.
    """
    text = HTTPConnection(scope).cookies.get(_CHANGED, "")
    if not re.fullmatch("[0-9]{13}", text):
        return None
    seconds = int(text) / 1000
    if not -_REMEMBERED < seconds - time.time() <= _CLOCKS_DIFFER:
        return None
    return datetime.fromtimestamp(seconds + _CLOCKS_DIFFER, UTC)


async def _renewed(scope: Scope) -> None:
    """Where a session is used, have it known which ones were ended; nobody else waits for storage meanwhile."""
    request = HTTPConnection(scope)
    if COOKIE not in request.cookies or (found := access()).is_open:
        return
    if found.has_session(request) and found.ended.is_stale:  # no thread waits for what a stranger made up
        await run_in_threadpool(found.ended.renew)


def _refusal(scope: Scope) -> Response | None:
    """The answer to a request that may not come in; None for one that may."""
    request, path, method = HTTPConnection(scope), str(scope["path"]), str(scope["method"])
    if len(path) > _MOST_PATH:
        return problem(404, "There is nothing at this address.")
    if method not in _READING and not _is_own(request):
        return problem(403, "The request comes from a page of another site.")
    found = access()
    if found.is_open or path in {HEALTH, SIGN_IN} or path.startswith(STATIC) or _may(found, request, path, method):
        return None
    return _turned_away(found, request, path)


def _turned_away(found: Access, request: HTTPConnection, path: str) -> Response:
    """What somebody hears who brings nothing that lets him in."""
    if found.has_session(request) and not found.ended.is_known:
        sentence = "Which sessions were ended cannot be read just now, so none is let in; try again."
        return problem(503, sentence, headers={"Retry-After": "10"})
    if not is_for_programs(path):
        return RedirectResponse(f"{SIGN_IN}?next={quote(_wanted(request, path), safe='/')}", status_code=303)
    if not found.key:
        return problem(503, "No key is set up: the app setting API_KEY is missing, so nobody can be let in.")
    sentence = "The key is missing or wrong; send it as header x-functions-key."
    if is_from_another_site(request):
        sentence = "A page of another site has a browser ask this; no key is looked at then."
    return problem(401, sentence, headers={"WWW-Authenticate": 'ApiKey realm="IceWatch"'})


def _wanted(request: HTTPConnection, path: str) -> str:
    """Where to go after signing in: the page with its filters, without a key that somebody put beside them."""
    query = urlencode([(name, value) for name, value in request.query_params.multi_items() if name != QUERY])
    return f"{path}?{query}" if 0 < len(query) <= _MOST_QUERY else path


def _may(found: Access, request: HTTPConnection, path: str, method: str) -> bool:
    """Whether what ``request`` carries is enough; the key is looked at last, as wrong ones count."""
    if found.is_signed_in(request) and (method in _READING or not is_for_programs(path)):
        return True  # orders by cookie go through the pages, whose forms prove where they come from
    token = request.query_params.get(TOKEN, "")
    if method in {"GET", "HEAD"} and path.startswith(RESULTS) and found.opens(token, folder_of(path[len(RESULTS) :])):
        return True
    if method == "POST" and path == NOTIFICATIONS and found.notifies(token):
        return True
    return found.knows(request)


def _is_own(request: HTTPConnection) -> bool:
    """False where a browser says that a page of another site sends this."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MAX_BYTES:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _told(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, and then whatever comes."""
    told = False

    async def telling() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return telling
