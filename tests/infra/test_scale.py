"""The simulation behind docs/scale.md: each limit binds where it should, and the picture shows what came out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from defusedxml import ElementTree

from benchmarks.scale import tiles
from benchmarks.scale_model import DAY, Case, Limit, Simulation, saved, simulate
from benchmarks.scale_picture import draw
from shared.messages import PRODUCTS
from shared.pipeline.schedule import schedule
from shared.settings import Backfill, Downloads
from shared.watchlist import Watchlist
from tests.conftest import ROOT
from tests.fakes import FakeLedger, FakeQueues

FREE = Case(months=400, every=600, room=10**6, slots=1000, budget=1e18, corrections=10**6, correct_seconds=1.0)


def test_every_product_is_done_once_and_the_days_only_add_up():
    result = simulate(Case(months=40))
    assert result.products == 1000
    assert result.done[-1] == pytest.approx(1000)
    assert list(result.done) == sorted(result.done)


def test_corrections_alone_take_their_seconds():
    case = replace(FREE, corrections=5, correct_seconds=1260.0)
    assert simulate(case).days == pytest.approx(400 * 25 * 1260 / 5 / DAY, rel=0.05)


def test_bytes_alone_pass_in_windows_of_thirty_days():
    case = replace(FREE, product_bytes=1e9, budget=4e12)
    assert 60 < simulate(case).days < 62, "4000 at once, 4000 after 30 days, the last 2000 after 60"


def test_connections_alone_take_the_bytes_at_their_speed_and_one_stays_free_for_new_acquisitions():
    case = replace(FREE, slots=4, stage_seconds=1.0, product_bytes=1e9)
    assert simulate(case).days == pytest.approx(400 * 25 * 50 / 3 / DAY, rel=0.05)


@pytest.mark.parametrize(
    ("tight", "limit"),
    [
        ({"corrections": 2, "correct_seconds": 3600.0}, Limit.CORRECTIONS),
        ({"budget": 1e12}, Limit.BYTES),
        ({"slots": 2, "stage_seconds": 1000.0}, Limit.CONNECTIONS),
        ({"room": 60}, Limit.ROOM),
    ],
)
def test_what_is_tight_is_what_binds(tight, limit):
    gains = saved(replace(FREE, months=100, **tight))
    assert max(gains, key=lambda one: gains[one]) is limit
    assert gains[limit] > 0


def test_new_acquisitions_go_first_and_may_leave_nothing():
    slower = simulate(Case(months=40, new_per_day=100.0)).days
    assert slower > simulate(Case(months=40)).days
    with pytest.raises(ValueError, match="new acquisitions take all there is"):
        simulate(Case(months=40, new_per_day=1000.0))


@pytest.mark.parametrize("waiting", [0, 29, 31, 61, 119, 500])
@pytest.mark.parametrize("room", [120, 300, 10_000])
def test_the_simulated_schedule_asks_for_as_many_months_as_the_real_one(waiting, room):
    area = {"name": "all", "tiles": ["22WEV"], "since": "2015-07-01"}
    watched = Watchlist.model_validate({"version": 1, "areas": [area]})
    queues = FakeQueues()
    for number in range(waiting):
        queues.send(PRODUCTS, str(number))
    now = datetime(2025, 9, 1, tzinfo=UTC)
    real = schedule(watched, ledger=FakeLedger(), queues=queues, now=now, backfill_room=room)
    simulated = Simulation(Case(months=1000, room=room))
    simulated.to_stage = waiting
    simulated.schedule()
    assert 1000 - simulated.months == sum(message.backfill for message in real)


def test_the_case_begins_with_the_defaults_of_the_code():
    case = Case(months=1)
    assert (case.room, case.slots, case.budget) == (Backfill().room, Downloads().slots, Downloads().backfill_bytes)


def test_the_strip_of_the_west_coast_is_some_dozens_of_tiles():
    assert 50 < tiles() < 120


def test_the_picture_names_every_way_with_its_days():
    results = {"one & two": simulate(Case(months=40)), "three": simulate(Case(months=40, corrections=0))}
    drawn = draw(results)
    ElementTree.fromstring(drawn)  # it parses
    for name, result in (("one &amp; two", results["one & two"]), ("three", results["three"])):
        assert f"{name}: {result.days:.0f} days<" in drawn


def test_the_page_shows_the_picture_that_is_there():
    assert "(scale.svg)" in (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    ElementTree.parse(ROOT / "docs/scale.svg")
