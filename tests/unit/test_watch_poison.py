"""Nothing lies in a poison queue that the ledger does not know, and nothing is done twice about it."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from shared.errors import StorageUnavailable
from shared.messages import (
    BLOB_TRIGGER_POISON,
    CLASSIFICATIONS,
    CORRECTIONS,
    PRODUCTS,
    QUEUES,
    TILE_MONTHS,
    ClassificationMessage,
    CorrectionMessage,
    Message,
    ProductMessage,
    TileMonthMessage,
    poison_of,
)
from shared.models import MANIFEST, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.orders import Orders
from shared.pipeline.poison import poison
from shared.pipeline.retry import retry
from shared.pipeline.watch_poison import LEFT_TO_HANDLERS, enter_poison
from shared.records import REFUSED, Record
from tests.fakes import NOON, FakeClock, FakeLedger, FakeQueues, FakeStore
from tests.products import L1C, L2A

MESSAGES: dict[str, Message] = {
    TILE_MONTHS: TileMonthMessage(tile="22WEV", month="2024-07"),
    PRODUCTS: ProductMessage(product=L1C, id="id-1"),
    CORRECTIONS: CorrectionMessage(product=L1C),
    CLASSIFICATIONS: ClassificationMessage(product=L2A, because="retry"),
}
BLOB = json.dumps({"ContainerName": "l2a", "BlobName": f"22WEV/2024/07/{L2A}.SAFE/{MANIFEST}"})
KNOWN = {PRODUCTS: State.DISCOVERED, CORRECTIONS: State.STAGED, CLASSIFICATIONS: State.CORRECTED}


def lying(queue: str, text: str) -> FakeQueues:
    queues = FakeQueues()
    queues.clock = lambda: NOON - LEFT_TO_HANDLERS
    queues.send(queue, text)
    return queues


def enter(queues: FakeQueues, ledger: FakeLedger, clock: FakeClock | None = None) -> list[Record]:
    return enter_poison(queues=queues, ledger=ledger, clock=clock or FakeClock())


def test_the_table_of_messages_has_every_queue():
    assert MESSAGES.keys() == QUEUES.keys()


@pytest.mark.parametrize("queue", list(QUEUES))
def test_what_a_queue_gave_up_on_is_in_the_ledger_with_its_message_and_retry_puts_it_back(queue: str):
    store, text = FakeStore(), MESSAGES[queue].encode()
    if queue == CORRECTIONS:
        store.write(staged_zip(ProductName.parse(L1C)), b"x")
    if queue == CLASSIFICATIONS:
        store.write(l2a_folder(ProductName.parse(L2A)) / MANIFEST, b"x")
    known = (
        Record("22WEV", L1C, KNOWN[queue], id="id-1", l2a=L2A, attempts={"stage": 5, "correct": 5, "classify": 5})
        if queue in KNOWN
        else None
    )
    ledger = FakeLedger([known] if known else [])
    (row,) = enter(lying(poison_of(queue), text), ledger)
    assert (row.state, row.message) == (State.FAILED, text)
    assert "gave up" in row.reason
    assert ("after 5 tries" in row.reason) == (known is not None)
    rescue = retry(row, store=store, ledger=ledger, clock=FakeClock())
    assert rescue is not None
    assert rescue.queue == queue
    assert rescue.message.encode() == text


@pytest.mark.parametrize("queue", list(QUEUES))
def test_a_product_that_the_ledger_does_not_know_is_entered(queue: str):
    ledger = FakeLedger()
    (row,) = enter(lying(poison_of(queue), MESSAGES[queue].encode()), ledger)
    assert ledger.rows[row.partition, row.name] == row


@pytest.mark.parametrize("queue", [*(poison_of(queue) for queue in QUEUES), BLOB_TRIGGER_POISON])
@pytest.mark.parametrize("text", ["", "nonsense", '{"version": 99}'])
def test_what_nobody_can_read_is_in_the_ledger_too(queue: str, text: str):
    (row,) = enter(lying(queue, text), FakeLedger())
    assert (row.partition, row.state, row.message) == (REFUSED, State.FAILED, text)


@pytest.mark.parametrize("text", [BLOB, base64.b64encode(BLOB.encode()).decode()])
def test_a_blob_trigger_s_message_is_read_as_plain_text_and_as_base64(text: str):
    ledger = FakeLedger([Record("22WEV", L1C, State.CORRECTED, l2a=L2A)])
    (row,) = enter(lying(BLOB_TRIGGER_POISON, text), ledger)
    assert (row.name, row.state, row.message) == (L1C, State.FAILED, BLOB)


def test_a_step_that_was_killed_each_time_says_so():
    ledger = FakeLedger([Record("22WEV", L1C, State.STAGED)])
    (row,) = enter(lying(poison_of(CORRECTIONS), MESSAGES[CORRECTIONS].encode()), ledger)
    assert row.reason.startswith("correct gave up: no try lived long enough to say why")


@pytest.mark.parametrize("queue", list(QUEUES))
def test_looking_again_changes_nothing(queue: str):
    ledger, queues = FakeLedger(), lying(poison_of(queue), MESSAGES[queue].encode())
    enter(queues, ledger)
    rows = dict(ledger.rows)
    enter(queues, ledger, FakeClock(NOON + timedelta(days=1)))
    assert ledger.rows == rows
    assert queues.sent[poison_of(queue)] == [MESSAGES[queue].encode()]


@pytest.mark.parametrize("queue", list(QUEUES))
def test_a_message_that_still_lies_there_does_not_fail_what_was_retried_since(queue: str):
    ledger, queues = FakeLedger(), lying(poison_of(queue), MESSAGES[queue].encode())
    (row,) = enter(queues, ledger)
    ledger.update(
        row.partition, row.name, lambda old: old.advanced(State.DISCOVERED, step="retry", at=NOON, message="")
    )
    (again,) = enter(queues, ledger)
    assert (again.state, again.message) == (State.DISCOVERED, "")


def test_a_message_that_came_after_the_retry_fails_it_again():
    ledger = FakeLedger([Record("22WEV", L1C, State.STAGED, times={"retry": NOON - timedelta(hours=1)})])
    assert enter(lying(poison_of(CORRECTIONS), MESSAGES[CORRECTIONS].encode()), ledger)[0].state is State.FAILED


def test_a_message_that_still_lies_there_does_not_bring_back_what_was_put_away_since():
    ledger, queues = FakeLedger(), lying(poison_of(PRODUCTS), "{}")
    (row,) = enter(queues, ledger)
    Orders(FakeStore(), ledger, queues, FakeClock(), lambda _: "").cancel(row.name)
    (again,) = enter(queues, ledger, FakeClock(NOON + timedelta(days=1)))
    assert again.state is State.SKIPPED


def test_a_message_that_still_lies_there_leaves_the_maps_of_a_product_whose_failure_was_put_away():
    row = Record("22WEV", L1C, State.CLASSIFIED, l2a=L2A, results="surface/x", error="Busy.", attempts={"classify": 5})
    ledger, queues = FakeLedger([row]), lying(poison_of(CLASSIFICATIONS), MESSAGES[CLASSIFICATIONS].encode())
    assert enter(queues, ledger)[0].state is State.FAILED
    Orders(FakeStore(), ledger, queues, FakeClock(), lambda _: "").cancel(L1C)
    (again,) = enter(queues, ledger, FakeClock(NOON + timedelta(days=1)))
    assert (again.state, again.error) == (State.CLASSIFIED, "Put away: classify gave up after 5 tries: Busy.")


def test_a_fresh_message_is_left_to_its_handler():
    queues = FakeQueues()
    queues.send(poison_of(PRODUCTS), MESSAGES[PRODUCTS].encode())
    assert enter(queues, FakeLedger()) == []


def test_the_handler_that_comes_late_changes_nothing():
    ledger, queues = FakeLedger(), lying(poison_of(PRODUCTS), MESSAGES[PRODUCTS].encode())
    (row,) = enter(queues, ledger)
    late = poison(PRODUCTS, row.message.encode(), ledger=ledger, clock=FakeClock(NOON + timedelta(hours=1)))
    assert late == row


def test_a_queue_that_cannot_be_looked_into_is_told_when_the_others_are_entered():
    ledger, queues = FakeLedger(), lying(poison_of(CLASSIFICATIONS), MESSAGES[CLASSIFICATIONS].encode())
    queues.fail("peek", StorageUnavailable("The queue answers 500."))
    with pytest.raises(StorageUnavailable, match="answers 500"):
        enter(queues, ledger)
    assert [row.state for row in ledger.rows.values()] == [State.FAILED]
