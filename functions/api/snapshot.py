"""The whole ledger in memory for some seconds, so that lists and views answer fast from thousands of rows.

Reading five thousand rows takes about a second of work. The copy is renewed in the background, with at most a tenth of
one core, so that many readers cost no more than one. One product is never read from here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from shared.pipeline.overview import newest_first
from shared.ports import Clock, Ledger
from shared.records import MonthRecord, Record
from shared.wiring import Services, services

_FRESH = 2.0  # seconds in which nobody looks again
_SHARE = 10  # times the seconds of work that reading took is the copy left alone
_STALE = 60.0  # seconds after which nobody is given it any more
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger as it was at one moment."""

    records: tuple[Record, ...]  # newest acquisition first
    months: tuple[MonthRecord, ...]
    at: datetime


class Keeper:
    """Keeps the newest snapshot; used by many threads."""

    def __init__(self, ledger: Ledger, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._clock, self._monotonic = ledger, clock, monotonic
        self._reading = threading.Lock()  # held by the one thread that reads
        self._kept: Snapshot | None = None
        self._read_at, self._work = 0.0, 0.0  # monotonic seconds, seconds of work
        self._changes = 0  # how often somebody changed something here

    def get(self) -> Snapshot:
        """The snapshot; read now where there is none or it is too old, else renewed behind the caller's back."""
        kept, age = self._kept, self._monotonic() - self._read_at
        if kept is None or age > _STALE:
            return self._read(kept)
        if age > max(_FRESH, _SHARE * self._work) and self._reading.acquire(blocking=False):
            threading.Thread(target=self._renew, name="snapshot", daemon=True).start()
        return kept

    def forget(self) -> None:
        """Have the next caller read anew: somebody has just changed something and wants to see it."""
        self._changes += 1
        self._kept = None

    def _read(self, seen: Snapshot | None) -> Snapshot:
        with self._reading:
            if self._kept is not None and self._kept is not seen:
                return self._kept  # another thread has read it while this one waited
            return self._load()

    def _renew(self) -> None:
        try:
            self._load()
        except Exception as error:  # noqa: BLE001  # whatever it is, the copy stays, and who asks too late hears of it
            _log.warning("api: the ledger could not be read again: %s", error)
        finally:
            self._reading.release()

    def _load(self) -> Snapshot:
        began, at, changes = time.thread_time(), self._clock(), self._changes
        records = tuple(newest_first(self._ledger.records()))
        loaded = Snapshot(records, tuple(self._ledger.months()), at)
        self._work = min(time.thread_time() - began, _STALE / _SHARE / 2)
        if changes == self._changes:  # else what was changed meanwhile may be missing, and the next one reads again
            self._read_at, self._kept = self._monotonic(), loaded
        return loaded


@lru_cache(maxsize=8)
def _keeper(outside: Services) -> Keeper:
    return Keeper(outside.ledger, outside.clock)


def snapshot() -> Snapshot:
    """The ledger as it was some seconds ago at most; older only while it is being read again."""
    return _keeper(services()).get()


def forget() -> None:
    """Have the next view read the ledger anew."""
    _keeper(services()).forget()
