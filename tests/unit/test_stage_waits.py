"""stage within what the provider allows: slots, byte budget, pauses, products that are gone or in the archive."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import AccessDenied, Offline, ProviderLimits, ProviderUnavailable, StorageUnavailable
from shared.messages import (
    PRODUCTS,
    TILE_MONTHS,
    ProductMessage,
)
from shared.models import State
from shared.pipeline.stage import Following
from shared.pipeline.stage_budget import UNKNOWN_SIZE
from shared.pipeline.stage_rules import MOST_REFUSALS
from shared.ports import Retrieval
from shared.records import Record
from shared.settings import Downloads
from tests.fakes import NOON, FakeSlots, FakeTally
from tests.products import L1C, SECOND_HALF, l1c_zip
from tests.unit.stage_case import CORRECTION, MONTH, Meanwhile, Stage


def test_a_product_gone_from_the_provider_fails_and_its_month_is_searched_again():
    this = Stage(l1c_zip())
    this.catalogue.downloads.clear()
    assert this.run() == [Following(TILE_MONTHS, MONTH)]
    assert this.record.state is State.FAILED
    assert this.record.reason == "The provider has no product id-1. Its month is searched again."


def test_a_product_not_found_but_listed_as_offline_is_offline_and_is_looked_for_by_the_schedule():
    this = Stage(l1c_zip())
    this.catalogue.downloads.clear()
    this.lists(online=False)
    assert this.run() == []
    assert this.record.state is State.OFFLINE
    assert "archive" in this.record.reason


def test_a_product_not_found_but_listed_as_online_is_tried_again():
    this = Stage(l1c_zip())
    this.catalogue.downloads.clear()
    this.lists()
    with pytest.raises(ProviderUnavailable, match="still lists it as online"):
        this.run()
    assert this.record.state is State.DISCOVERED


def test_an_offline_answer_asks_for_the_product_back():
    this = Stage(l1c_zip())
    this.catalogue.fail("download", Offline("The hub has id-1 in its archive."))
    this.catalogue.retrieval = Retrieval.ACCEPTED
    assert this.run() == []
    assert ("retrieve", "id-1") in this.catalogue.calls
    assert this.record.reason == "The hub has id-1 in its archive. The wish to have it back: accepted."
    assert this.record.times["retrieve"] == NOON


def test_a_forbidden_download_fails_at_once_with_the_reason():
    this = Stage(l1c_zip())
    this.catalogue.fail("download", AccessDenied("Copernicus answers with 403."))
    assert this.run() == []
    assert (this.record.state, this.record.reason) == (State.FAILED, "Copernicus answers with 403.")


def test_a_provider_that_asks_for_a_pause_gets_it_and_no_try_is_counted():
    this = Stage(l1c_zip())
    this.catalogue.fail("download", ProviderLimits("Copernicus answers with 429.", seconds=120))
    [following] = this.run()
    assert following.queue == PRODUCTS
    assert following.message == this.message.model_copy(update={"waits": 1, "refusals": 1})
    assert following.delay >= 120
    assert (this.record.state, this.record.attempts) == (State.DISCOVERED, {})
    assert this.record.error == "Waits: Copernicus answers with 429."
    assert this.tally.days == {NOON.date(): 0}


def test_a_provider_that_asks_for_pauses_without_end_is_an_error_at_last():
    this = Stage(l1c_zip())
    this.catalogue.fail("download", ProviderLimits("Copernicus answers with 429."))
    with pytest.raises(ProviderLimits):
        this.run(this.message.model_copy(update={"refusals": MOST_REFUSALS}))
    assert this.record.attempts["stage"] == 1


def test_waiting_for_our_own_slots_and_budget_uses_up_no_patience_with_the_provider():
    this = Stage(l1c_zip())
    this.catalogue.fail("download", ProviderLimits("Copernicus answers with 429."))
    [following] = this.run(this.message.model_copy(update={"waits": 10 * MOST_REFUSALS}))
    assert following.queue == PRODUCTS


def test_without_a_free_slot_the_message_waits_and_the_ledger_says_so():
    this = Stage(l1c_zip())
    this.slots.held = 4
    [following] = this.run()
    assert (following.queue, following.delay >= 30) == (PRODUCTS, True)
    assert this.record.error == "Waits for one of 4 download slots."
    assert (this.record.state, this.record.attempts, this.downloads) == (State.DISCOVERED, {}, 0)


def test_a_product_that_waits_again_and_again_waits_longer_but_not_for_ever():
    this = Stage(l1c_zip())
    this.slots.held = 4
    pauses = [this.run(this.message.model_copy(update={"waits": waits}))[0].delay for waits in (0, 2, 4, 100)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 1351


def test_what_waited_is_staged_when_a_slot_is_free_and_nothing_of_the_waiting_is_left_in_its_record():
    this = Stage(l1c_zip())
    this.slots.held = 4
    [following] = this.run()
    this.slots.held = 0
    assert isinstance(following.message, ProductMessage)
    assert this.run(following.message) == [CORRECTION]
    assert (this.record.state, this.record.error) == (State.STAGED, "")


def test_backfill_leaves_one_slot_to_new_acquisitions():
    old, new = Stage(l1c_zip(), backfill=True), Stage(l1c_zip())
    old.slots = new.slots = FakeSlots(2)
    new.slots.held = 1
    assert old.run()[0].queue == PRODUCTS
    assert new.run() == [CORRECTION]


def test_a_lost_slot_ends_the_download_and_shows_nothing():
    this = Stage(l1c_zip())
    this.slots.lost = True
    with pytest.raises(StorageUnavailable, match="slot 0 was lost"):
        this.run()
    assert this.store.blobs == {}
    assert this.record.state is State.DISCOVERED


def test_a_download_too_slow_for_the_host_ends_with_the_bytes_that_came():
    this = Stage(l1c_zip())
    this.clock.step = timedelta(seconds=600)
    with pytest.raises(ProviderUnavailable, match=r"too slow: [0-9]+ of [0-9]+ bytes in 1500 s"):
        this.run()
    assert this.store.blobs == {}


def test_backfill_waits_when_its_share_of_the_byte_budget_is_used_up_and_new_acquisitions_go_on():
    old, new = Stage(l1c_zip(), backfill=True), Stage(l1c_zip())
    spent = FakeTally({NOON.date() - timedelta(days=29): 900})
    old.tally = new.tally = spent
    old.limits = new.limits = Downloads(backfill_bytes=len(old.body) + 500, most_bytes=100_000)
    [following] = old.run()
    assert (following.queue, following.delay >= 3600) == (PRODUCTS, True)
    limit = len(old.body) + 500
    words = f"{old.message.size} more are needed, 900 of {limit} bytes of 30 days are used."
    assert old.record.error == f"Backfill waits for the byte budget: {words}"
    assert new.run() == [CORRECTION]
    assert spent.days[NOON.date()] == len(new.body)


def test_everything_waits_at_the_hard_limit_until_old_days_drop_out():
    this = Stage(l1c_zip())
    this.limits = Downloads(backfill_bytes=1000, most_bytes=len(this.body) + 10)
    this.tally = FakeTally({NOON.date() - timedelta(days=30): 11})
    assert this.run()[0].queue == PRODUCTS
    assert this.downloads == 0
    this.clock.advance(days=1)
    assert this.run() == [CORRECTION]


def test_a_download_that_breaks_off_costs_the_bytes_that_came():
    this = Stage(l1c_zip())
    this.catalogue.cut["id-1"] = 2048
    with pytest.raises(ProviderUnavailable):
        this.run()
    assert this.tally.days == {NOON.date(): 2048}


def test_a_budget_that_cannot_be_put_right_fails_no_product():
    this = Stage(l1c_zip(), size=0)
    this.store = Meanwhile(lambda: this.tally.fail("update", StorageUnavailable("busy")))
    assert this.run() == [CORRECTION]
    assert this.record.state is State.STAGED
    assert this.tally.days == {NOON.date(): UNKNOWN_SIZE}


def test_a_product_superseded_while_it_came_is_put_away_again():
    this = Stage(l1c_zip())

    def supersede() -> None:
        this.ledger.update("22WEV", L1C, lambda old: replace(old, state=State.SKIPPED, reason="Superseded."))

    this.ledger.add(Record("22WEV", L1C, State.DISCOVERED))
    this.store = Meanwhile(supersede)
    assert this.run() == []
    assert (this.record.state, this.record.reason) == (State.SKIPPED, "Superseded.")
    assert this.store.blobs == {}


def _waiting(name: str, **facts) -> Record:
    times = {"discover": NOON}
    return Record("22WEV", name, State.DISCOVERED, **({"id": "id-9", "times": times} | facts))


def test_backfill_lets_new_acquisitions_that_wait_for_their_first_try_go_ahead():
    old = Stage(l1c_zip(), backfill=True)
    old.ledger.add(_waiting(SECOND_HALF))
    [following] = old.run()
    assert following.queue == PRODUCTS
    assert old.record.error == "Backfill waits for 1 new acquisitions."
    old.ledger.update("22WEV", SECOND_HALF, lambda new: replace(new, state=State.STAGED))
    assert old.run() == [CORRECTION]


@pytest.mark.parametrize(
    "facts",
    [
        {"attempts": {"stage": 1}},
        {"times": {"discover": NOON, "waits": NOON}},
        {"times": {"discover": NOON + timedelta(days=100)}},
        {"id": ""},
    ],
    ids=["tried already", "waits for the provider", "backfill itself", "dropped by hand"],
)
def test_backfill_does_not_wait_for_what_is_not_next(facts):
    old = Stage(l1c_zip(), backfill=True)
    old.ledger.add(_waiting(SECOND_HALF, **facts))
    assert old.run() == [CORRECTION]


def test_a_new_acquisition_waits_for_no_other():
    new = Stage(l1c_zip())
    new.ledger.add(_waiting(SECOND_HALF))
    assert new.run() == [CORRECTION]


def test_a_product_larger_than_the_whole_budget_fails_with_both_numbers():
    this = Stage(l1c_zip())
    this.limits = Downloads(most_bytes=100, backfill_bytes=100)
    assert this.run() == []
    assert this.record.state is State.FAILED
    assert f"has {len(this.body)} bytes; the byte budget of 30 days is 100" in this.record.reason


def test_the_message_of_an_identifier_that_was_published_anew_is_dropped_and_the_new_one_is_staged():
    this = Stage(l1c_zip())
    newer = this.message.model_copy(update={"id": "id-2"})
    this.ledger.add(_waiting(L1C, id="id-2"))
    assert this.run() == []
    assert (this.record.state, this.downloads) == (State.DISCOVERED, 0)
    this.catalogue.downloads["id-2"] = this.body
    assert this.run(newer) == [CORRECTION]


@pytest.mark.parametrize("listed", [True, False], ids=["raises", "gone"])
def test_an_identifier_that_is_published_anew_while_the_old_one_is_asked_for_is_not_spoilt_by_it(listed):
    this = Stage(l1c_zip())
    this.catalogue.downloads.clear()
    if listed:
        this.lists()
    this.catalogue.meanwhile = lambda: this.ledger.update("22WEV", L1C, lambda old: replace(old, id="id-2"))
    with suppress(ProviderUnavailable):
        this.run()
    assert (this.record.state, this.record.id, this.record.reason, this.record.attempts) == (
        State.DISCOVERED,
        "id-2",
        "",
        {},
    )


def test_a_wait_for_a_slot_is_no_refusal_of_the_provider():
    this = Stage(l1c_zip())
    this.slots.held = 4
    [following] = this.run()
    assert following.message == this.message.model_copy(update={"waits": 1, "refusals": 0})


def test_a_product_that_another_instance_staged_asks_for_no_correction_where_it_has_gone_further():
    this = Stage(l1c_zip())
    this.store = Meanwhile(
        lambda: this.ledger.update("22WEV", L1C, lambda old: old.advanced(State.CORRECTED, step="correct", at=NOON))
    )
    assert this.run() == []
    assert this.record.state is State.CORRECTED
