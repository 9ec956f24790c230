"""What the pages show, worked out from the read model: pure functions and frozen values."""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from shared.models import BlobPath, State, TileMonth
from shared.pipeline.metrics_orbits import Missing
from shared.pipeline.overview_alarms import Alarm
from shared.pipeline.overview_calendar import CalendarMonth
from shared.pipeline.overview_failures import failed_in
from shared.pipeline.reclassify import ASKED
from shared.pipeline.retry import can_begin_again, is_retried
from shared.pipeline.schedule import is_watched
from shared.ports import BlobInfo
from shared.records import DRONE, Record
from shared.science.layers import LAYERS
from shared.science.orthomosaic import DRONE_LAYERS
from shared.watchlist import Area, Watchlist

STEPS = ("discover", "stage", "correct", "classify")
_NEVER = datetime.min.replace(tzinfo=UTC)
_LAYER_FILE = re.compile(r"_([A-Z]+)(?:_\d+m|_r\d+_c\d+)?\.tif$")  # the piece of a tile or of an orthomosaic
NOT_SEARCHED, NOT_WATCHED = "not searched", "not watched, not searched"
_AWAITED = timedelta(days=7)  # as long as a message in a queue lives
_WAITING = {State.DISCOVERED, State.OFFLINE, State.STAGED}
_NOT_OURS = {"sensing", "published"}
_ON_CALENDAR = {"quiet", "missing", "search"}


def alarm_page(alarm: Alarm) -> str:
    """Where a person finds more about an alarm."""
    if alarm.kind in _ON_CALENDAR:
        return link(f"/tiles/{alarm.tile}/calendar", year=alarm.year or None)
    if alarm.kind == "stuck":
        return link("/products", tile=alarm.tile)
    return "/#runs" if alarm.kind == "timer" else "/failures"


@dataclass(frozen=True, slots=True)
class Happening:
    """The last thing that became of a product."""

    record: Record
    step: str
    at: datetime


def lately(records: Iterable[Record], count: int) -> list[Happening]:
    """What happened last, of any product, the newest first; that it was sensed and published happened elsewhere."""
    newest = heapq.nlargest(count, records, key=lambda record: max(record.times.values(), default=_NEVER))
    return [_last(record) for record in newest]


def _last(record: Record) -> Happening:
    at, step = max(((at, step) for step, at in record.times.items() if step not in _NOT_OURS), default=(_NEVER, ""))
    return Happening(record, step, at)


def came_in(records: Iterable[Record], since: datetime) -> dict[State, int]:
    """What became so far of the products that were found or dropped after ``since``."""
    return Counter(
        record.state
        for record in records
        if max(record.times.get("discover", _NEVER), record.times.get("drop", _NEVER)) >= since
    )


def resting(watched: Watchlist, now: datetime) -> frozenset[str]:
    """The watched tiles of which the watchlist asks for nothing at present."""
    awake = {name for area in watched.areas for name in area.tiles if _asks_for(area, now)}
    return frozenset(name for area in watched.areas for name in area.tiles) - awake


def _asks_for(area: Area, now: datetime) -> bool:
    return now.month in area.months and (area.until is None or now.date() <= area.until)


def sums(counts: Iterable[Mapping[State, int]]) -> dict[State, int]:
    """Products per state, over tiles or months."""
    rows = list(counts)
    return {state: sum(row.get(state, 0) for row in rows) for state in State}


@dataclass(frozen=True, slots=True)
class Row:
    """One month of the calendar, ready to be drawn."""

    month: CalendarMonth
    days: Mapping[int, tuple[Record, ...]]  # day of the month -> its acquisitions
    length: int  # days of the month
    status: str  # a few words about the search; "" for months still to come
    expected: Mapping[int, tuple[Missing, ...]]  # day -> acquisitions that the orbits lead to expect and nobody found

    @property
    def is_searched(self) -> bool:
        """Whether it was, or need not be yet."""
        return self.status not in {NOT_SEARCHED, NOT_WATCHED}

    @property
    def marked(self) -> list[int]:
        """The days on which there is something to show."""
        return sorted({*self.days, *self.expected})


def rows(months: Sequence[CalendarMonth], missed: Iterable[Missing], now: datetime, watched: Watchlist) -> list[Row]:
    """The twelve months of a year with their days, what of it was ``missed``, and how the search went."""
    lacking: dict[date, list[Missing]] = defaultdict(list)
    for one in missed:
        lacking[one.at.date()].append(one)
    return [
        Row(
            month=month,
            days={day.day: records for day, records in month.days.items()},
            length=(month.month.end - month.month.start).days,
            status=_search_status(month, now, wanted=_is_wanted(month.month, watched)),
            expected={
                day.day: tuple(found)
                for day, found in lacking.items()
                if day.month == month.month.month  # the year is the same for all
            },
        )
        for month in months
    ]


def _is_wanted(month: TileMonth, watched: Watchlist) -> bool:
    return any(month.tile.name in area.tiles and is_watched(area, month) for area in watched.areas)


