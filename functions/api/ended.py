"""Sessions that somebody has ended: who copied the cookie cannot go on with it, on no instance of the app.

    config/ended-sessions.json     ["1700000000.Jw3...", ...]     until when it was good, and what told it from others

Each instance reads the list again where its copy is ten seconds old and a session is used; what has run out by itself
is left out when the next one is added. While storage cannot be read the last copy counts. An instance that has none yet
takes every session for ended until it could read the list, and whoever comes meanwhile waits for that reading.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable

from shared.errors import Changed, IceWatchError, NotFound, StorageUnavailable
from shared.models import CONFIG, BlobPath
from shared.ports import ObjectStore

PATH = BlobPath(CONFIG, "ended-sessions.json")
FRESH = 10.0  # seconds for which a copy is believed
_MOST = 1000  # sessions that are kept, the newest ones
_TRIES = 5  # against other instances that end sessions at the same time
_log = logging.getLogger("icewatch")


class EndedSessions:
    """The list as this instance last saw it; used by many threads."""

    def __init__(self, store: Callable[[], ObjectStore], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._monotonic = store, monotonic
        self._known: frozenset[str] | None = None  # None: not read yet
        self._tried_at = float("-inf")
        self._reading = threading.Lock()  # held by who reads while there is no copy yet
        self._firsts = 0  # such readings that came to an end

    def __contains__(self, session: str) -> bool:
        """Whether ``session`` was ended, as far as `renew` has seen; where it has seen nothing yet, each was."""
        return self._known is None or session in self._known

    @property
    def is_known(self) -> bool:
        """Whether the list could be read yet."""
        return self._known is not None

    @property
    def is_stale(self) -> bool:
        """Whether `renew` would read, or wait for who does."""
        return self._known is None or self._monotonic() - self._tried_at >= FRESH

    def renew(self) -> None:
        """Read the list where the copy is too old; takes as long as storage takes."""
        before = self._firsts
        if self._known is None:
            with self._reading:
                if self._firsts == before:  # else that one was waited for, whatever came of it
                    self._read_anew()
                    self._firsts += 1
        elif self.is_stale:
            self._read_anew()

    def _read_anew(self) -> None:
        self._tried_at = self._monotonic()  # others go on with the last copy meanwhile
        try:
            self._known = frozenset(_read(self._store()))
        except IceWatchError as error:
            _log.warning("api: which sessions were ended is not known anew: %s", error)

    def end(self, session: str, now: float) -> None:
        """Add ``session``; ``now`` in seconds since 1970. Raises StorageUnavailable where it cannot be written."""
        store = self._store()
        for _ in range(_TRIES):
            info = store.info(PATH)
            known = [one for one in _read(store) if _until(one) > now and one != session]
            kept = [*known, session][-_MOST:]
            try:
                store.replace(
                    PATH, json.dumps(kept).encode(), etag=info.etag if info else None, content_type="application/json"
                )
            except Changed:
                continue
            self._known = (self._known or frozenset()).union(kept)
            return
        raise StorageUnavailable(f"Other sessions were ended {_TRIES} times just now; sign out again.")


def _read(store: ObjectStore) -> Iterable[str]:
    try:
        told = json.loads(store.read(PATH))
    except NotFound:
        return []
    except ValueError:
        _log.error("api: %s is no list of sessions; those that were ended before are open again", PATH)
        return []
    return [one for one in told if isinstance(one, str)] if isinstance(told, list) else []


def _until(session: str) -> float:
    text = session.partition(".")[0]
    return float(text) if text.isascii() and text.isdigit() and len(text) < 13 else 0.0
