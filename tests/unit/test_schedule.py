"""schedule asks for what is recent first, then for changes of what is done, then for a little of what is old."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.messages import CORRECTIONS, PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.models import Tile, TileMonth
from shared.pipeline.schedule import LOOK_AGAIN, MOST_BACKFILL, MOST_LOOKS, OVERLAP, schedule
from shared.records import MonthRecord
from shared.watchlist import Watchlist
from tests.fakes import FakeLedger, FakeQueues

NOW = datetime(2024, 8, 10, tzinfo=UTC)
WEV = Tile("22WEV")
JUNE = TileMonth(WEV, 2024, 6)


def watching(**area: Any) -> Watchlist:
    return Watchlist.model_validate({"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"], **area}]})


def messages(
    watched: Watchlist, ledger: FakeLedger | None = None, now: datetime = NOW, queues: FakeQueues | None = None, **room
) -> list[TileMonthMessage]:
    return schedule(watched, ledger=ledger or FakeLedger(), queues=queues or FakeQueues(), now=now, **room)


def asked(*arguments: Any, **options: Any) -> list[tuple[str, bool]]:
    return [(message.month, message.backfill) for message in messages(*arguments, **options)]


def test_the_current_and_the_previous_month_come_first():
    assert asked(watching(since="2024-05-01")) == [
        ("2024-08", False),
        ("2024-07", False),
        ("2024-06", True),
        ("2024-05", True),
    ]


def test_without_since_nothing_old_is_asked_for():
    assert asked(watching()) == [("2024-08", False), ("2024-07", False)]


def test_january_looks_back_into_december():
    assert asked(watching(), now=datetime(2024, 1, 3, tzinfo=UTC)) == [("2024-01", False), ("2023-12", False)]


def test_months_outside_the_season_are_left_out():
    assert asked(watching(months=[7], since="2022-01-01")) == [("2024-07", False), ("2023-07", True), ("2022-07", True)]


def test_after_until_nothing_recent_is_asked_for():
    assert asked(watching(since="2023-07-01", until="2023-08-31")) == [("2023-08", True), ("2023-07", True)]


def test_backfill_goes_as_far_as_the_queues_have_room_newest_first():
    months = [month for month, backfill in asked(watching(since="2016-01-01"), backfill_room=90) if backfill]
    assert months == ["2024-06", "2024-05", "2024-04"]


@pytest.mark.parametrize(("queue", "waiting"), [(PRODUCTS, 61), (CORRECTIONS, 61), (TILE_MONTHS, 3)])
def test_backfill_waits_while_a_queue_is_full_and_the_current_months_do_not(queue, waiting):
    queues = FakeQueues()
    queues.sent[queue] = ["waiting"] * waiting
    assert asked(watching(since="2016-01-01"), queues=queues, backfill_room=90) == [
        ("2024-08", False),
        ("2024-07", False),
    ]


def test_one_run_never_backfills_more_than_its_most():
    months = [month for month, backfill in asked(watching(since="2016-01-01"), backfill_room=10**6) if backfill]
    assert len(months) == MOST_BACKFILL


def test_an_older_month_that_is_not_closed_yet_is_backfilled_once_a_day():
    watched = watching(since="2024-06-01")
    just = FakeLedger(months=[MonthRecord(JUNE, NOW - timedelta(hours=6), 20, closed=False)])
    assert ("2024-06", True) not in asked(watched, just)
    assert ("2024-06", True) in asked(watched, just, now=NOW + timedelta(hours=18))


def test_a_closed_month_is_looked_at_once_a_week_for_changes_since_the_last_look():
    watched = watching(since="2024-06-01")
    ledger = FakeLedger(months=[MonthRecord(JUNE, NOW, 20, closed=True)])
    looks, last = [], NOW
    for hours in range(0, 15 * 24, 6):
        now = NOW + timedelta(hours=hours)
        for message in messages(watched, ledger, now=now):
            if message.month == "2024-06":
                looks.append(now)
                assert (message.backfill, message.since) == (True, last - OVERLAP)
                last = now
                ledger.save_month(MonthRecord(JUNE, now, 20, closed=True))
    assert len(looks) == 2
    assert looks[1] - looks[0] == LOOK_AGAIN


def test_the_looks_at_closed_months_are_spread_over_the_week():
    watched = watching(since="2016-01-01")
    ledger = FakeLedger()
    month = TileMonth(WEV, 2016, 1)
    while month < JUNE.next():
        ledger.save_month(MonthRecord(month, NOW, 20, closed=True))
        month = month.next()
    days = Counter[int]()
    for hours in range(6, 7 * 24 + 6, 6):
        now = NOW + timedelta(hours=hours)
        for message in messages(watched, ledger, now=now):
            if message.since:
                days[hours // 24] += 1
                ledger.save_month(MonthRecord(message.value(), now, 20, closed=True))
    assert sum(days.values()) == len(ledger.month_rows)
    assert max(days.values()) < len(ledger.month_rows) / 3


def test_one_run_never_looks_at_more_closed_months_than_its_most():
    tiles = [f"22W{column}{row}" for column in "CDEFG" for row in "ABCDE"]
    watched = watching(tiles=tiles, since="2021-01-01", until="2023-12-31")
    long_ago = NOW - timedelta(days=30)
    months = [TileMonth(Tile(tile), year, month) for tile in tiles for year in (2021, 2022) for month in range(1, 13)]
    ledger = FakeLedger(months=[MonthRecord(month, long_ago, 20, closed=True) for month in months])
    assert sum(message.since is not None for message in messages(watched, ledger)) == MOST_LOOKS


def test_a_month_with_products_in_the_archive_is_looked_at_in_full_every_day():
    watched = watching(since="2024-06-01")
    ledger = FakeLedger(months=[MonthRecord(JUNE, NOW, 20, closed=True, waiting=2)])
    assert ("2024-06", True) not in asked(watched, ledger, now=NOW + timedelta(hours=23))
    [look] = [m for m in messages(watched, ledger, now=NOW + timedelta(days=1)) if m.month == "2024-06"]
    assert look.since is None


def test_a_search_that_a_clock_dates_into_the_future_counts_as_none():
    watched = watching(since="2024-06-01")
    ahead = NOW + timedelta(days=30)
    is_open = FakeLedger(months=[MonthRecord(JUNE, ahead, 20, closed=False)])
    assert ("2024-06", True) in asked(watched, is_open)
    closed = FakeLedger(months=[MonthRecord(JUNE, ahead, 20, closed=True)])
    (look,) = [message for message in messages(watched, closed) if message.month == "2024-06"]
    assert look.since is None  # what changed since then cannot be asked for


def test_a_month_that_could_not_be_searched_yet_is_backfilled():
    failed = FakeLedger(months=[MonthRecord(JUNE, None, 0, closed=False, error="The catalogue answers 503.")])
    assert ("2024-06", True) in asked(watching(since="2024-06-01"), failed)


def test_a_look_for_changes_goes_back_before_the_last_one():
    assert timedelta(hours=12) <= OVERLAP  # entries appear hours after the date that they bear


def test_a_tile_in_two_areas_is_asked_for_once():
    area = {"name": "a", "tiles": ["22WEV"]}
    watched = Watchlist.model_validate({"version": 1, "areas": [area, area | {"name": "b"}]})
    assert asked(watched) == [("2024-08", False), ("2024-07", False)]


def test_an_empty_watchlist_asks_for_nothing():
    assert asked(Watchlist(version=1)) == []
