"""Where the login session is kept, so that all instances of the app share one.

A session is worth as much as the password while it lasts. In the storage account it therefore lies sealed: encrypted
with a key made from the password, which every instance knows and no reader of the blob does. See
docs/decisions/2026-11-22-one-copernicus-session.md.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from functools import lru_cache
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import NotFound
from shared.models import CONFIG, BlobPath
from shared.ports import ObjectStore

SESSION = BlobPath(CONFIG, "copernicus-session.sealed")
_SALT = 16  # bytes
_SCRYPT = {"n": 1 << 14, "r": 8, "p": 1}  # 16 MiB and some 50 ms for each guess of the password


class Session(BaseModel):
    """What the last grant gave; shown by no repr. Times are seconds since 1970."""

    # Hidden, as errors would quote the tokens.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    user: str = Field(repr=False)
    token: str = Field(repr=False)
    until: float
    refresh: str = Field(repr=False)
    refresh_until: float


class SessionStore(Protocol):
    """Keeps the newest session; the last writer wins, and nobody waits for anybody."""

    def load(self) -> Session | None:
        """The session kept, None where there is none or it cannot be read."""
        ...

    def save(self, session: Session) -> None:
        """Keep ``session`` instead of the one before."""
        ...


class OwnSession:
    """Keeps the session in this process."""

    def __init__(self) -> None:
        self._session: Session | None = None

    def load(self) -> Session | None:
        """The session kept, None where there is none."""
        return self._session

    def save(self, session: Session) -> None:
        """Keep ``session`` instead of the one before."""
        self._session = session


class SealedSession:
    """Keeps the session in blob storage, readable only for who knows the password."""

    def __init__(self, store: ObjectStore, password: str) -> None:
        """``password`` is that of the account the session belongs to."""
        self._store = store
        self._password = password

    def load(self) -> Session | None:
        """The session kept, None where there is none, or it was sealed with another password, or is damaged.

        Raises StorageUnavailable.
        """
        from cryptography.fernet import Fernet, InvalidToken

        try:
            sealed = self._store.read(SESSION)
            text = Fernet(_key(self._password, sealed[:_SALT])).decrypt(sealed[_SALT:])
            return Session.model_validate_json(text)
        except (NotFound, InvalidToken, ValidationError):
            return None

    def save(self, session: Session) -> None:
        """Keep ``session`` instead of the one before; raises StorageUnavailable."""
        from cryptography.fernet import Fernet

        salt = secrets.token_bytes(_SALT)
        sealed = Fernet(_key(self._password, salt)).encrypt(session.model_dump_json().encode())
        self._store.write(SESSION, salt + sealed)


@lru_cache(maxsize=4)
def _key(password: str, salt: bytes) -> bytes:
    return base64.urlsafe_b64encode(hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_SCRYPT))
