"""When the timers last ran to their end: a small blob each, so that health can say so whoever hosts the timers.

config/last-run/schedule.json     {"at": "2026-11-22T06:00:02Z"}
"""

from __future__ import annotations

import json
from datetime import datetime

from shared.errors import NotFound
from shared.models import CONFIG, BlobPath, in_mission
from shared.ports import Clock, ObjectStore

TIMERS = ("schedule", "watch")


def note(step: str, store: ObjectStore, clock: Clock) -> None:
    """Write down that ``step`` has just ended well."""
    text = json.dumps({"at": clock().isoformat(timespec="seconds")})
    store.write(_blob(step), text.encode(), content_type="application/json")


def last(step: str, store: ObjectStore) -> datetime | None:
    """When ``step`` last ended well; None where it never did, or somebody broke the note."""
    try:
        return in_mission(datetime.fromisoformat(json.loads(store.read(_blob(step)))["at"]))
    except (NotFound, ValueError, KeyError, TypeError):
        return None


def _blob(step: str) -> BlobPath:
    return BlobPath(CONFIG, f"last-run/{step}.json")
