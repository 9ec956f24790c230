"""discover finds what is new, keeps both halves of a granule and the newest baseline, and writes it all down."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.errors import ProviderUnavailable
from shared.messages import ProductMessage, TileMonthMessage
from shared.models import Checksum, Product, State, Tile, TileMonth
from shared.pipeline.discover import discover
from tests.fakes import FakeCatalogue, FakeClock, FakeLedger, a_product
from tests.products import L1C, OLDER, SECOND_HALF

JULY = TileMonthMessage(tile="22WEV", month="2024-07")


def found(
    ledger: FakeLedger, *products: Product, again: bool = False, limit: float = 100.0, now: datetime | None = None
) -> list[str]:
    clock = FakeClock(now) if now else FakeClock()
    messages = discover(
        JULY, catalogue=FakeCatalogue(products), ledger=ledger, clock=clock, scene_cloud_limit=limit, again=again
    )
    return [message.product for message in messages]


def state(ledger: FakeLedger, name: str) -> State:
    return ledger.rows["22WEV", name].state


def test_a_new_product_is_entered_and_asked_for():
    ledger = FakeLedger()
    product = a_product(L1C, body=b"123", checksums=(Checksum("MD5", "ab" * 16),))
    messages = discover(JULY, catalogue=FakeCatalogue([product]), ledger=ledger, clock=FakeClock())
    assert messages == [ProductMessage.of(product)]
    record = ledger.rows["22WEV", L1C]
    assert (record.state, record.bytes, record.checksum) == (State.DISCOVERED, 3, f"MD5:{'ab' * 16}")
    assert record.times["sensing"] == datetime(2024, 7, 16, 15, 18, 9, tzinfo=UTC)


def test_the_second_search_finds_nothing_new():
    ledger = FakeLedger()
    found(ledger, a_product(L1C))
    assert found(ledger, a_product(L1C)) == []


def test_a_repeated_message_asks_again_for_what_is_still_only_discovered():
    ledger = FakeLedger()
    found(ledger, a_product(L1C))
    assert found(ledger, a_product(L1C), again=True) == [L1C]


def test_a_repeated_message_does_not_ask_again_for_what_is_staged():
    ledger = FakeLedger()
    found(ledger, a_product(L1C))
    ledger.update("22WEV", L1C, lambda old: replace(old, state=State.STAGED))
    assert found(ledger, a_product(L1C), again=True) == []


def test_both_halves_of_a_split_granule_are_kept():
    assert found(FakeLedger(), a_product(L1C), a_product(SECOND_HALF)) == [L1C, SECOND_HALF]


def test_the_newest_baseline_wins_and_the_older_is_skipped_with_the_reason():
    ledger = FakeLedger()
    assert found(ledger, a_product(OLDER), a_product(L1C)) == [L1C]
    assert state(ledger, OLDER) is State.SKIPPED
    assert L1C in ledger.rows["22WEV", OLDER].reason


def test_results_of_an_older_baseline_stay_until_the_newer_are_there():
    ledger = FakeLedger()
    found(ledger, a_product(OLDER))
    ledger.update("22WEV", OLDER, lambda old: replace(old, state=State.CLASSIFIED))
    found(ledger, a_product(OLDER), a_product(L1C))
    assert state(ledger, OLDER) is State.CLASSIFIED
    ledger.update("22WEV", L1C, lambda old: replace(old, state=State.CLASSIFIED))
    found(ledger, a_product(OLDER), a_product(L1C))
    assert state(ledger, OLDER) is State.SKIPPED


def test_a_scene_too_cloudy_by_the_catalogue_is_skipped_with_both_numbers():
    ledger = FakeLedger()
    assert found(ledger, a_product(L1C, cloud_cover=91.5), limit=80) == []
    assert ledger.rows["22WEV", L1C].reason == "The catalogue says 91.5 % cloud; the watchlist allows 80 %."


def test_an_offline_product_waits_and_is_asked_for_once_it_is_online():
    ledger = FakeLedger()
    assert found(ledger, a_product(L1C, online=False)) == []
    assert state(ledger, L1C) is State.OFFLINE
    assert found(ledger, a_product(L1C, online=True)) == [L1C]
    assert state(ledger, L1C) is State.DISCOVERED


def test_a_month_closes_when_late_arrivals_are_over():
    ledger = FakeLedger()
    month = TileMonth(Tile("22WEV"), 2024, 7)
    found(ledger, a_product(L1C), now=datetime(2024, 8, 15, tzinfo=UTC))
    assert not ledger.months[month].closed
    found(ledger, a_product(L1C), now=datetime(2024, 9, 15, tzinfo=UTC))
    assert ledger.months[month].closed
    assert ledger.months[month].found == 1


def test_an_unreachable_catalogue_raises_for_the_queue_to_retry_and_leaves_the_month_open():
    catalogue, ledger = FakeCatalogue([a_product(L1C)]), FakeLedger()
    catalogue.fail("search", ProviderUnavailable("The catalogue answers 503."))
    with pytest.raises(ProviderUnavailable):
        discover(JULY, catalogue=catalogue, ledger=ledger, clock=FakeClock())
    assert ledger.months == {}
