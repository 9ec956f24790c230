"""New acquisitions go before backfill in the queue of corrections, too, and backfill is not forgotten."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from container import turn
from container.run import DONE
from shared.messages import CorrectionMessage
from shared.models import ProductName, State, staged_zip
from shared.records import Record
from tests.adapters.worker_world import World, a_product

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def staged(world: World, *, discovered: datetime, send: bool = True) -> ProductName:
    """Another staged product, and its message."""
    product = a_product()
    times = {"discover": discovered, "stage": NOW}
    world.services.ledger.add(Record("22WEV", str(product), State.STAGED, id="id-1", times=times))
    if send:
        world.send(CorrectionMessage(product=str(product)).encode())
    return product


@pytest.fixture(autouse=True)
def _nothing_else_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "PAUSE", 1)
    for record in list(world.services.ledger.in_state(State.STAGED)):
        world.services.ledger.update(record.partition, record.name, lambda old: replace(old, state=State.SKIPPED))


def state(world: World, product: ProductName) -> State:
    record = world.services.ledger.get("22WEV", str(product))
    assert record is not None
    return record.state


def test_backfill_goes_back_until_the_new_ones_have_been_begun(world: World) -> None:
    old = staged(world, discovered=NOW)  # sensed in 2019
    new = staged(world, discovered=a_product().sensing)
    assert world.run() == DONE
    assert state(world, new) is State.FAILED, "it was taken first; it has no zip"
    put_back = world.services.ledger.get("22WEV", str(old))
    assert put_back is not None
    assert (put_back.state, put_back.error) == (State.STAGED, "Backfill waits for 1 new acquisitions.")
    assert "waits" in put_back.times, "watch takes it for no lost message"
    assert world.waiting() == 1
    time.sleep(1.2)
    assert world.run() == DONE
    assert state(world, old) is State.FAILED, "its turn came"
    assert world.waiting() == 0


def test_backfill_that_waited_often_enough_goes_although_a_new_one_seems_to_wait(world: World) -> None:
    """A new one whose message was lost must not hold backfill up for ever."""
    staged(world, discovered=a_product().sensing, send=False)
    old = staged(world, discovered=NOW, send=False)
    world.send(CorrectionMessage(product=str(old), waits=turn.MOST_WAITS).encode())
    assert world.run() == DONE
    assert state(world, old) is State.FAILED


def test_backfill_that_was_tried_before_keeps_its_count_of_tries(world: World) -> None:
    staged(world, discovered=a_product().sensing, send=False)
    old = staged(world, discovered=NOW)
    taken = world.queue.receive_message(visibility_timeout=1)
    assert taken is not None
    time.sleep(1.2)
    assert world.run() == DONE
    assert state(world, old) is State.FAILED


def test_a_product_in_work_elsewhere_holds_nobody_up(world: World) -> None:
    new = staged(world, discovered=a_product().sensing, send=False)
    world.services.ledger.update("22WEV", str(new), lambda row: replace(row, times={**row.times, "begun": NOW}))
    old = staged(world, discovered=NOW)
    assert world.run() == DONE
    assert state(world, old) is State.FAILED
    assert world.services.store.info(staged_zip(old)) is None
