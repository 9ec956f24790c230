"""The ledger and the queues as numbers: every number is what a person would count."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared import measures as known
from shared.errors import StorageUnavailable
from shared.measures import METRICS, Measure, Metric
from shared.messages import CORRECTIONS, PRODUCTS, QUEUES, poison_of
from shared.models import State, Tile, TileMonth
from shared.pipeline.metrics import ALL_QUEUES, QueueLook, Seen, cost, look_at, measures
from shared.records import REFUSED, MonthRecord, Record
from shared.settings import Prices
from shared.watchlist import Watchlist
from tests.conftest import ROOT
from tests.fakes import NOON, FakeQueues

HOUR = timedelta(hours=1)
WATCHED = Watchlist.parse('{"version": 1, "areas": [{"name": "a", "tiles": ["22WEV", "22WEA"]}]}')


def a_record(number: int = 0, state: State = State.CLASSIFIED, **facts: object) -> Record:
    """A product sensed ten hours ago and classified an hour ago."""
    sensing = NOON - 10 * HOUR - timedelta(minutes=number)
    times = {
        "sensing": sensing,
        "published": sensing + 3 * HOUR,
        "discover": sensing + 4 * HOUR,
        "stage": sensing + 5 * HOUR,
        "correct": sensing + 7 * HOUR,
        "classify": sensing + 9 * HOUR,
    }
    name = f"S2B_MSIL1C_{sensing:%Y%m%dT%H%M%S}_N0511_R068_T22WEV_{sensing:%Y%m%dT%H%M%S}"
    facts = {"times": times, "seconds": {"stage": 100.0, "correct": 1000.0, "classify": 50.0}, "bytes": 10**9, **facts}
    return Record("22WEV", name, state, **facts)  # type: ignore[arg-type]


def seen(*records: Record, **facts: object) -> Seen:
    facts = {"months": (), "queues": {}, "watched": WATCHED, "now": NOON, **facts}
    return Seen(records=records, **facts)  # type: ignore[arg-type]


def values(found: list[Measure], metric: Metric, **attributes: str) -> list[float]:
    return [m.value for m in found if m.metric is metric and attributes.items() <= m.attributes.items()]


def value(found: list[Measure], metric: Metric, **attributes: str) -> float:
    (only,) = values(found, metric, **attributes)
    return only


def test_every_queue_tells_its_depth_and_the_age_of_what_waits_longest_poison_included():
    queues = FakeQueues()
    queues.clock = lambda: NOON - 2 * HOUR
    queues.send(poison_of(CORRECTIONS), "old")
    queues.clock = lambda: NOON - HOUR
    queues.send(poison_of(CORRECTIONS), "new")
    queues.send(PRODUCTS, "waits until later", delay_seconds=60)
    found = measures(seen(queues=look_at(queues)), Prices())
    assert {m.attributes["queue"] for m in found if m.metric is known.QUEUE_DEPTH} == set(ALL_QUEUES)
    assert value(found, known.QUEUE_DEPTH, queue="corrections-poison") == 2
    assert value(found, known.QUEUE_AGE, queue="corrections-poison") == 7200
    assert (value(found, known.QUEUE_DEPTH, queue=PRODUCTS), value(found, known.QUEUE_AGE, queue=PRODUCTS)) == (1, 0)
    assert {poison_of(queue) for queue in QUEUES} | {"webjobs-blobtrigger-poison"} <= set(ALL_QUEUES)


@pytest.mark.parametrize("method", ["peek", "depth"])
def test_a_queue_that_cannot_be_looked_into_is_left_out_and_the_others_tell(method: str, caplog):
    queues = FakeQueues()
    queues.fail(method, StorageUnavailable("The queue answers 500."))
    found = measures(seen(a_record(), queues=look_at(queues)), Prices())
    assert {m.attributes["queue"] for m in found if m.metric is known.QUEUE_DEPTH} == set(ALL_QUEUES[1:])
    assert value(found, known.PRODUCTS, state="CLASSIFIED") == 1
    assert f"Queue {ALL_QUEUES[0]} cannot be looked into: The queue answers 500." in caplog.text


def test_a_clock_that_is_behind_makes_no_negative_age():
    found = measures(seen(queues={PRODUCTS: QueueLook(1, NOON + HOUR)}), Prices())
    assert value(found, known.QUEUE_AGE) == 0


def test_every_state_has_a_number_also_one_in_which_nothing_is():
    refused = Record(REFUSED, "tile-months:22WEV 2024-07", State.FAILED)
    settled = Record(REFUSED, "config/watchlist.json", State.SKIPPED)
    found = measures(seen(a_record(), a_record(1), a_record(2, State.FAILED), refused, settled), Prices())
    counts = {m.attributes["state"]: m.value for m in found if m.metric is known.PRODUCTS}
    assert counts == {str(state): 0 for state in State} | {"CLASSIFIED": 2, "FAILED": 1}
    assert value(found, known.REFUSALS) == 1


@pytest.mark.parametrize(
    ("leg", "hours"),
    [
        ("sensing-published", 3),
        ("published-staged", 2),
        ("staged-corrected", 2),
        ("corrected-classified", 2),
        ("sensing-classified", 9),
    ],
)
def test_a_leg_takes_from_its_first_event_to_its_last(leg: str, hours: int):
    found = measures(seen(a_record()), Prices())
    assert value(found, known.LATENCY, leg=leg, quantile="0.5") == hours * 3600


def test_quantiles_are_values_that_occurred():
    many = [a_record(n, seconds={"stage": float(n + 1)}) for n in range(20)]
    found = measures(seen(*many), Prices())
    assert value(found, known.STEP_SECONDS, step="stage", quantile="0.5") == 10
    assert value(found, known.STEP_SECONDS, step="stage", quantile="0.95") == 19


@pytest.mark.parametrize(("count", "half", "most"), [(1, 1, 1), (2, 1, 2), (3, 2, 3), (21, 11, 20)])
def test_a_quantile_is_the_least_that_enough_do_not_exceed(count: int, half: int, most: int):
    found = measures(seen(*(a_record(n, seconds={"stage": float(n + 1)}) for n in range(count))), Prices())
    assert value(found, known.STEP_SECONDS, step="stage", quantile="0.5") == half
    assert value(found, known.STEP_SECONDS, step="stage", quantile="0.95") == most


def with_times(record: Record, **times: datetime) -> Record:
    return replace(record, times={**record.times, **times})


@pytest.mark.parametrize(
    "record",
    [
        a_record(state=State.FAILED),
        with_times(a_record(), retry=NOON - 2 * HOUR),
        with_times(a_record(), watch=NOON - 2 * HOUR),
        with_times(a_record(), reclassify=NOON - 2 * HOUR),
        with_times(a_record(), correct=NOON),  # a clock was ahead, or correct ran again
        with_times(a_record(), classify=NOON - timedelta(days=31), correct=NOON - timedelta(days=31)),
        with_times(a_record(id="id-1"), discover=NOON + timedelta(days=90)),
        with_times(a_record(id="id-1"), discover=NOON + timedelta(days=90), retry=NOON - timedelta(days=1)),
        with_times(a_record(), discover=NOON + timedelta(days=90), drop=NOON + timedelta(days=90)),
    ],
    ids=[
        "failed",
        "retried",
        "rescued",
        "classified again",
        "out of order",
        "long ago",
        "backfill",
        "and retried",
        "dropped late",
    ],
)
def test_a_time_that_says_nothing_about_the_pipeline_is_left_out(record: Record):
    assert values(measures(seen(record), Prices()), known.LATENCY, leg="corrected-classified") == []


def test_bytes_are_added_up_over_a_day_and_thirty_days():
    older = with_times(a_record(1), stage=NOON - timedelta(days=5))
    found = measures(seen(a_record(), older), Prices())
    assert value(found, known.INTAKE, span="P1D") == 10**9
    assert value(found, known.INTAKE, span="P30D") == 2 * 10**9


def test_a_product_costs_the_seconds_of_its_steps_at_the_prices_of_where_they_run():
    prices = Prices(gb_second=0.01, instance_gb=2, cpu_second=0.1, gib_second=0.001, cpus=4, gib=8)
    assert cost(a_record(), prices) == pytest.approx({"stage": 2.0, "correct": 408.0, "classify": 1.0})
    assert cost(a_record(), replace(prices, gib_second=None)) == pytest.approx({"stage": 2.0, "classify": 1.0})
    found = measures(seen(a_record(), a_record(1, seconds={"stage": 300.0})), prices)
    assert value(found, known.COST, step="stage") == pytest.approx(4.0)
    rejected = a_record(1, state=State.REJECTED, seconds={"stage": 300.0})  # it cost as much
    assert value(measures(seen(a_record(), rejected), prices), known.COST, step="stage") == pytest.approx(4.0)


@pytest.mark.parametrize("state", [State.FAILED, State.CORRECTED, State.STAGED, State.SKIPPED])
def test_what_is_not_done_costs_nothing_yet(state: State):
    begun_again = a_record(1, state=state, seconds={"stage": 300.0})
    found = measures(seen(a_record(), begun_again), Prices(gb_second=0.01, instance_gb=2))
    assert value(found, known.COST, step="stage") == pytest.approx(2.0)


def test_a_watched_tile_tells_when_it_last_came_through_and_one_that_never_did_is_counted():
    found = measures(seen(a_record(), a_record(30)), Prices())
    assert value(found, known.SUCCESS_AGE, tile="22WEV") == 3600
    assert values(found, known.SUCCESS_AGE, tile="22WEA") == []
    assert value(found, known.SILENT_TILES) == 1


def test_products_that_the_catalogue_has_and_the_ledger_has_not_are_counted():
    months = [MonthRecord(TileMonth(Tile("22WEV"), 2024, m), NOON, 9, closed=True, missing=m) for m in (1, 2)]
    assert value(measures(seen(months=months), Prices()), known.UNLISTED) == 3


def test_every_metric_is_documented_with_its_unit():
    rows = re.findall(r"^\| `(icewatch[^`]*)` \| `([^`]*)`", (ROOT / "docs/monitoring.md").read_text(), re.MULTILINE)
    assert rows == [(metric.name, metric.unit) for metric in METRICS]
