"""When the timers last ran to their end: a small blob each, so that health can say so whoever hosts the timers.

config/last-run/schedule.json     {"at": "2026-11-22T06:00:02Z", "before": ["2026-11-22T00:00:02Z", ...]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
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

    @property
    def last(self) -> datetime | None:
        """When it last ended well."""
        return self.times[0] if self.times else None

    @property
    def every(self) -> timedelta | None:
        """How often it runs at least: the longest of its last pauses, as runs by hand count too; None: unknown yet."""
        pauses = [later - earlier for later, earlier in pairwise(self.times)]
        return max(pauses) if len(pauses) >= _ENOUGH else None

    def is_late(self, now: datetime) -> bool:
        """Whether it has not run for twice its interval."""
        return self.last is None or now - self.last > max(2 * (self.every or _RARE), _SLACK)


def note(step: str, store: ObjectStore, clock: Clock) -> None:
    """Write down that ``step`` has just ended well."""
    before = runs(step, store).times[:_REMEMBERED]
    told = {"at": _text(clock()), "before": [_text(at) for at in before]}
    store.write(_blob(step), json.dumps(told).encode(), content_type="application/json")


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
