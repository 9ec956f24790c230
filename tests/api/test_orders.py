"""Orders over HTTP: given twice they do no more than once, and what cannot be done is said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from shared.errors import NotFound
from shared.messages import CLASSIFICATIONS, PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.models import MANIFEST, WATCHLIST, State, TileMonth, l2a_folder
from shared.pipeline import orders
from shared.pipeline.discover import discover
from shared.pipeline.outcome import superseded
from shared.pipeline.reclassify import asked
from shared.pipeline.refused import refuse
from shared.records import REFUSED, MonthRecord
from shared.science.forest import Classifier
from tests.api.conftest import L1C, World, a_record, order
from tests.fakes import NOON, FakeCatalogue, a_product
from tests.small_l2a import PRODUCT


def test_backfill_asks_for_each_month_once(world: World, client: TestClient):
    told = order(client, "backfill", tile="T22WEV", first="2020-12", last="2021-02")
    assert told["accepted"] == ["22WEV 2020-12", "22WEV 2021-01", "22WEV 2021-02"]
    messages = [TileMonthMessage.decode(text) for text in world.queues.sent[TILE_MONTHS]]
    assert [(message.month, message.backfill) for message in messages] == [
        ("2020-12", True),
        ("2021-01", True),
        ("2021-02", True),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"tile": "nowhere", "first": "2021-07"},
        {"tile": "22WEV", "first": "2021-13"},
        {"tile": "22WEV", "first": "2021-07", "last": "2021-06"},
        {"tile": "22WEV", "first": "2015-07", "last": "2099-06"},
        {"tile": "22WEV", "first": "2090-07"},
        {"tile": "22WEV", "first": "2021-07", "surprise": 1},
    ],
)
def test_a_backfill_that_says_nothing_useful_is_refused(world: World, client: TestClient, asked: dict[str, Any]):
    order(client, "backfill", 422, **asked)
    assert not world.queues.sent


def test_a_month_that_waits_or_was_searched_just_now_is_left(world: World, client: TestClient):
    order(client, "backfill", tile="22WEV", first="2021-06")
    month = TileMonth.parse("22WEV", "2021-07")
    world.ledger.save_month(MonthRecord(month, searched=world.clock(), found=3, closed=True))
    told = order(client, "backfill", tile="22WEV", first="2021-06", last="2021-08")
    assert (told["accepted"], sorted(told["left"])) == (["22WEV 2021-08"], ["22WEV 2021-06", "22WEV 2021-07"])
    world.clock.advance(minutes=16)
    world.queues.sent.clear()
    assert len(order(client, "backfill", tile="22WEV", first="2021-06", last="2021-08")["accepted"]) == 3


def test_a_month_that_was_asked_for_just_now_is_left_also_where_the_queue_cannot_show_it(
    world: World, client: TestClient
):
    """Of the queue's messages only the first 32 that wait can be seen, and none that is in work."""
    months: dict[str, Any] = {"first": "2016-01", "last": "2020-12"}
    assert len(order(client, "backfill", tile="22WEV", **months)["accepted"]) == 60
    world.queues.sent.clear()
    told = order(client, "backfill", tile="22WEV", **months)
    assert not told["accepted"]
    assert set(told["left"].values()) == {"It was asked for within the last 15 minutes."}
    world.clock.advance(minutes=16)  # its message may be lost
    assert len(order(client, "backfill", tile="22WEV", **months)["accepted"]) == 60


def test_of_equal_backfills_at_one_instant_one_searches(world: World, client: TestClient):
    others: list[dict[str, Any]] = []
    world.ledger.interfere = lambda: others.append(order(client, "backfill", tile="22WEV", first="2021-07"))
    told = order(client, "backfill", tile="22WEV", first="2021-07")
    assert (told["accepted"], others[0]["accepted"]) == ([], ["22WEV 2021-07"])
    assert len(world.queues.sent[TILE_MONTHS]) == 1


