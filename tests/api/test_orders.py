"""Orders over HTTP: given twice they do no more than once, and what cannot be done is said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from shared.messages import CLASSIFICATIONS, PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.models import MANIFEST, State, l2a_folder
from shared.pipeline.discover import discover
from tests.api.conftest import L1C, World, a_record
from tests.fakes import FakeCatalogue, a_product
from tests.small_l2a import PRODUCT


def order(client: TestClient, kind: str, status: int = 202, **asked: Any):
    answer = client.post(f"/api/orders/{kind}", json=asked)
    assert answer.status_code == status, answer.text
    return answer.json()


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
        {"tile": "22WEV", "first": "2021-07", "surprise": 1},
    ],
)
def test_a_backfill_that_says_nothing_useful_is_refused(world: World, client: TestClient, asked: dict[str, Any]):
    order(client, "backfill", 422, **asked)
    assert not world.queues.sent


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


def test_what_is_done_is_not_cancelled(client: TestClient):
    order(client, "cancel", 409, product=L1C)


def test_a_product_can_be_dropped_through_a_link(client: TestClient):
    told = order(client, "drop-link", 201, name=f"{L1C}.SAFE.zip")
    assert f"/drop/{L1C}.SAFE.zip?write-until=" in told["url"]


@pytest.mark.parametrize("name", ["x.zip", "../secret.zip", f"{L1C}.SAFE/x.zip", f"{L1C}.tar", "", "/"])
def test_a_link_is_given_for_products_only(client: TestClient, name: str):
    order(client, "drop-link", 422, name=name)
