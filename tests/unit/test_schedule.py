"""schedule asks for what is recent first, then for a little of what is old."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.models import Tile, TileMonth
from shared.pipeline.schedule import BACKFILL_PER_RUN, schedule
from shared.records import MonthRecord
from shared.watchlist import Watchlist
from tests.fakes import FakeLedger

NOW = datetime(2024, 8, 10, tzinfo=UTC)
WEV = Tile("22WEV")


def watching(**area: Any) -> Watchlist:
    return Watchlist.model_validate({"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"], **area}]})


def asked(watched: Watchlist, ledger: FakeLedger | None = None, now: datetime = NOW) -> list[tuple[str, bool]]:
    messages = schedule(watched, ledger=ledger or FakeLedger(), now=now)
    return [(message.month, message.backfill) for message in messages]


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


def test_closed_months_are_not_asked_for_again():
    june = TileMonth(WEV, 2024, 6)
    ledger = FakeLedger(months=[MonthRecord(june, NOW, 20, closed=True)])
    assert ("2024-06", True) not in asked(watching(since="2024-05-01"), ledger)


def test_backfill_comes_in_portions_newest_first():
    months = [month for month, backfill in asked(watching(since="2016-01-01")) if backfill]
    assert len(months) == BACKFILL_PER_RUN
    assert months == sorted(months, reverse=True)
    assert months[0] == "2024-06"


def test_a_tile_in_two_areas_is_asked_for_once():
    area = {"name": "a", "tiles": ["22WEV"]}
    watched = Watchlist.model_validate({"version": 1, "areas": [area, area | {"name": "b"}]})
    assert asked(watched) == [("2024-08", False), ("2024-07", False)]


def test_an_empty_watchlist_asks_for_nothing():
    assert asked(Watchlist(version=1)) == []
