"""Each kind of trouble has one rule; the byte budget is arithmetic on days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import (
    AccessDenied,
    BadProduct,
    BadSetting,
    NotFound,
    Offline,
    ProviderLimits,
    ProviderUnavailable,
    StorageUnavailable,
)
from shared.models import ProductName, State
from shared.pipeline.stage_budget import WINDOW, reserve, settle
from shared.pipeline.stage_rules import MOST_PAUSE, MOST_REFUSALS, Rule, pause, rule_of
from shared.pipeline.watch import LIMITS
from tests.fakes import FakeTally
from tests.products import L1C, SECOND_HALF

TODAY = date(2024, 7, 31)


@pytest.mark.parametrize(
    ("error", "rule"),
    [
        (ProviderLimits("429"), Rule.LATER),
        (ProviderUnavailable("503"), Rule.TRY_AGAIN),
        (StorageUnavailable("busy"), Rule.TRY_AGAIN),
        (NotFound("404"), Rule.SEARCH_AGAIN),
        (Offline("202"), Rule.OFFLINE),
        (AccessDenied("403"), Rule.FAIL),
        (BadSetting("login refused"), Rule.FAIL),
        (BadProduct("no zip"), Rule.FAIL),
    ],
)
def test_each_error_has_its_rule(error, rule):
    assert rule_of(error) is rule


def test_who_has_waited_too_often_for_the_provider_is_tried_like_any_other_trouble():
    assert rule_of(ProviderLimits("429"), refusals=MOST_REFUSALS) is Rule.TRY_AGAIN


@given(st.integers(0, 10_000), st.floats(1, 1000), st.floats(0, MOST_PAUSE))
def test_a_pause_is_at_least_what_the_provider_asks_for_and_at_most_some_minutes_more(waits, first, asked):
    seconds = pause(ProductName.parse(L1C), waits=waits, first=first, at_least=asked)
    assert asked <= seconds <= max(asked, 1000.0) + 501


def test_no_pause_is_so_long_that_watch_takes_the_message_for_lost():
    longest = pause(ProductName.parse(L1C), waits=200, first=86_400, at_least=10 * 86_400)
    assert MOST_PAUSE <= longest < LIMITS[State.DISCOVERED].total_seconds()


def test_two_products_do_not_come_back_at_the_same_moment():
    pauses = {pause(ProductName.parse(name), waits=3, first=30) for name in (L1C, SECOND_HALF)}
    assert len(pauses) == 2


def _of_30_days(tally: FakeTally, today: date) -> int:
    return sum(count for day, count in tally.days.items() if today - WINDOW <= day <= today)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 100)), max_size=60))
def test_never_more_than_the_budget_is_reserved_in_any_30_days(asked):
    tally, most = FakeTally(), 250
    for day, count in sorted(asked):
        today = TODAY + timedelta(days=day)
        before = _of_30_days(tally, today)
        refused = reserve(tally, count, most=most, today=today)
        assert refused == (before if before + count > most else None)
        assert _of_30_days(tally, today) <= most


def test_days_out_of_the_window_are_forgotten():
    tally = FakeTally({TODAY - timedelta(days=31): 5, TODAY - timedelta(days=30): 7})
    reserve(tally, 1, most=100, today=TODAY)
    assert tally.days == {TODAY - timedelta(days=30): 7, TODAY: 1}


def test_what_was_reserved_becomes_what_arrived():
    tally = FakeTally()
    reserve(tally, 1000, most=5000, today=TODAY)
    settle(tally, reserved=1000, arrived=300, day=TODAY)
    assert tally.days == {TODAY: 300}
