"""What the ten-day repeat leads to expect, and nothing that it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models import State
from shared.pipeline.metrics_orbits import LOOK_BACK, acquired, missing
from shared.records import REFUSED, Record
from shared.watchlist import Watchlist

FIRST = datetime(2024, 7, 1, 15, 18, 9, tzinfo=UTC)


def passes(*days: float, platform: str = "S2B", orbit: int = 68, state: State = State.CLASSIFIED) -> list[Record]:
    names = []
    for day in days:
        at = FIRST + timedelta(days=day)
        names.append(f"{platform}_MSIL1C_{at:%Y%m%dT%H%M%S}_N0511_R{orbit:03d}_T22WEV_{at:%Y%m%dT%H%M%S}")
    return [Record("22WEV", name, state) for name in names]


def days(records: list[Record], now: float, **watched: object) -> list[float]:
    found = missing(records, FIRST + timedelta(days=now), **watched)  # type: ignore[arg-type]
    return [(gap.at - FIRST) / timedelta(days=1) for gap in found]


def test_a_series_without_a_gap_lacks_nothing():
    assert days(passes(0, 10, 20), now=25) == []


def test_a_pass_between_two_others_is_missing():
    (gap,) = missing(passes(0, 20, 30), FIRST + timedelta(days=32))
    assert (gap.tile.name, gap.platform, gap.orbit, gap.at) == ("22WEV", "S2B", 68, FIRST + timedelta(days=10))


def test_a_pass_after_the_last_is_missing_once_it_had_time_to_be_published():
    assert days(passes(0, 10), now=22.9) == []
    assert days(passes(0, 10), now=23) == [20]


def test_after_three_passes_without_an_image_the_orbit_is_taken_for_not_acquired():
    assert days(passes(0), now=58) == [10, 20, 30]
    assert days(passes(0, 50), now=52) == []
    assert days(passes(0, 40), now=42) == [10, 20, 30]


@pytest.mark.parametrize("state", list(State))
def test_a_product_in_any_state_was_acquired(state: State):
    assert days(passes(0, 20) + passes(10, state=state), now=21) == []


def test_platforms_and_orbits_are_told_apart():
    """Platforms five days apart, and a neighbouring orbit three days later, are no replacement for each other."""
    both = passes(0, 20) + passes(5, 15, 25, platform="S2A") + passes(3, 13, 23, orbit=25)
    assert days(both, now=27) == [10]


def test_a_few_minutes_and_both_halves_of_a_datatake_are_the_same_pass():
    assert days(passes(0, 10.003, 10.0031, 20.001), now=25) == []


def test_what_lies_long_ago_is_nobody_s_concern_any_more():
    series = passes(0, *range(20, 100, 10))
    assert days(series, now=10 + LOOK_BACK.days) == [10]
    assert days(series, now=11 + LOOK_BACK.days) == []


def test_only_watched_months_and_tiles_count():
    watched = Watchlist.parse('{"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"], "months": [7]}]}')
    series = passes(0, 20, 50)
    assert days(series, now=52) == [10, 30, 40]
    assert days(series, now=52, watched=watched) == [10, 30]
    assert days(series, now=52, watched=Watchlist(version=1)) == []
    ended = {"name": "a", "tiles": ["22WEV"], "months": [7, 8], "until": "2024-07-11"}
    assert days(series, now=52, watched=Watchlist.model_validate({"version": 1, "areas": [ended]})) == [10]


def test_what_was_sensed_before_the_watch_began_is_not_missing():
    series = passes(0, 20, 50)
    begun = {"name": "a", "tiles": ["22WEV"], "since": "2024-08-05"}
    assert days(series, now=52, watched=Watchlist.model_validate({"version": 1, "areas": [begun]})) == [40]
    inclusive = begun | {"since": "2024-07-31"}
    assert days(series, now=52, watched=Watchlist.model_validate({"version": 1, "areas": [inclusive]})) == [30, 40]


def test_passes_that_left_a_product_are_counted_once_each_in_the_same_days_and_months():
    watched = Watchlist.parse('{"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"], "months": [7, 8]}]}')
    series = passes(-1, 0, 10, 10.001, 20, 61, 70) + passes(10, platform="S2A")
    (counted,) = acquired(series, FIRST + timedelta(days=60), watched=watched).items()
    assert (counted[0].name, counted[1]) == ("22WEV", 4)
    assert acquired(series, FIRST + timedelta(days=72), watched=watched).total() == 2  # day 70 may still be published
    assert not acquired(series, FIRST + timedelta(days=60), watched=Watchlist(version=1))


def test_refused_things_name_no_acquisition():
    assert days([Record(REFUSED, "products:0123456789ab", State.FAILED)], now=1) == []


@given(st.sets(st.integers(0, 11), min_size=1), st.integers(0, 120))
def test_what_is_missing_is_never_there_nor_ahead_and_lies_on_the_repeat(numbers: set[int], now: int):
    found = days(passes(*(10.0 * number for number in sorted(numbers))), now=now)
    assert not {round(day / 10) for day in found} & numbers
    assert all(day % 10 == 0 and now - LOOK_BACK.days <= day <= now - 3 for day in found)
