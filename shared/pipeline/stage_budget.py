"""stage, the byte budget: how much may be taken from the provider in any 30 days, by all instances together.

Bytes are counted per day, before the download begins (so that two instances never spend the same bytes) and put
right at its end. What a killed instance has reserved stays counted: the budget errs on the safe side.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from shared.limits import Tally

WINDOW = timedelta(days=30)
UNKNOWN_SIZE = 1_000_000_000  # bytes reserved for a product whose size the catalogue does not say; few are larger


def reserve(tally: Tally, count: int, *, most: int, today: date) -> int | None:
    """Count ``count`` bytes as spent today unless that would make more than ``most``.

    Returns None where they are reserved, otherwise the bytes of the last 30 days.
    """
    used: int | None = None

    def change(days: Mapping[date, int]) -> Mapping[date, int]:
        nonlocal used
        recent = _recent(days, today)
        total = sum(recent.values())
        used = total if total + count > most else None
        return days if used is not None else recent | {today: recent.get(today, 0) + count}

    tally.update(change)
    return used


def settle(tally: Tally, *, reserved: int, arrived: int, day: date) -> None:
    """Replace what was ``reserved`` on ``day`` by the bytes that ``arrived``."""
    if reserved != arrived:
        tally.update(lambda days: {**days, day: max(0, days.get(day, 0) - reserved + arrived)})


def _recent(days: Mapping[date, int], today: date) -> dict[date, int]:
    tomorrow = today + timedelta(days=1)  # another instance's clock may be a little ahead; a broken tally is not
    return {day: count for day, count in days.items() if today - WINDOW <= day <= tomorrow}