def test_a_month_that_was_asked_for_and_then_searched_in_vain_can_be_asked_for_again(world: World, client: TestClient):
    order(client, "backfill", tile="22WEV", first="2021-07")
    world.queues.sent.clear()
    month = TileMonth.parse("22WEV", "2021-07")
    world.clock.advance(minutes=1)
    catalogue = FakeCatalogue()
    catalogue.fail("search", NotFound("The catalogue is away."))
    with pytest.raises(NotFound):
        discover(TileMonthMessage.of(month), catalogue=catalogue, ledger=world.ledger, clock=world.clock)
    assert order(client, "backfill", tile="22WEV", first="2021-07")["accepted"] == ["22WEV 2021-07"]
    world.clock.advance(minutes=1)
    discover(TileMonthMessage.of(month), catalogue=FakeCatalogue(), ledger=world.ledger, clock=world.clock)
    row = world.ledger.month(month)
    assert row is not None
    assert (row.searched, row.asked) == (world.clock(), world.clock() - timedelta(minutes=1))


def test_a_month_whose_search_failed_just_now_is_searched(world: World, client: TestClient):
    month = TileMonth.parse("22WEV", "2021-07")
    world.ledger.save_month(MonthRecord(month, world.clock(), 3, closed=False, error="The catalogue is away."))
    assert order(client, "backfill", tile="22WEV", first="2021-07")["accepted"] == ["22WEV 2021-07"]


def test_what_is_no_message_keeps_no_backfill_from_its_order(world: World, client: TestClient):
    world.queues.send(TILE_MONTHS, "junk")
    world.queues.send(TILE_MONTHS, TileMonthMessage(tile="22WEV", month="2021-07", since=world.clock()).encode())
    assert order(client, "backfill", tile="22WEV", first="2021-07")["accepted"] == ["22WEV 2021-07"]


def test_what_failed_is_put_back_once(busy: World, client: TestClient):
    name = a_record(5).name
    assert order(client, "retry", product=name)["accepted"] == [name]
    assert busy.ledger.rows["22WEV", name].state is State.DISCOVERED
    again = order(client, "retry", product=name)
    assert (again["accepted"], again["left"]) == ([], {name: "It is DISCOVERED."})
    assert len(busy.queues.sent[PRODUCTS]) == 1


def test_all_failures_of_one_kind_are_put_back_and_no_others(busy: World, client: TestClient):
    busy.ledger.add(a_record(12, State.FAILED, reason="The model is missing."))
    (kind, _) = client.get("/api/failures").json()["kinds"]
    told = order(client, "retry", failed=True, key=kind["key"])
    assert sorted(told["accepted"]) == [a_record(5).name, a_record(6).name]
    assert busy.ledger.rows["22WEV", a_record(12).name].state is State.FAILED
    assert order(client, "retry", failed=True, tile="22WEU")["accepted"] == []


def test_what_cannot_be_put_back_is_named_with_the_reason(world: World, client: TestClient):
    name = a_record(3).name
    world.ledger.add(replace(a_record(3, State.FAILED, reason="Broken."), id=""))
    told = order(client, "retry", failed=True)
    assert told["accepted"] == []
    assert "drop it again" in told["left"][name]


def test_a_classified_product_is_not_retried(client: TestClient):
    assert "CLASSIFIED" in order(client, "retry", 409, product=L1C)["detail"]


def test_an_order_for_what_nobody_knows_is_not_found(client: TestClient):
    order(client, "retry", 404, product=a_record(30).name)
    order(client, "retry", 422, product=L1C, failed=True)
    order(client, "cancel", 404, product="nonsense")


def test_a_product_is_classified_again_once_per_order_that_is_done(world: World, client: TestClient):
    world.clock.advance(hours=1)
    assert order(client, "reclassify", product=L1C)["accepted"] == [L1C]
    assert order(client, "reclassify", product=str(PRODUCT))["accepted"] == []
    (text,) = world.queues.sent[CLASSIFICATIONS]
    assert json.loads(text)["product"] == str(PRODUCT)
    world.clock.advance(hours=7)  # it was never done: asked for again it is sent again
    assert order(client, "reclassify", product=L1C)["accepted"] == [L1C]


