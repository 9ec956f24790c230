"""The identity service: sessions, access tokens and refresh tokens that end."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.copernicus.errors import download_refusal, login_refusal

CLIENT = "cdse-public"


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long the identity service keeps its word."""

    access: float = 600  # seconds
    refresh: float = 3600  # seconds
    sessions: int = 100  # live at once for one user


@dataclass(slots=True)
class _Session:
    access: dict[str, float] = field(default_factory=dict)  # token -> when it ends
    refresh: str = ""
    ends: float = 0.0


class Tokens:
    """Issues and checks tokens; safe to use from several threads."""

    def __init__(
        self, user: str, password: str, lifetimes: Lifetimes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``clock`` counts seconds."""
        self._user, self._password, self._lifetimes, self._clock = user, password, lifetimes, clock
        self._sessions: list[_Session] = []
        self._lock = threading.Lock()

    @property
    def sessions(self) -> int:
        """How many sessions are live."""
        with self._lock:
            self._forget()
            return len(self._sessions)

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer the form of a token request; raise Keycloak's refusal."""
        if form.get("client_id") != CLIENT:
            raise login_refusal(401, "invalid_client", "Invalid client or Invalid client credentials")
        with self._lock:
            self._forget()
            if form.get("grant_type") == "password":
                return self._issue(self._opened(form))
            if form.get("grant_type") == "refresh_token":
                return self._issue(self._continued(form.get("refresh_token", "")))
        raise login_refusal(400, "unsupported_grant_type", "Unsupported grant_type")

    def check(self, authorization: str) -> None:
        """Accept the Authorization header of a download; raise the download service's refusal."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise download_refusal(401, "DAT-ZIP-604", "Token not found")
        with self._lock:
            ends = [session.access[token] for session in self._sessions if token in session.access]
        if not ends or ends[0] <= self._clock():
            raise download_refusal(401, "DAT-ZIP-109", "The token is expired or unknown")

    def expire(self) -> None:
        """End all access tokens now; their refresh tokens stay good."""
        with self._lock:
            for session in self._sessions:
                session.access.clear()

    def _forget(self) -> None:
        self._sessions = [session for session in self._sessions if session.ends > self._clock()]

    def _opened(self, form: Mapping[str, str]) -> _Session:
        if (form.get("username"), form.get("password")) != (self._user, self._password):
            raise login_refusal(401, "invalid_grant", "Invalid user credentials")
        if len(self._sessions) >= self._lifetimes.sessions:
            raise login_refusal(400, "invalid_grant", "Exceeded max number of user sessions")
        self._sessions.append(session := _Session())
        return session

    def _continued(self, token: str) -> _Session:
        for session in self._sessions:
            if token and session.refresh == token:
                return session
        raise login_refusal(400, "invalid_grant", "Token is not active")

    def _issue(self, session: _Session) -> dict[str, Any]:
        now, life = self._clock(), self._lifetimes
        access, session.refresh = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
        session.access[access] = now + life.access
        session.ends = now + life.refresh
        return {
            "access_token": access,
            "expires_in": int(life.access),
            "refresh_expires_in": int(life.refresh),
            "refresh_token": session.refresh,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": secrets.token_hex(16),
            "scope": "AUDIENCE_PUBLIC openid email profile on-demand-processing user-context",
        }