def _search_status(month: CalendarMonth, now: datetime, *, wanted: bool) -> str:
    known = month.searched
    if known is not None and known.is_awaited(now, _AWAITED):
        return f"asked for, {known.asked:%Y-%m-%d %H:%M}"
    if known is None or (known.searched is None and not known.error):
        never = NOT_SEARCHED if wanted else NOT_WATCHED
        return never if month.month.start <= now else ""
    if known.error:
        return f"search failed: {known.error}"
    parts = [f"{known.found} in catalogue, {known.searched:%Y-%m-%d}"]
    parts += [f"{known.waiting} still to come"] if known.waiting else []
    parts += [f"{known.missing} missing here"] if known.missing else []
    return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a product's history."""

    step: str
    at: datetime
    since: timedelta | None  # after the line before
    seconds: float | None  # of work
    attempts: int  # tries that failed before
    outcome: State | None = None  # FAILED or REJECTED where the step ended so


def history(record: Record) -> list[Event]:
    """What happened to a product, in order of time: each step as it went the last time."""
    ended = _ended_in(record)
    events: list[Event] = []
    for step, at in sorted(record.times.items(), key=lambda entry: (entry[1], entry[0] == ended)):
        since = at - events[-1].at if events else None
        outcome = record.state if step == ended else None
        events.append(Event(step, at, since, record.seconds.get(step), record.attempts.get(step, 0), outcome))
    return events


def _ended_in(record: Record) -> str:
    """The step that ended otherwise than it should; "" where none did."""
    if record.state is State.FAILED:
        return failed_in(record)
    return "classify" if record.state is State.REJECTED else ""


def open_attempts(record: Record) -> dict[str, int]:
    """Tries of steps that have no time yet: what the product is stuck in."""
    return {step: count for step, count in record.attempts.items() if step not in record.times}


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a result folder."""

    path: str  # as the ledger writes it: surface/...
    name: str
    size: int  # bytes
    description: str  # of a layer; "" for the others


def result_files(infos: Iterable[BlobInfo]) -> list[ResultFile]:
    """The files of a result folder, the layers first and in their own order."""
    files = [_result_file(info) for info in infos]
    return sorted(files, key=lambda file: (not file.description, file.name))


def _result_file(info: BlobInfo) -> ResultFile:
    leaf = info.path.name.rpartition("/")[2]
    match = _LAYER_FILE.search(leaf)
    layers = DRONE_LAYERS if info.path.name.startswith(f"{DRONE}/") else LAYERS
    description = next((layer.description for layer in layers if match and layer.name == match[1]), "")
    return ResultFile(str(info.path), leaf, info.size, description)


def folder_of(record: Record) -> BlobPath | None:
    """The result folder of a record, where it has one."""
    return BlobPath.parse(record.results) if record.results else None


def orders_for(record: Record) -> list[tuple[str, str, str]]:
    """The orders that fit the state of ``record``: name, what the button says, what it does."""
    found = []
    if may_retry(record):
        found.append(("retry", "Retry", "begins again at the first step whose input is still there"))
    if record.l2a and record.state in {State.CLASSIFIED, State.REJECTED}:
        found.append(("reclassify", "Classify again", "makes the maps anew, with the model in force"))
    if record.state in _WAITING:
        found.append(("cancel", "Take off", "nothing more is done until somebody retries it"))
    if record.state is State.FAILED:
        found.append(("cancel", "Put away", "no longer counts as failed; the reason stays on this page"))
    return found


def may_retry(record: Record) -> bool:
    """Whether a retry is taken, and can lead anywhere."""
    return is_retried(record) and can_begin_again(record)


def is_of_before(record: Record) -> bool:
    """Whether its maps and numbers are of an earlier classification: a later one failed, or has not come to its end."""
    return bool(record.results or record.class_percent) and record.state in {State.FAILED, *_WAITING, State.CORRECTED}


def is_under_way(order: str, record: Record) -> bool:
    """Whether the row itself says that ``order`` was given and has not come to its end: an address may say anything."""
    match order:
        case "reclassify":
            return record.times.get(ASKED, _NEVER) > record.times.get("classify", _NEVER)
        case "retry":
            return "retry" in record.times and not record.state.is_final
        case "cancel":
            return record.is_cancelled
        case _:
            return order == "none"


def put_back_since(records: Iterable[Record], since: datetime) -> int:
    """How many rows say that a person put them back after ``since``."""
    return sum(record.times.get("retry", _NEVER) >= since for record in records)


def neighbours(records: Sequence[Record], record: Record) -> tuple[Record | None, Record | None]:
    """The acquisitions of the same tile before and after ``record`` in time; ``records`` newest first."""
    mine = [other for other in records if other.partition == record.partition]
    place = next((at for at, other in enumerate(mine) if other.name == record.name), None)
    if place is None:
        return None, None
    earlier = mine[place + 1] if place + 1 < len(mine) else None
    return earlier, mine[place - 1] if place else None


FIRST_MONTH = "2015-06"  # of Sentinel-2


def ends_of(year: int, now: datetime) -> tuple[str, str]:
    """First and last month of ``year`` that there is something to search in."""
    return max(f"{year}-01", FIRST_MONTH), min(f"{year}-12", f"{now:%Y-%m}")


def year_span(year: int) -> tuple[date, date]:
    """First and last day of a year."""
    return date(year, 1, 1), date(year, 12, 31)


def link(path: str, **query: object) -> str:
    """An address with those parts of the query that are not empty."""
    given = {name: str(value) for name, value in query.items() if value not in {None, ""}}
    return f"{path}?{urlencode(given)}" if given else path
