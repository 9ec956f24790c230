"""When the timers last ran to their end: a small blob each, so that health can say so whoever hosts the timers.

config/last-run/schedule.json     {"at": "2026-11-22T06:00:02Z", "before": ["2026-11-22T00:00:02Z", ...]}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from shared.errors import NotFound
from shared.models import CONFIG, BlobPath, in_mission
from shared.ports import Clock, ObjectStore

TIMERS = ("schedule", "watch")
_RARE = timedelta(hours=13)  # taken for how often a timer runs until its own runs say more: daily is not late
_REMEMBERED = 6  # runs before the last
_SLACK = timedelta(minutes=30)  # late is nobody before
_ENOUGH = 3  # pauses between runs that say how often it runs


@dataclass(frozen=True, slots=True)
class Runs:
    """The last runs of one timer that ended well."""

    step: str
    times: tuple[datetime, ...] = ()  # newest first; none where it never ended well, or somebody broke the note
    first_due: datetime | None = None  # of one that never ended well: when it was due first; None: not known

    @property
    def last(self) -> datetime | None:
        """When it last ended well."""
        return self.times[0] if self.times else None

    @property
    def every(self) -> timedelta | None:
        """How often it runs at least: the longest of its last pauses, as runs by hand count too; None: unknown yet."""
        pauses = [later - earlier for later, earlier in pairwise(self.times)]
        return max(pauses) if len(pauses) >= _ENOUGH else None

    def is_new(self, now: datetime) -> bool:
        """Whether it waits for its first run: nothing is wrong before that was due and had time to end."""
        return self.last is None and self.first_due is not None and now <= self.first_due + _SLACK

    def is_late(self, now: datetime) -> bool:
        """Whether it has not run for twice its interval, or not once though it should have."""
        if self.last is None:
            return not self.is_new(now)
        return now - self.last > max(2 * (self.every or _RARE), _SLACK)


def note(step: str, store: ObjectStore, clock: Clock) -> None:
    """Write down that ``step`` has just ended well."""
    before = runs(step, store).times[:_REMEMBERED]
    told = {"at": _text(clock()), "before": [_text(at) for at in before]}
    store.write(_blob(step), json.dumps(told).encode(), content_type="application/json")


def all_runs(store: ObjectStore, first_due: Callable[[str], datetime | None]) -> list[Runs]:
    """The last runs of every timer; of one that never ended well, when ``first_due`` says it was due first."""
    found = [runs(step, store) for step in TIMERS]
    return [one if one.times else replace(one, first_due=first_due(one.step)) for one in found]


def runs(step: str, store: ObjectStore) -> Runs:
    """The last runs of ``step``."""
    try:
        told = json.loads(store.read(_blob(step)))
        texts = [told["at"], *told.get("before", [])[:_REMEMBERED]]
        times = [in_mission(datetime.fromisoformat(text)) for text in texts]
    except (NotFound, ValueError, KeyError, TypeError, AttributeError):
        return Runs(step)
    return Runs(step, tuple(times))


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _blob(step: str) -> BlobPath:
    return BlobPath(CONFIG, f"last-run/{step}.json")
