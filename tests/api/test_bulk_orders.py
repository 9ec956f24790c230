"""Orders about many products: each takes so many, and given again they come to the end of all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from shared.messages import CLASSIFICATIONS
from shared.models import MANIFEST, ProductName, State, l2a_folder
from shared.pipeline import orders
from shared.pipeline.reclassify import ASKED
from tests.api.conftest import L1C, World, a_record, order
from tests.fakes import NOON
from tests.small_l2a import PRODUCT

ALL: dict[str, Any] = {"tile": "22WEV", "state": ["REJECTED"]}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """One order takes two products."""
    monkeypatch.setattr(orders, "MOST_AT_ONCE", 2)


def reject(world: World, day: int, *, days_ago: int, has_folder: bool = True) -> str:
    """A rejected product that was classified so long ago; its name."""
    name = a_record(day).name
    l2a = name.replace("MSIL1C", "MSIL2A")
    row = a_record(day, State.REJECTED, reason="Only 3 % is usable.", l2a=l2a)
    at = NOON - timedelta(days=days_ago)
    world.ledger.add(row.advanced(State.REJECTED, step="classify", at=at, reason=row.reason))
    if has_folder:
        world.store.write(l2a_folder(ProductName.parse(l2a)) / MANIFEST, b"<manifest/>")
    return name


def done(world: World) -> None:
    """What was asked for is done, a while later."""
    world.clock.advance(hours=1)
    for place, row in list(world.ledger.rows.items()):
        if ASKED in row.times:
            world.ledger.rows[place] = row.advanced(State.REJECTED, step="classify", at=world.clock())
    world.clock.advance(hours=1)


@pytest.mark.parametrize("is_done_between", [False, True])
def test_given_again_an_order_goes_on_with_the_products_that_it_left(
    world: World, client: TestClient, *, is_done_between: bool
):
    names = [reject(world, day, days_ago=1) for day in range(2, 8)]
    asked = []
    for _ in range(3):
        asked += order(client, "reclassify", **ALL)["accepted"]
        if is_done_between:
            done(world)
    assert sorted(asked) == names
    assert len(world.queues.sent[CLASSIFICATIONS]) == len(names)


def test_what_was_classified_the_longest_time_ago_begins(world: World, client: TestClient):
    names = {days: reject(world, day, days_ago=days) for day, days in ((2, 1), (3, 4), (4, 2), (5, 3))}
    told = order(client, "reclassify", **ALL)
    assert told["accepted"] == [names[4], names[3]]
    assert set(told["left"].values()) == {"One order takes 2 products; give it again."}
    assert order(client, "reclassify", **ALL)["accepted"] == [names[2], names[1]]


def test_what_cannot_be_classified_again_keeps_no_other_out(world: World, client: TestClient):
    gone = {reject(world, day, days_ago=9, has_folder=False) for day in (2, 3, 4)}
    here = reject(world, 5, days_ago=1)
    told = order(client, "reclassify", **ALL)
    assert (told["accepted"], set(told["left"])) == ([here], gone)


def test_what_cannot_be_put_back_keeps_no_other_out(world: World, client: TestClient):
    for day in (2, 3):  # neither their zip nor their folder is there, and no catalogue knows them
        world.ledger.add(replace(a_record(day, State.FAILED, reason="It broke."), id=""))
    last = a_record(4, State.FAILED, reason="It broke.")
    world.ledger.add(last)
    assert last.name in order(client, "retry", failed=True)["accepted"]


def test_who_asks_for_what_may_be_in_work_hears_that_it_has_to_be_asked_for_again(world: World, client: TestClient):
    row = world.ledger.rows["22WEV", L1C]
    world.ledger.rows["22WEV", L1C] = row.advanced(State.CORRECTED, step="correct", at=NOON)
    told = order(client, "reclassify", product=str(PRODUCT))
    assert told["accepted"] == []
    assert "is in work with what was in force when that began" in told["sentence"]
    assert "ask again once it is done" in told["left"][L1C]
