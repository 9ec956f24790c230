"""What somebody ought to look at: what stands still, what failed, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.models import WATCHLIST, State, Tile, TileMonth
from shared.pipeline.metrics_orbits import LOOK_BACK, acquired, missing
from shared.pipeline.runs import Runs
from shared.pipeline.schedule import is_watched
from shared.pipeline.watch import patience, stuck
from shared.records import DRONE, REFUSED, MonthRecord, Record
from shared.watchlist import Watchlist

QUIET_DAYS = 10  # two satellites pass every five days at the equator, more often where the ice is
_MOST_NAMED = 6  # tiles in one sentence
_NORMAL_SHARE = 0.2  # of the passes of a tile: Sentinel-2 does not acquire everything
_NORMAL_COUNT = 2  # passes of a tile
_SHOULD = {"schedule": "new acquisitions are looked for", "watch": "what is stuck is found"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One sentence for the person who keeps it running."""

    kind: str  # "timer", "watchlist", "poison", "failed", "stuck", "refused", "search", "quiet", "missing"
    sentence: str
    tile: str = ""
    year: int = 0  # of the calendar that shows it; 0: the newest


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that is looked at: where no alarm comes of it, nothing is wrong in any of it."""

    records: Sequence[Record]
    months: Sequence[MonthRecord]
    depths: Mapping[str, int]  # messages in each queue, poison queues among them
    runs: Sequence[Runs]  # of each timer
    watched: Watchlist
    now: datetime


def alarms(seen: Situation, *, quiet_days: int = QUIET_DAYS) -> list[Alarm]:
    """The alarms, the gravest first."""
    refused = [row for row in seen.records if row.partition == REFUSED and row.state is State.FAILED]
    return [
        *_timers(seen),
        *(Alarm("watchlist", row.reason) for row in refused if row.name == str(WATCHLIST)),
        *_poison(seen),
        *_failed(seen),
        *_stuck(seen),
        *_refused(refused),
        *_searches(seen),
        *_quiet(seen, timedelta(days=quiet_days)),
        *_missing(seen),
    ]


def _timers(seen: Situation) -> Iterator[Alarm]:
    for one in seen.runs:
        if one.is_new(seen.now):
            continue
        if one.last is None:
            yield Alarm("timer", f"The timer '{one.step}' has never run to its end; only then {_SHOULD[one.step]}.")
        elif one.is_late(seen.now):
            when = f"{one.last:%Y-%m-%d %H:%M}, {_hours(seen.now - one.last)} ago"
            yield Alarm("timer", f"The timer '{one.step}' last ran on {when}; only then {_SHOULD[one.step]}.")


def awaited(seen: Situation) -> list[str]:
    """What somebody who has just set it up waits for, and until when; nothing is wrong with it."""
    return [
        f"The timer '{one.step}' waits for its first run at {one.first_due:%Y-%m-%d %H:%M} UTC; "
        f"only then {_SHOULD[one.step]}."
        for one in seen.runs
        if one.is_new(seen.now)
    ]


def _hours(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes / 60:.3g} h" if minutes >= 60 else f"{max(minutes, 1)} min"


def _poison(seen: Situation) -> Iterator[Alarm]:
    for queue, depth in sorted(seen.depths.items()):
        if depth and queue.endswith("-poison"):
            yield Alarm("poison", f"Queue {queue} holds {_count(depth, 'message')} that every try failed for.")


def _failed(seen: Situation) -> Iterator[Alarm]:
    counts = Counter(row.partition for row in seen.records if row.state is State.FAILED and row.partition != REFUSED)
    for tile, count in counts.items():
        what = _count(count, "orthomosaic") if tile == DRONE else f"{_count(count, 'product')} of {tile}"
        yield Alarm("failed", f"{what} failed.", tile)


def _stuck(seen: Situation) -> Iterator[Alarm]:
    limits = patience(seen.depths)
    waiting = Counter(row.partition for row in seen.records if stuck(row, seen.now, limits))
    for tile, count in waiting.items():
        yield Alarm("stuck", f"{_count(count, 'product')} of {tile} stood still for longer than any step takes.", tile)


def _refused(refused: list[Record]) -> Iterator[Alarm]:
    if others := sum(row.name != str(WATCHLIST) for row in refused):
        yield Alarm("refused", f"{_count(others, 'name or message', 'names or messages')} could not be used.")


def _searches(seen: Situation) -> Iterator[Alarm]:
    failed = [row.month for row in seen.months if row.error]
    failed.sort(key=lambda month: (month.key, month.tile), reverse=True)
    if failed:
        names = _named([str(month) for month in failed])
        one = failed[0]
        sentence = f"The last search of {_count(len(failed), 'month')} failed: {names}."
        yield Alarm("search", sentence, one.tile.name, one.year)


def _missing(seen: Situation) -> Iterator[Alarm]:
    """One sentence for all tiles that lack more than is normal; the calendar shows each single pass."""
    lacking = Counter(one.tile for one in missing(seen.records, seen.now, watched=seen.watched))
    there = acquired(seen.records, seen.now, watched=seen.watched) if lacking else lacking
    tiles = [
        (tile.name, count, count + there[tile])
        for tile, count in lacking.most_common()
        if count > max(_NORMAL_COUNT, _NORMAL_SHARE * (count + there[tile]))
    ]
    if tiles:
        named = _named([f"{tile} ({count} of {every})" for tile, count, every in tiles])
        sentence = f"Passes that the orbits lead to expect left no product in the last {LOOK_BACK.days} days: {named}."
        yield Alarm("missing", sentence, tiles[0][0])


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _quiet(seen: Situation, limit: timedelta) -> Iterator[Alarm]:
    """The watched tiles, in season, whose newest acquisition is older than ``limit``."""
    newest: dict[str, datetime] = {}
    for row in seen.records:
        if (at := row.times.get("sensing")) is not None:
            newest[row.partition] = max(at, newest.get(row.partition, at))
    begin = seen.now - limit
    in_season = {
        name
        for area in seen.watched.areas
        for name in area.tiles
        if all(is_watched(area, TileMonth(Tile(name), day.year, day.month)) for day in (begin, seen.now))
        and (area.until is None or area.until >= seen.now.date())
    }
    for tile in sorted(in_season):
        last = newest.get(tile)
        if last is None or last < begin:
            since = f"since {last:%Y-%m-%d}" if last else "yet"
            yield Alarm("quiet", f"No acquisition of {tile} has been found {since}.", tile)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
