"""schedule: which tile-months to look at now.

1. The current and the previous month of each watched tile, on every run.
2. Months that backfill has closed, once a week each, spread over the week: only what the provider has changed since the
   last look (late arrivals, reprocessings). A month in which products wait for the provider's archive is looked at in
   full, once a day.
3. Older months that are not closed, newest first, and only as many as the queues have room for: new acquisitions queue
   behind what is sent here.

Safe to run twice: discover finds nothing new the second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from zlib import crc32

from shared.messages import CORRECTIONS, PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.models import State, Tile, TileMonth
from shared.pipeline.discover_choice import month_of
from shared.ports import Ledger, Queues
from shared.records import MonthRecord, age
from shared.watchlist import Area, Watchlist

PRODUCTS_PER_MONTH = 30  # about as many acquisitions a tile-month has
MOST_BACKFILL = 24  # tile-months per run, whatever the room
MOST_LOOKS = 400  # closed tile-months per run; a search of the catalogue takes about a second
LOOK_AGAIN = timedelta(days=7)
LOOK_FOR_WAITING = timedelta(days=1)  # also the pause between two backfills of a month that is not closed yet
OVERLAP = timedelta(days=1)  # the catalogue may show a change some time after the moment it bears


def schedule(
    watched: Watchlist, *, ledger: Ledger, queues: Queues, now: datetime, backfill_room: int = 120
) -> list[TileMonthMessage]:
    """The messages for queue ``tile-months``, current months first. Raises only what ledger and queues raise.

    ``backfill_room`` is how many products may wait in the queues before backfill adds no more.
    """
    current, older = _months(watched, now)
    known = {row.month: row for row in ledger.months()}
    looked_at = sorted(
        (month for month in older if month in known), key=lambda month: known[month].age(now), reverse=True
    )
    waiting = {month_of(record) for record in ledger.in_state(State.OFFLINE)}
    looks = (message for month in looked_at if (message := _look(month, known[month], now, waits=month in waiting)))
    is_open = [month for month in _newest_first(older) if _open(known.get(month), now)]
    is_open.sort(key=lambda month: month in known and bool(known[month].error))  # what fails goes last
    backfill = (TileMonthMessage.of(month, backfill=True) for month in is_open)
    room = _room(queues, backfill_room)
    return [
        *(TileMonthMessage.of(month) for month in current),
        *islice(looks, MOST_LOOKS),
        *islice(backfill, room),
    ]


def _months(watched: Watchlist, now: datetime) -> tuple[list[TileMonth], list[TileMonth]]:
    """The months to look at on every run, in the order of the watchlist, and the older ones; each once."""
    current: dict[TileMonth, None] = {}
    older: dict[TileMonth, None] = {}
    for area in watched.areas:
        for name in area.tiles:
            this = TileMonth(Tile(name), now.year, now.month)
            recent = (this, this.previous())
            current.update(dict.fromkeys(month for month in recent if is_watched(area, month)))
            older.update(dict.fromkeys(_before(recent[-1], area)))
    return list(current), [month for month in older if month not in current]


def is_watched(area: Area, month: TileMonth, at: datetime | None = None) -> bool:
    """Whether ``area`` asks for a day of ``month``, or for the one of ``at`` in it; its tile is another question."""
    first, last = (at, at) if at else (month.start, month.end - timedelta(days=1))
    return (
        month.month in area.months
        and (area.since is None or last.date() >= area.since)
        and (area.until is None or first.date() <= area.until)
    )


def _before(recent: TileMonth, area: Area) -> Iterator[TileMonth]:
    if area.since is None:
        return
    month = TileMonth(recent.tile, area.since.year, area.since.month)
    while month < recent:
        if is_watched(area, month):
            yield month
        month = month.next()


def _newest_first(months: Iterable[TileMonth]) -> list[TileMonth]:
    return sorted(months, key=lambda month: (month.key, month.tile), reverse=True)


def _open(known: MonthRecord | None, now: datetime) -> bool:
    """True where backfill has to search the month."""
    if known is None:
        return True
    return not known.closed and min(known.age(now), age(known.tried, now)) >= LOOK_FOR_WAITING


def _look(month: TileMonth, known: MonthRecord, now: datetime, *, waits: bool) -> TileMonthMessage | None:
    """The message for a closed month whose turn it is; ``waits`` where products in it wait for the archive."""
    if not known.closed:
        return None
    last = known.age(now)
    if waits or known.searched is None or last == timedelta.max:  # in the last case nothing says since when
        return TileMonthMessage.of(month, backfill=True) if last >= LOOK_FOR_WAITING else None
    if _turn(month, now) == _turn(month, known.searched):
        return None
    return TileMonthMessage.of(month, backfill=True, since=known.searched - OVERLAP)


def _turn(month: TileMonth, at: datetime) -> int:
    """Which week of this month's own weeks ``at`` falls in; they begin at another hour for each month."""
    shift = crc32(str(month).encode()) / 2**32
    return int(at.timestamp() / LOOK_AGAIN.total_seconds() + shift)


def _room(queues: Queues, backfill_room: int) -> int:
    """How many tile-months of backfill the queues have room for."""
    waiting = queues.depth(PRODUCTS) + queues.depth(CORRECTIONS) + PRODUCTS_PER_MONTH * queues.depth(TILE_MONTHS)
    return min(max((backfill_room - waiting) // PRODUCTS_PER_MONTH, 0), MOST_BACKFILL)
