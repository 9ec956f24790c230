"""What the ledger and the queues say about how the pipeline does, as numbers. Nothing is asked or sent here.

Times that are counted from one event to another leave out backfill, whose products were published years before, and
products that a person or watch sent on their way again in between.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from shared import measures as known
from shared.errors import TransientError
from shared.measures import Measure, Metric
from shared.messages import BLOB_TRIGGER_POISON, QUEUES, poison_of
from shared.models import State
from shared.pipeline.metrics_orbits import missing
from shared.ports import Queues
from shared.records import REFUSED, MonthRecord, Record
from shared.settings import Prices
from shared.watchlist import Watchlist

DAY, MONTH = timedelta(days=1), timedelta(days=30)
QUANTILES = (0.5, 0.95)
STEPS = ("stage", "correct", "classify")
LEGS = {  # name -> the times of a record at which it begins and ends
    "sensing-published": ("sensing", "published"),
    "published-staged": ("published", "stage"),
    "staged-corrected": ("stage", "correct"),
    "corrected-classified": ("correct", "classify"),
    "sensing-classified": ("sensing", "classify"),
}
ALL_QUEUES = (*(name for queue in QUEUES for name in (queue, poison_of(queue))), BLOB_TRIGGER_POISON)
_AGAIN = ("retry", "watch", "reclassify")  # what makes a leg say nothing about the pipeline
_DONE = {State.CLASSIFIED, State.REJECTED}
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class QueueLook:
    """How one queue stands."""

    depth: int  # messages, about
    oldest: datetime | None  # when the oldest that waits was put in


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that is measured from, at one instant."""

    records: Sequence[Record]
    months: Sequence[MonthRecord]
    queues: Mapping[str, QueueLook]
    watched: Watchlist
    now: datetime


def look_at(queues: Queues) -> dict[str, QueueLook]:
    """How all queues stand, poison included; one that cannot be looked into is left out, and hides no other number."""
    looks = {}
    for queue in ALL_QUEUES:
        try:
            waiting = queues.peek(queue)
            looks[queue] = QueueLook(queues.depth(queue), min((message.since for message in waiting), default=None))
        except TransientError as error:
            _log.error("Queue %s cannot be looked into: %s", queue, error)
    return looks


def measures(seen: Seen, prices: Prices) -> list[Measure]:
    """All metrics but `measures.RESCUES`; a metric of which nothing is known is left out."""
    products = [record for record in seen.records if record.partition != REFUSED]
    return [
        *_of_queues(seen),
        *_of_states(seen.records),
        *_latencies([r for r in products if not r.came_late], seen.now),
        *_durations(products, seen.now),
        *_intake(products, seen.now),
        *_costs(products, seen.now, prices),
        *_of_tiles(products, seen),
        Measure(known.UNLISTED, sum(month.missing for month in seen.months)),
    ]


def cost(record: Record, prices: Prices) -> dict[str, float]:
    """Estimated US dollars per step: seconds x what the place costs where the step runs, at list prices.

    Left out: a step whose prices are not known, failed tries, storage, traffic, the moments in which an instance starts
    or ends.
    """
    instance = prices.instance_gb * prices.gb_second
    rates = {"stage": instance, "classify": instance}
    if prices.cpu_second is not None and prices.gib_second is not None:
        rates["correct"] = prices.cpus * prices.cpu_second + prices.gib * prices.gib_second
    return {step: seconds * rates[step] for step, seconds in record.seconds.items() if step in rates}


def _of_queues(seen: Seen) -> Iterator[Measure]:
    for queue, look in seen.queues.items():
        yield Measure(known.QUEUE_DEPTH, look.depth, {"queue": queue})
        age = max((seen.now - look.oldest).total_seconds(), 0.0) if look.oldest else 0.0
        yield Measure(known.QUEUE_AGE, age, {"queue": queue})


def _of_states(records: Iterable[Record]) -> Iterator[Measure]:
    states = Counter((record.partition == REFUSED, record.state) for record in records)
    for state in State:
        yield Measure(known.PRODUCTS, states[False, state], {"state": str(state)})
    yield Measure(known.REFUSALS, states[True, State.FAILED])


def _latencies(records: Sequence[Record], now: datetime) -> Iterator[Measure]:
    for leg, (start, end) in LEGS.items():
        took = [
            (record.times[end] - record.times[start]).total_seconds()
            for record in records
            if _passed(record, start, end) and now - record.times[end] <= MONTH
        ]
        yield from _quantiles(known.LATENCY, took, {"leg": leg})


def _passed(record: Record, start: str, end: str) -> bool:
    """Whether ``record`` went from ``start`` to ``end`` at its first go."""
    times = record.times
    if record.state is State.FAILED or start not in times or end not in times or times[end] < times[start]:
        return False
    return not any(times[start] <= times[again] <= times[end] for again in _AGAIN if again in times)


def _durations(records: Sequence[Record], now: datetime) -> Iterator[Measure]:
    for step in STEPS:
        took = [
            record.seconds[step]
            for record in records
            if step in record.seconds and record.state is not State.FAILED and _within(record, step, now, MONTH)
        ]
        yield from _quantiles(known.STEP_SECONDS, took, {"step": step})


def _within(record: Record, step: str, now: datetime, span: timedelta) -> bool:
    at = record.times.get(step)
    return at is not None and now - at <= span


def _quantiles(metric: Metric, values: Sequence[float], attributes: Mapping[str, str]) -> Iterator[Measure]:
    """By nearest rank: the least value that at least the share ``quantile`` of all does not exceed."""
    ordered = sorted(values)
    for quantile in QUANTILES if ordered else ():
        yield Measure(metric, ordered[ceil(quantile * len(ordered)) - 1], {**attributes, "quantile": f"{quantile:g}"})


def _intake(records: Sequence[Record], now: datetime) -> Iterator[Measure]:
    for span, name in ((DAY, "P1D"), (MONTH, "P30D")):
        staged = sum(record.bytes for record in records if _within(record, "stage", now, span))
        yield Measure(known.INTAKE, staged, {"span": name})


def _costs(records: Sequence[Record], now: datetime, prices: Prices) -> Iterator[Measure]:
    sums: defaultdict[str, list[float]] = defaultdict(list)
    for record in records:
        if record.state in _DONE and _within(record, "classify", now, MONTH):
            for step, dollars in cost(record, prices).items():
                sums[step].append(dollars)
    for step, each in sorted(sums.items()):
        yield Measure(known.COST, sum(each) / len(each), {"step": step})


def _of_tiles(records: Sequence[Record], seen: Seen) -> Iterator[Measure]:
    last: dict[str, datetime] = {}
    for record in records:
        if record.state is State.CLASSIFIED and (at := record.times.get("classify")):
            last[record.partition] = max(at, last.get(record.partition, at))
    watched = sorted({tile for area in seen.watched.areas for tile in area.tiles})
    gaps = Counter(gap.tile.name for gap in missing(records, seen.now, watched=seen.watched))
    for tile in watched:
        if tile in last:
            yield Measure(known.SUCCESS_AGE, (seen.now - last[tile]).total_seconds(), {"tile": tile})
        yield Measure(known.MISSING, gaps[tile], {"tile": tile})
    yield Measure(known.SILENT_TILES, sum(tile not in last for tile in watched))
