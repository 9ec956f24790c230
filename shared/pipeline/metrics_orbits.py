"""Acquisitions that should be there: each Sentinel-2 platform passes over a tile every ten days on the same orbit.

Expected is what the repeat predicts between two acquisitions that are known, and after the last one for as long as an
orbit is believed to be acquired still. Over ice not every pass is acquired: polar night, other duties of the
platform. So three passes in a row without an image end the expectation, until the next image begins it anew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from shared.errors import BadName
from shared.models import ProductName, Tile, TileMonth
from shared.pipeline.schedule import is_watched
from shared.records import Record
from shared.watchlist import Watchlist

# Of one platform: 143 orbits in ten days. ESA, Sentinel-2 mission guide; two platforms together pass every five days.
REPEAT = timedelta(days=10)
BELIEVED = 3  # passes without an image after which an orbit is taken for not acquired
PUBLISHED_WITHIN = timedelta(days=3)  # a pass is not missed before; the catalogue has most products within a day
LOOK_BACK = timedelta(days=60)
_Track = tuple[Tile, str, int]  # tile, platform, relative orbit


@dataclass(frozen=True, slots=True, order=True)
class Missing:
    """An acquisition that the repeat predicts and that no row of the ledger names."""

    tile: Tile
    at: datetime  # about when it should have been sensed
    platform: str  # "S2B"
    orbit: int  # relative orbit


def missing(records: Iterable[Record], now: datetime, *, watched: Watchlist | None = None) -> list[Missing]:
    """What should have been acquired within the last 60 days and was not, or not published, or not found.

    With ``watched``, only in the months, and between the days, for which the watchlist asks for the tile.
    """
    recent = [row for row in records if now - row.times.get("sensing", now) <= LOOK_BACK + REPEAT * (BELIEVED + 1)]
    found = [
        Missing(tile, at, platform, orbit)
        for (tile, platform, orbit), seen in _tracks(recent).items()
        for at in _expected(sorted(seen), now)
        if now - LOOK_BACK <= at <= now - PUBLISHED_WITHIN and (watched is None or _is_asked_for(tile, at, watched))
    ]
    return sorted(found)


def acquired(records: Iterable[Record], now: datetime, *, watched: Watchlist) -> Counter[Tile]:
    """How many passes of each tile left a product, in the same time and months; halves of a datatake are one pass."""
    return Counter(
        tile
        for (tile, _, _), seen in _tracks(records).items()
        for _, at in {at.date(): at for at in seen}.items()
        if now - LOOK_BACK <= at <= now - PUBLISHED_WITHIN and _is_asked_for(tile, at, watched)
    )


def _is_asked_for(tile: Tile, at: datetime, watched: Watchlist) -> bool:
    """Whether some area asks for what ``tile`` shows at ``at``."""
    month = TileMonth(tile, at.year, at.month)
    return any(tile.name in area.tiles and is_watched(area, month, at) for area in watched.areas)


def _tracks(records: Iterable[Record]) -> dict[_Track, set[datetime]]:
    seen: defaultdict[_Track, set[datetime]] = defaultdict(set)
    for record in records:
        try:
            name = ProductName.parse(record.name)
        except BadName:  # a refused thing
            continue
        seen[name.tile, name.platform, name.orbit].add(name.sensing)
    return seen


def _expected(seen: list[datetime], now: datetime) -> Iterator[datetime]:
    """Passes without an acquisition; ``seen`` are those with one, in order."""
    for earlier, later in pairwise(seen):
        passes = round((later - earlier) / REPEAT)  # 0: the same pass, whose datatake began anew
        if passes <= BELIEVED + 1:
            yield from (earlier + REPEAT * count for count in range(1, passes))
    yield from (at for count in range(1, BELIEVED + 1) if (at := seen[-1] + REPEAT * count) < now)
