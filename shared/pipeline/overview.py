"""overview: what the ledger's rows say to a person. Pure functions; the API and the pages show the same.

The other views stand beside it: `overview_calendar`, `overview_series`, `overview_failures`, `overview_alarms`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from shared.errors import BadName
from shared.models import ProductName, State
from shared.records import DRONE, REFUSED, Record
from shared.watchlist import Watchlist

_NEVER = datetime.min.replace(tzinfo=UTC)
_NO_TILES = {DRONE, REFUSED}  # partitions


@dataclass(frozen=True, slots=True)
class Filter:
    """Which products a person asks for; what is left out does not narrow."""

    tile: str | None = None  # or `shared.records.DRONE` or REFUSED
    since: date | None = None  # first day of sensing, UTC
    until: date | None = None  # last day of sensing, UTC
    states: frozenset[State] = frozenset()
    reason: str = ""  # part of the reason, in any case

    def takes(self, record: Record) -> bool:
        """Whether ``record`` is asked for."""
        if self.tile is not None and record.partition != self.tile:
            return False
        if self.states and record.state not in self.states:
            return False
        if self.reason and self.reason.casefold() not in record.reason.casefold():
            return False
        if self.since is None and self.until is None:
            return True
        sensing = sensed(record)
        return sensing is not None and (self.since or date.min) <= sensing.date() <= (self.until or date.max)


def sensed(record: Record) -> datetime | None:
    """When the acquisition of ``record`` was taken: its name says so, or its row; None for what is no product."""
    try:
        return ProductName.parse(record.name).sensing
    except BadName:
        return record.times.get("sensing")


def order(record: Record) -> tuple[datetime, str, str]:
    """The sort key of lists: by sensing, then by name; what is no product comes as the oldest."""
    return record.times.get("sensing", _NEVER), record.partition, record.name


def newest_first(records: Iterable[Record]) -> list[Record]:
    """``records`` in the order of lists, which new rows never change for the others."""
    return sorted(records, key=order, reverse=True)


def chosen(records: Iterable[Record], wanted: Filter) -> list[Record]:
    """The records that ``wanted`` takes, in the order given."""
    return [record for record in records if wanted.takes(record)]


@dataclass(frozen=True, slots=True)
class TileOverview:
    """One tile: what it has and what it waits for."""

    tile: str
    areas: tuple[str, ...]  # of the watchlist; none: its products were dropped, or it is watched no more
    states: Mapping[State, int]
    latest: Record | None  # the newest acquisition that has results
    last_sensing: datetime | None  # of the newest acquisition, whatever became of it
    last_success: datetime | None  # when a product was last classified


def tiles(records: Iterable[Record], watched: Watchlist) -> list[TileOverview]:
    """All tiles that are watched or have products, by name."""
    areas: dict[str, list[str]] = defaultdict(list)
    for area in watched.areas:
        for tile in area.tiles:
            areas[tile].append(area.name)
    rows: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.partition not in _NO_TILES:
            rows[record.partition].append(record)
    return [_tile(tile, tuple(areas.get(tile, ())), rows.get(tile, [])) for tile in sorted(areas.keys() | rows.keys())]


def orthomosaics(records: Iterable[Record]) -> Mapping[State, int]:
    """How many orthomosaics are in each state; they lie on no tile of the grid."""
    return Counter(record.state for record in records if record.partition == DRONE)


def _tile(tile: str, areas: tuple[str, ...], records: list[Record]) -> TileOverview:
    classified = [record for record in records if record.state is State.CLASSIFIED]
    return TileOverview(
        tile=tile,
        areas=areas,
        states=Counter(record.state for record in records),
        latest=max((record for record in records if record.has_results), key=order, default=None),
        last_sensing=max((at for record in records if (at := record.times.get("sensing"))), default=None),
        last_success=max((at for record in classified if (at := record.times.get("classify"))), default=None),
    )