def test_a_tile_is_classified_again_only_where_another_model_made_it(world: World, client: TestClient):
    assert order(client, "reclassify", tile="22WEV", only_other_model=True)["accepted"] == []
    assert order(client, "reclassify", tile="22WEV")["accepted"] == [L1C]


def test_what_was_rejected_is_classified_again_where_its_state_is_named(world: World, client: TestClient):
    world.ledger.add(a_record(2, State.REJECTED, reason="Only 3 % is usable.", l2a=str(PRODUCT)))
    told = order(client, "reclassify", tile="22WEV")
    assert told["accepted"] == [L1C]
    assert told["sentence"].endswith("1 that are REJECTED were not asked for.")
    told = order(client, "reclassify", tile="22WEV", state=["REJECTED"], only_other_model=True)
    assert told["accepted"] == [a_record(2).name]
    assert told["sentence"].endswith("1 that are CLASSIFIED were not asked for.")
    world.clock.advance(hours=7)
    told = order(client, "reclassify", tile="22WEV", state=["CLASSIFIED", "REJECTED"])
    assert sorted(told["accepted"]) == sorted([a_record(2).name, L1C])
    assert told["sentence"] == "2 products of 22WEV will be classified again."


def test_a_classification_asked_for_between_reading_and_writing_is_not_asked_for_again(
    world: World, client: TestClient
):
    def faster() -> None:
        row = world.ledger.rows["22WEV", L1C]
        world.ledger.rows["22WEV", L1C] = asked(row, world.clock())

    world.clock.advance(hours=1)
    world.ledger.interfere = faster
    assert order(client, "reclassify", product=L1C)["accepted"] == []
    assert not world.queues.sent[CLASSIFICATIONS]


def test_a_product_that_was_superseded_between_reading_and_writing_is_not_classified_again(
    world: World, client: TestClient
):
    def faster() -> None:
        row = world.ledger.rows["22WEV", L1C]
        world.ledger.rows["22WEV", L1C] = superseded(row, L1C.replace("N0511", "N0512"))

    world.ledger.interfere = faster
    assert order(client, "reclassify", product=L1C)["accepted"] == []
    assert not world.queues.sent[CLASSIFICATIONS]
    assert world.ledger.rows["22WEV", L1C].state is State.SKIPPED


@pytest.mark.parametrize("asked_for", [{"product": L1C}, {"tile": "22WEV"}])
def test_nothing_is_begun_with_a_model_that_cannot_be_used(world: World, client: TestClient, asked_for: dict[str, str]):
    area = {"name": "Dark zone", "tiles": ["22WEV"], "model": "nope"}
    world.store.write(WATCHLIST, json.dumps({"version": 1, "areas": [area]}).encode())
    vars(world.outside)["load_classifier"] = refusing
    assert "models/nope" in order(client, "reclassify", 409, **asked_for)["detail"]
    assert world.ledger.rows["22WEV", L1C].state is State.CLASSIFIED
    assert not world.queues.sent[CLASSIFICATIONS]


def refusing(name: str) -> Classifier:
    raise NotFound(f"There is no blob models/{name}/card.json.")


