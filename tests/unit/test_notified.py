"""A notification of the provider is a hint: the month is searched, where it is watched."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.messages import TileMonthMessage
from shared.pipeline.notified import notified
from shared.watchlist import Watchlist
from tests.fakes import a_product
from tests.products import L1C  # 22WEV, July 2024


def asked(now: datetime, **area) -> TileMonthMessage | None:
    watched = Watchlist.model_validate({"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"], **area}]})
    return notified(a_product(L1C), watched, now)


@pytest.mark.parametrize(("month", "backfill"), [(7, False), (8, False), (9, True)])
def test_the_month_of_a_watched_product_is_searched_and_an_old_one_as_backfill(month: int, backfill: bool):
    message = asked(datetime(2024, month, 20, tzinfo=UTC), since="2020-01-01")
    assert message == TileMonthMessage(tile="22WEV", month="2024-07", backfill=backfill)


def test_without_since_nothing_old_is_searched():
    assert asked(datetime(2024, 8, 20, tzinfo=UTC)) is not None
    assert asked(datetime(2024, 9, 20, tzinfo=UTC)) is None


@pytest.mark.parametrize("area", [{"tiles": ["22WEU"]}, {"months": [8]}, {"until": "2024-06-30"}])
def test_what_the_watchlist_does_not_ask_for_is_left_alone(area: dict[str, object]):
    assert asked(datetime(2024, 7, 20, tzinfo=UTC), **area) is None
