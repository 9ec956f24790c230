"""What somebody ought to look at: failures, poison, a refused watchlist, tiles from which nothing comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.models import WATCHLIST, State, Tile, TileMonth
from shared.pipeline.schedule import is_watched
from shared.records import REFUSED, Record
from shared.watchlist import Watchlist

QUIET_DAYS = 10  # two satellites pass every five days at the equator, more often where the ice is


@dataclass(frozen=True, slots=True)
class Alarm:
    """One sentence for the person who keeps it running."""

    kind: str  # "watchlist", "poison", "failed", "refused", "quiet"
    sentence: str
    tile: str = ""


def alarms(
    records: Iterable[Record],
    depths: Mapping[str, int],
    watched: Watchlist,
    now: datetime,
    *,
    quiet_days: int = QUIET_DAYS,
) -> list[Alarm]:
    """The alarms, the gravest first; ``depths`` are the messages in each queue, poison queues among them."""
    rows = list(records)
    refused = [row for row in rows if row.partition == REFUSED and row.state is State.FAILED]
    found = [Alarm("watchlist", row.reason) for row in refused if row.name == str(WATCHLIST)]
    found += [
        Alarm("poison", f"Queue {queue} holds {_count(depth, 'message')} that every try failed for.")
        for queue, depth in sorted(depths.items())
        if depth and queue.endswith("-poison")
    ]
    failed = Counter(row.partition for row in rows if row.state is State.FAILED and row.partition != REFUSED)
    found += [Alarm("failed", f"{_count(count, 'product')} of {tile} failed.", tile) for tile, count in failed.items()]
    if others := sum(row.name != str(WATCHLIST) for row in refused):
        found.append(Alarm("refused", f"{_count(others, 'name or message', 'names or messages')} could not be used."))
    return found + _quiet(rows, watched, now, timedelta(days=quiet_days))


def _quiet(rows: list[Record], watched: Watchlist, now: datetime, limit: timedelta) -> list[Alarm]:
    """The watched tiles, in season, whose newest acquisition is older than ``limit``."""
    newest: dict[str, datetime] = {}
    for row in rows:
        if (at := row.times.get("sensing")) is not None:
            newest[row.partition] = max(at, newest.get(row.partition, at))
    begin = now - limit
    in_season = {
        name
        for area in watched.areas
        for name in area.tiles
        if all(is_watched(area, TileMonth(Tile(name), day.year, day.month)) for day in (begin, now))
        and (area.until is None or area.until >= now.date())
    }
    found = []
    for tile in sorted(in_season):
        last = newest.get(tile)
        if last is None or last < begin:
            since = f"since {last:%Y-%m-%d}" if last else "yet"
            found.append(Alarm("quiet", f"No acquisition of {tile} has been found {since}.", tile))
    return found


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
