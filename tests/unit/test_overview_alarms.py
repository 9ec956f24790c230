"""The alarms of the overview: each comes where it should, and where none comes everything was looked at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from functions.pages.views import alarm_page
from shared.messages import BLOB_TRIGGER_POISON
from shared.models import ProductName, State, Tile, TileMonth
from shared.pipeline.overview_alarms import Alarm, Situation, alarms, awaited
from shared.pipeline.runs import TIMERS, Runs
from shared.records import DRONE, REFUSED, MonthRecord, Record
from shared.watchlist import Watchlist
from tests.fakes import NOON
from tests.unit.test_overview import WATCHED, row

RUNNING = [Runs(step, (NOON,)) for step in TIMERS]
NOBODY = Watchlist.model_validate({"version": 1, "areas": []})


def situation(*records: Record, **more: Any) -> Situation:
    given: dict[str, Any] = {"months": [], "depths": {}, "runs": RUNNING, "watched": NOBODY, "now": NOON} | more
    return Situation(records=records, **given)


def kinds(seen: Situation) -> list[str]:
    return [alarm.kind for alarm in alarms(seen)]


def test_alarms_name_what_somebody_should_look_at_the_gravest_first():
    refused = Record(REFUSED, "config/watchlist.json", State.FAILED, reason="The watchlist is refused.")
    found = alarms(
        situation(refused, row(31, State.FAILED), depths={"products": 4, "products-poison": 2}, watched=WATCHED)
    )
    assert [alarm.kind for alarm in found] == ["watchlist", "poison", "failed"]
    assert "2 messages" in found[1].sentence


def test_the_hosts_own_poison_queue_is_an_alarm_too():
    (alarm,) = alarms(situation(depths={BLOB_TRIGGER_POISON: 1}))
    assert BLOB_TRIGGER_POISON in alarm.sentence


def test_a_timer_that_never_ran_or_runs_no_more_is_an_alarm():
    found = alarms(situation(runs=[Runs("schedule"), Runs("watch", (NOON - timedelta(hours=27),))]))
    assert [alarm.kind for alarm in found] == ["timer", "timer"]
    assert "'schedule' has never run" in found[0].sentence
    assert "last ran on 2024-07-31 09:00, 27 h ago" in found[1].sentence


def test_a_timer_that_waits_for_its_first_run_is_told_and_is_no_alarm():
    new = situation(runs=[Runs("schedule", first_due=NOON + timedelta(hours=6)), Runs("watch", (NOON,))])
    assert alarms(new) == []
    (sentence,) = awaited(new)
    assert sentence.startswith("The timer 'schedule' waits for its first run at 2024-08-01 18:00 UTC; only then new")
    over = replace(new, now=NOON + timedelta(hours=6, minutes=31))
    assert awaited(over) == []
    assert "'schedule' has never run" in alarms(over)[0].sentence


def test_a_product_that_stands_still_is_an_alarm_unless_the_queue_before_it_is_long():
    waiting = row(1, State.STAGED)
    waiting = replace(waiting, times={**waiting.times, "stage": NOON - timedelta(days=20)})
    assert kinds(situation(waiting)) == ["stuck"]
    assert kinds(situation(waiting, depths={"corrections": 1000})) == []


def test_months_whose_search_failed_are_an_alarm_that_leads_to_the_newest():
    months = [
        MonthRecord(TileMonth(Tile(tile), year, 6), None, 0, False, error="The catalogue answered 500.")
        for tile, year in (("22WEV", 2019), ("22WEU", 2021))
    ]
    (alarm,) = alarms(situation(months=months))
    assert (alarm.kind, alarm.tile, alarm.year) == ("search", "22WEU", 2021)
    assert "last search of 2 months failed" in alarm.sentence
    assert alarm_page(alarm) == "/tiles/22WEU/calendar?year=2021"


def of_orbit(tile: str, days_ago: int, orbit: int = 25) -> Record:
    stamp = f"{NOON - timedelta(days=days_ago):%Y%m%dT%H%M%S}"
    name = ProductName.parse(f"S2A_MSIL1C_{stamp}_N0511_R{orbit:03d}_T{tile}_{stamp}")
    return Record.of(name, State.REJECTED, times={})


BOTH = Watchlist.model_validate({"version": 1, "areas": [{"name": "a", "tiles": ["22WEV", "22WEU"]}]})


def test_many_passes_that_left_no_product_are_one_alarm_for_all_tiles():
    rows = [of_orbit("22WEU", days, orbit) for days in (48, 8) for orbit in (25, 68)]
    rows += [of_orbit("22WEV", days) for days in (48, 8)]
    (alarm,) = alarms(situation(*rows, watched=BOTH))
    assert alarm.kind == "missing"
    assert "left no product in the last 60 days: 22WEU (6 of 10), 22WEV (3 of 5)." in alarm.sentence
    assert alarm_page(alarm) == "/tiles/22WEU/calendar"


@pytest.mark.parametrize(
    ("days", "others", "is_alarm"),
    [((38, 8), (), False), ((48, 8), (), True), ((48, 8), (68,), True), ((48, 8), (68, 111), False)],
    ids=["2 of 4", "3 of 5", "3 of 10", "3 of 15"],
)
def test_a_few_passes_that_left_no_product_are_no_alarm(days: tuple[int, ...], others: tuple[int, ...], is_alarm: bool):
    """Sentinel-2 does not acquire everything: two of a tile, or a fifth of its passes, are for the calendar alone."""
    one = Watchlist.model_validate({"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"]}]})
    rows = [of_orbit("22WEV", day) for day in days]
    rows += [of_orbit("22WEV", day, orbit) for day in (48, 38, 28, 18, 8) for orbit in others]
    assert kinds(situation(*rows, watched=one)) == ["missing"] * is_alarm


def test_failed_orthomosaics_are_called_so():
    (alarm,) = alarms(situation(Record(DRONE, "a", State.FAILED)))
    assert alarm.sentence == "1 orthomosaic failed."


@pytest.mark.parametrize(("days", "quiet"), [(9, False), (11, True)])
def test_a_watched_tile_without_news_is_an_alarm(days: int, quiet: bool):
    now = row(20).times["sensing"] + timedelta(days=days)
    runs = [Runs(step, (now,)) for step in TIMERS]
    assert ("quiet" in kinds(situation(row(20), watched=WATCHED, now=now, runs=runs))) is quiet


def test_a_watched_tile_that_never_had_an_acquisition_is_an_alarm():
    (alarm,) = alarms(situation(watched=WATCHED))
    assert alarm.sentence == "No acquisition of 22WEV has been found yet."


def test_a_tile_out_of_season_is_quiet_without_an_alarm():
    winter = Watchlist.model_validate({"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"], "months": [1]}]})
    assert alarms(situation(watched=winter)) == []


@pytest.mark.parametrize(
    ("kind", "page"),
    [("timer", "/#runs"), ("stuck", "/products?tile=22WEV"), ("failed", "/failures"), ("refused", "/failures")],
)
def test_an_alarm_leads_to_where_more_is_said(kind: str, page: str):
    assert alarm_page(Alarm(kind, "", "22WEV")) == page