def test_what_one_order_cannot_take_is_named(world: World, client: TestClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(orders, "MOST_AT_ONCE", 1)
    for day in (2, 3):
        world.ledger.add(a_record(day, State.FAILED, reason="It broke."))
        world.ledger.add(a_record(day + 10, results="surface/22WEV/x", l2a="x"))
    told = order(client, "retry", failed=True)
    assert (len(told["accepted"]), list(told["left"].values())) == (1, ["One order takes 1 products; give it again."])
    told = order(client, "reclassify", tile="22WEV")
    assert (told["accepted"], len(told["left"])) == ([L1C], 2)  # what has no folder to begin with takes no place


def test_what_has_no_l2a_folder_any_more_cannot_be_classified_again(world: World, client: TestClient):
    world.store.delete(l2a_folder(PRODUCT) / MANIFEST)
    assert "gone" in order(client, "reclassify", 404, product=L1C)["detail"]
    assert "gone" in order(client, "reclassify", tile="22WEV")["left"][L1C]


def test_what_was_never_corrected_cannot_be_classified_again(busy: World, client: TestClient):
    order(client, "reclassify", 409, product=a_record(9).name)


def test_a_cancelled_product_stays_off_until_it_is_retried(busy: World, client: TestClient):
    name = a_record(9).name
    assert order(client, "cancel", product=name)["accepted"] == [name]
    assert order(client, "cancel", product=name)["accepted"] == []
    month = TileMonthMessage(tile="22WEV", month="2021-07")
    found = discover(month, catalogue=FakeCatalogue([a_product(name)]), ledger=busy.ledger, clock=busy.clock)
    assert found == []
    assert "Cancelled by order" in busy.ledger.rows["22WEV", name].reason
    assert order(client, "retry", product=name)["accepted"] == [name]
    assert busy.ledger.rows["22WEV", name].state is State.DISCOVERED
    assert "cancel" not in busy.ledger.rows["22WEV", name].times


def test_what_failed_for_good_is_put_away_and_says_what_it_was(busy: World, client: TestClient):
    junk = refuse("models/notes.txt", "It is no product.", busy.ledger, busy.clock)
    name = a_record(5).name
    assert order(client, "cancel", product=junk.name)["accepted"] == [junk.name]
    assert order(client, "cancel", product=name)["accepted"] == [name]
    rows = busy.ledger.rows[REFUSED, junk.name], busy.ledger.rows["22WEV", name]
    assert [row.state for row in rows] == [State.SKIPPED, State.SKIPPED]
    assert rows[0].reason.endswith("UTC. Before: It is no product.")
    assert "'retry' begins it again. Before: a_1.jp2 of" in rows[1].reason
    assert order(client, "retry", product=name)["accepted"] == [name]


def test_putting_away_a_classification_that_failed_keeps_the_maps_of_before(world: World, client: TestClient):
    row = world.ledger.rows["22WEV", L1C]
    world.ledger.rows["22WEV", L1C] = row.advanced(State.FAILED, step="classify", at=NOON, reason="The model is gone.")
    assert order(client, "cancel", product=L1C)["sentence"].endswith("is classified, as it was before.")
    row = world.ledger.rows["22WEV", L1C]
    assert (row.state, row.reason, row.error) == (State.CLASSIFIED, "", "Put away: The model is gone.")
    assert client.get("/api/tiles/22WEV/series").json()["points"]


def test_maps_of_a_product_without_its_l2a_do_not_come_back_by_putting_it_away(world: World, client: TestClient):
    row = world.ledger.rows["22WEV", L1C]
    world.ledger.rows["22WEV", L1C] = replace(row, state=State.FAILED, l2a="", reason="The correction failed.")
    order(client, "cancel", product=L1C)
    assert world.ledger.rows["22WEV", L1C].state is State.SKIPPED


def test_what_waits_to_be_classified_again_is_not_retried_besides(world: World, client: TestClient):
    row = world.ledger.rows["22WEV", L1C]
    world.ledger.rows["22WEV", L1C] = row.advanced(State.FAILED, step="classify", at=NOON, reason="The model is gone.")
    world.clock.advance(minutes=1)
    assert order(client, "reclassify", product=L1C)["accepted"] == [L1C]
    assert order(client, "retry", product=L1C)["accepted"] == []
    assert len(world.queues.sent[CLASSIFICATIONS]) == 1


def test_an_offline_product_is_cancelled_too(world: World, client: TestClient):
    world.ledger.add(a_record(11, State.OFFLINE))
    assert order(client, "cancel", product=a_record(11).name)["accepted"] == [a_record(11).name]


def test_what_is_done_is_not_cancelled(client: TestClient):
    order(client, "cancel", 409, product=L1C)
