"""The completeness calendar of a tile: every acquisition of a year on its day, and when its months were searched."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from shared.models import State, Tile, TileMonth
from shared.pipeline.overview import order, sensed
from shared.records import MonthRecord, Record


@dataclass(frozen=True, slots=True)
class CalendarMonth:
    """One month of a tile."""

    month: TileMonth
    days: Mapping[date, tuple[Record, ...]]  # days (UTC) with acquisitions, in order; oldest first within one
    searched: MonthRecord | None  # what the ledger knows about the month; None: it was never asked for
    states: Mapping[State, int]


def calendar(
    records: Iterable[Record], months: Iterable[MonthRecord], tile: str, year: int
) -> tuple[CalendarMonth, ...]:
    """The twelve months of ``year``; BadName where ``tile`` or ``year`` is none of Sentinel-2."""
    all_months = [TileMonth(Tile(tile), year, number) for number in range(1, 13)]
    known = {row.month: row for row in months if row.month.tile.name == tile}
    days: dict[date, list[Record]] = defaultdict(list)
    for record in records:
        at = sensed(record) if record.partition == tile else None
        if at is not None and at.year == year:
            days[at.date()].append(record)
    return tuple(_month(month, days, known.get(month)) for month in all_months)


def _month(month: TileMonth, days: Mapping[date, list[Record]], known: MonthRecord | None) -> CalendarMonth:
    mine = {day: tuple(sorted(days[day], key=order)) for day in sorted(days) if day.month == month.month}
    return CalendarMonth(month, mine, known, Counter(record.state for row in mine.values() for record in row))


def years(records: Iterable[Record], tile: str) -> list[int]:
    """The years in which ``tile`` has acquisitions, newest first."""
    instants = (sensed(record) for record in records if record.partition == tile)
    return sorted({at.year for at in instants if at is not None}, reverse=True)
