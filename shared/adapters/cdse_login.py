"""The login at the Copernicus Data Space Ecosystem: one session, refreshed, shared by all threads and instances.

Every password grant opens a session and an account may have at most 100; so the token is kept while it lasts
(10 minutes), renewed by its refresh token (60 minutes), and the password is used only when that is over. Who is
refused looks into the shared store before opening a session: another instance may have been faster.
Source: Copernicus Data Space Ecosystem documentation, "Access token".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.adapters.cdse_sessions import Session, SessionStore
from shared.adapters.provider_answers import pause
from shared.errors import BadSetting, ProviderLimits, ProviderUnavailable
from shared.settings import Copernicus

_CLIENT = "cdse-public"
_MARGIN = 30.0  # seconds before its end at which a token counts as over; of short ones a tenth of their time
_REFUSALS = {400, 401, 403}  # wrong user or password, or a session that is over
_FULL = "number of user sessions"  # in the refusal of one session too many, which is no wrong password


class _Answer(BaseModel):
    # Hidden, as the error would quote the answer and with it the tokens.
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1, max_length=20_000, pattern=r"^[\x21-\x7e]+$")
    expires_in: float = Field(ge=0, default=600)  # seconds
    refresh_token: str | None = None
    refresh_expires_in: float = Field(ge=0, default=0)  # seconds


class Login:
    """Gives valid access tokens; safe to use from several threads."""

    def __init__(
        self,
        client: httpx.Client,
        copernicus: Copernicus,
        *,
        sessions: SessionStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` counts seconds since 1970, alike on all instances."""
        self._client = client
        self._copernicus = copernicus
        self._sessions = sessions
        self._clock = clock
        self._lock = threading.Lock()
        self._session: Session | None = None

    def token(self, *, refused: str = "") -> str:
        """A token that is valid for some time; another one than ``refused``, which the provider did not take.

        Raises BadSetting where user and password are missing or refused, ProviderUnavailable where the identity
        service does not answer as it should, StorageUnavailable where the shared session cannot be reached.
        """
        with self._lock:
            session = self._session
            if session is None or not self._holds(session, refused):
                session = self._shared() or session
            if session is None or not self._holds(session, refused):
                session = self._session = self._renewed(session)  # kept here even if it cannot be shared
                self._sessions.save(session)
            self._session = session
            return session.token

    def _holds(self, session: Session, refused: str) -> bool:
        return session.token != refused and self._clock() < session.until

    def _shared(self) -> Session | None:
        session = self._sessions.load()
        return session if session is not None and session.user == self._copernicus.user else None

    def _renewed(self, old: Session | None) -> Session:
        while old is not None and old.refresh and self._clock() < old.refresh_until:
            grant = {"grant_type": "refresh_token", "refresh_token": old.refresh}
            if (session := self._granted(grant)) is not None:
                return session
            shared = self._shared()
            # Another instance may have renewed the session just before, and with it the refresh token.
            old = shared if shared is not None and shared.refresh != old.refresh else None
        if not (self._copernicus.user and self._copernicus.password):
            raise BadSetting("Downloads need a Copernicus account: set COPERNICUS_USER and COPERNICUS_PASSWORD.")
        grant = {
            "grant_type": "password",
            "username": self._copernicus.user,
            "password": self._copernicus.password,
        }
        if (session := self._granted(grant)) is None:
            raise BadSetting("Copernicus refuses the login: check COPERNICUS_USER and COPERNICUS_PASSWORD.")
        return session

    def _granted(self, grant: dict[str, str]) -> Session | None:
        """The session that ``grant`` opens or goes on with, None where it is refused."""
        asked = self._clock()
        try:
            response = self._client.post(self._copernicus.identity_url, data={"client_id": _CLIENT, **grant})
        except (httpx.HTTPError, httpx.InvalidURL) as cause:  # the latter: an unreadable redirect
            raise ProviderUnavailable(f"The Copernicus login does not answer: {type(cause).__name__}.") from cause
        if response.status_code in _REFUSALS:
            if _FULL in response.text[:10_000] and grant["grant_type"] == "password":
                raise ProviderUnavailable("The Copernicus account has as many live sessions as it may have.")
            return None
        if response.status_code != httpx.codes.OK:
            sentence = f"The Copernicus login answers {response.status_code}; expected 200."
            seconds = pause(response.headers.get("Retry-After"))
            raise ProviderLimits(sentence, seconds=seconds) if seconds else ProviderUnavailable(sentence)
        try:
            answer = _Answer.model_validate_json(response.content)
        except ValidationError as cause:
            raise ProviderUnavailable("The Copernicus login answers 200 with something that is no token.") from cause
        return Session(
            user=self._copernicus.user,
            token=answer.access_token,
            until=asked + _usable(answer.expires_in),
            refresh=answer.refresh_token or "",
            refresh_until=asked + _usable(answer.refresh_expires_in),
        )


def _usable(seconds: float) -> float:
    return seconds - min(_MARGIN, seconds / 10)
