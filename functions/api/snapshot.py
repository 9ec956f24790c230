"""The whole ledger in memory for some seconds, so that lists and views answer fast from thousands of rows.

Reading five thousand rows takes about a second of work, so that is done once; afterwards only the rows written since
are read, in the background, while somebody looks. Who gives an order sees what it has changed at once: the next view
waits until the ledger was read again; by a cookie (see `functions.api.door`) also on another instance. Now and then
everything is read anew, for the rows that somebody removed by hand. One product is never read from here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from functions.api.keeping import Kept
from shared.models import TileMonth
from shared.pipeline.overview import newest_first
from shared.ports import Clock, Ledger
from shared.records import MonthRecord, Record
from shared.wiring import Services, services

_FRESH = 5.0  # seconds in which nobody looks again
_SHARE = 10  # times the seconds of work that reading took is the copy left alone
_STALE = 15.0  # seconds after which nobody is given it any more, as docs/api.md promises
_WHOLE_EVERY = 900.0  # seconds after which everything is read anew
_OVERLAP = timedelta(seconds=30)  # our clock may differ from the storage service's
_log = logging.getLogger("icewatch")
not_before: ContextVar[datetime | None] = ContextVar("not_before", default=None)
"""What the present request was told to have changed the ledger at: it is shown no older state."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The ledger as it was at one moment; where nothing was written in between, two hold the very same tuples."""

    records: tuple[Record, ...]  # newest acquisition first
    months: tuple[MonthRecord, ...]
    at: datetime
    version: int = 0  # another where a row is


@dataclass(slots=True)
class _Rows:
    """What was read so far, by key."""

    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    months: dict[TileMonth, MonthRecord] = field(default_factory=dict)
    whole_at: float = float("-inf")  # monotonic seconds


class Keeper:
    """Keeps the newest snapshot; used by many threads."""

    def __init__(self, ledger: Ledger, clock: Clock, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._clock, self._monotonic = ledger, clock, monotonic
        self._reading = threading.Lock()  # held by the one thread that reads
        self._kept: Snapshot | None = None
        self._rows = _Rows()
        self._read_at, self._work = 0.0, 0.0  # monotonic seconds, seconds of work
        self._changes = self._seen_changes = 0  # how often somebody changed something here; how often when last read
        self.answers = Kept()  # made from the snapshot that is kept

    def get(self) -> Snapshot:
        """The snapshot; read now where there is none or it is too old, else renewed behind the caller's back."""
        return self.at_hand() or self._read()

    def at_hand(self) -> Snapshot | None:
        """The snapshot where it can be had without waiting, else None; renewed behind the caller's back."""
        kept, age, told = self._kept, self._monotonic() - self._read_at, not_before.get()
        if kept is None or age > _STALE or self._changes != self._seen_changes or (told and kept.at < told):
            return None
        if age > max(_FRESH, _SHARE * self._work) and self._reading.acquire(blocking=False):
            threading.Thread(target=self._renew, name="snapshot", daemon=True).start()
        return kept

    def forget(self) -> None:
        """Have the next caller read anew: somebody has just changed something and wants to see it."""
        self._changes += 1
        self.answers.clear()

    def _read(self) -> Snapshot:
        arrived = self._monotonic()
        with self._reading:
            if self._kept and self._read_at >= arrived and self._seen_changes == self._changes and not not_before.get():
                return self._kept  # begun by another thread while this one waited, however long it took
            return self.at_hand() or self._load()

    def _renew(self) -> None:
        try:
            self._load()
        except Exception as error:  # noqa: BLE001  # whatever it is, the copy stays, and who asks too late hears of it
            _log.warning("api: the ledger could not be read again: %s", error)
        finally:
            self._reading.release()

    def _load(self) -> Snapshot:
        began, at, changes, monotonic = time.thread_time(), self._clock(), self._changes, self._monotonic()
        kept = self._kept
        if kept is None or monotonic - self._rows.whole_at > _WHOLE_EVERY:
            loaded = self._whole(at, monotonic)
        else:
            loaded = self._changed(kept, at)
        self._work = min(time.thread_time() - began, _STALE / _SHARE / 2)
        self._read_at, self._kept = monotonic, loaded
        self._seen_changes = changes  # what was changed meanwhile may be missing: then the next one reads again
        return loaded

    def _whole(self, at: datetime, monotonic: float) -> Snapshot:
        records = {(record.partition, record.name): record for record in self._ledger.records()}
        months = {row.month: row for row in self._ledger.months()}
        self._rows = _Rows(records, months, monotonic)
        version = self._kept.version + 1 if self._kept else 0
        return Snapshot(tuple(newest_first(records.values())), tuple(months.values()), at, version)

    def _changed(self, kept: Snapshot, at: datetime) -> Snapshot:
        rows, since = self._rows, kept.at - _OVERLAP
        records = {(record.partition, record.name): record for record in self._ledger.records(since=since)}
        months = {row.month: row for row in self._ledger.months(since=since)}
        has_records = any(rows.records.get(key) != record for key, record in records.items())
        has_months = any(rows.months.get(month) != row for month, row in months.items())
        rows.records |= records
        rows.months |= months
        return Snapshot(
            tuple(newest_first(rows.records.values())) if has_records else kept.records,
            tuple(rows.months.values()) if has_months else kept.months,
            at,
            kept.version + (has_records or has_months),
        )


@lru_cache(maxsize=8)
def _keeper(outside: Services) -> Keeper:
    return Keeper(outside.ledger, outside.clock)


def keeper() -> Keeper:
    """What keeps the snapshot, and what was answered from it."""
    return _keeper(services())


def snapshot() -> Snapshot:
    """The ledger as it was some seconds ago at most; older only while it is being read again."""
    return keeper().get()


def forget() -> None:
    """Have the next view read the ledger anew."""
    keeper().forget()
