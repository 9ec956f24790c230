"""schedule: which tile-months to look at now.

Every run asks for the current and the previous month of each watched tile, then for older months that
backfill has not closed, newest first and only so many per run, so that new acquisitions never wait for
old ones. Safe to run twice: discover finds nothing new the second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from shared.messages import TileMonthMessage
from shared.models import Tile, TileMonth
from shared.ports import Ledger
from shared.watchlist import Area, Watchlist

BACKFILL_PER_RUN = 24  # tile-months


def schedule(watched: Watchlist, *, ledger: Ledger, now: datetime) -> list[TileMonthMessage]:
    """The messages for queue ``tile-months``, current months first. Raises only what the ledger raises."""
    current: dict[TileMonth, None] = {}  # a dict keeps the order of the watchlist and drops doubles
    backfill: dict[TileMonth, None] = {}
    for area in watched.areas:
        for name in area.tiles:
            tile = Tile(name)
            recent = _recent(tile, now)
            current.update(dict.fromkeys(month for month in recent if _watched(area, month)))
            backfill.update(dict.fromkeys(_older(area, tile, before=recent[-1])))
    newest_first = sorted(backfill.keys() - current.keys(), key=lambda month: (month.key, month.tile), reverse=True)
    still_open = (month for month in newest_first if not _closed(ledger, month))
    return [TileMonthMessage.of(month) for month in current] + [
        TileMonthMessage.of(month, backfill=True) for month in islice(still_open, BACKFILL_PER_RUN)
    ]


def _recent(tile: Tile, now: datetime) -> tuple[TileMonth, TileMonth]:
    this = TileMonth(tile, now.year, now.month)
    return this, this.previous()


def _watched(area: Area, month: TileMonth) -> bool:
    return (
        month.month in area.months
        and (area.since is None or month.end.date() > area.since)
        and (area.until is None or month.start.date() <= area.until)
    )


def _older(area: Area, tile: Tile, *, before: TileMonth) -> Iterator[TileMonth]:
    if area.since is None:
        return
    month = TileMonth(tile, area.since.year, area.since.month)
    while month < before:
        if _watched(area, month):
            yield month
        month = month.next()


def _closed(ledger: Ledger, month: TileMonth) -> bool:
    known = ledger.month(month)
    return known is not None and known.closed
