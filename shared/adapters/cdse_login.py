"""The login at the Copernicus Data Space Ecosystem: one session, refreshed, shared by all threads.

Every password grant opens a session and an account may have at most 100; so the token is kept while it lasts
(10 minutes), renewed by its refresh token (60 minutes), and the password is used only when that is over.
Source: Copernicus Data Space Ecosystem documentation, "Access token".
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import BadSetting, ProviderUnavailable
from shared.settings import Copernicus

_CLIENT = "cdse-public"
_MARGIN = 30.0  # seconds before its end at which a token counts as over; of short ones a tenth of their time
_REFUSALS = {400, 401, 403}  # wrong user or password, or a session that is over


class _Answer(BaseModel):
    # Hidden, as the error would quote the answer and with it the tokens.
    model_config = ConfigDict(hide_input_in_errors=True)

    access_token: str = Field(min_length=1, max_length=20_000, pattern=r"^[\x21-\x7e]+$")
    expires_in: float = Field(ge=0, default=600)  # seconds
    refresh_token: str | None = None
    refresh_expires_in: float = Field(ge=0, default=0)  # seconds


@dataclass(frozen=True, slots=True, repr=False)
class _Session:
    """What the last grant gave; shown by no repr."""

    token: str
    until: float  # on the login's clock, seconds
    refresh: str
    refresh_until: float


class Login:
    """Gives valid access tokens; safe to use from several threads."""

    def __init__(
        self, client: httpx.Client, copernicus: Copernicus, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock`` counts seconds."""
        self._client = client
        self._copernicus = copernicus
        self._clock = clock
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def token(self, *, refused: str = "") -> str:
        """A token that is valid for some time; another one than ``refused``, which the provider did not take.

        Raises BadSetting where user and password are missing or refused, ProviderUnavailable where the identity
        service does not answer as it should.
        """
        with self._lock:
            session = self._session
            if session is None or session.token == refused or self._clock() >= session.until:
                session = self._session = self._renewed(session)
            return session.token

    def _renewed(self, old: _Session | None) -> _Session:
        if old is not None and old.refresh and self._clock() < old.refresh_until:
            grant = {"grant_type": "refresh_token", "refresh_token": old.refresh}
            if (session := self._granted(grant)) is not None:
                return session
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

    def _granted(self, grant: dict[str, str]) -> _Session | None:
        """The session that ``grant`` opens or goes on with, None where it is refused."""
        asked = self._clock()
        try:
            response = self._client.post(self._copernicus.identity_url, data={"client_id": _CLIENT, **grant})
        except (httpx.HTTPError, httpx.InvalidURL) as cause:  # the latter: an unreadable redirect
            raise ProviderUnavailable(f"The Copernicus login does not answer: {type(cause).__name__}.") from cause
        if response.status_code in _REFUSALS:
            return None
        if response.status_code != httpx.codes.OK:
            raise ProviderUnavailable(f"The Copernicus login answers {response.status_code}; expected 200.")
        try:
            answer = _Answer.model_validate_json(response.content)
        except ValidationError as cause:
            raise ProviderUnavailable("The Copernicus login answers 200 with something that is no token.") from cause
        return _Session(
            token=answer.access_token,
            until=asked + _usable(answer.expires_in),
            refresh=answer.refresh_token or "",
            refresh_until=asked + _usable(answer.refresh_expires_in),
        )


def _usable(seconds: float) -> float:
    return seconds - min(_MARGIN, seconds / 10)
