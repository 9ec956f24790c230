"""retry sends again what was given up on, or says why it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.errors import NotFound
from shared.messages import PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.models import ProductName, State
from shared.pipeline.poison import poison
from shared.pipeline.retry import can_begin_again, retry
from shared.records import Record
from tests.fakes import NOON, FakeClock, FakeLedger, FakeStore

L1C = "S2A_MSIL1C_20210715T150911_N0301_R025_T22WEV_20210715T170806"


def refused(body: str):
    ledger = FakeLedger()
    return ledger, poison(TILE_MONTHS, body.encode(), ledger=ledger, clock=FakeClock())


def test_a_month_that_could_not_be_searched_is_asked_for_again():
    message = TileMonthMessage(tile="22WEV", month="2021-07")
    ledger, record = refused(message.encode())
    rescue = retry(record, store=FakeStore(), ledger=ledger, clock=FakeClock())
    assert rescue is not None
    assert (rescue.queue, rescue.message) == (TILE_MONTHS, message)
    assert ledger.rows[record.partition, record.name].state is State.SKIPPED


def test_a_message_that_never_parsed_is_not_sent_again():
    ledger, record = refused('{"version": 1, "tile": "nowhere"}')
    with pytest.raises(NotFound, match="cannot be sent again"):
        retry(record, store=FakeStore(), ledger=ledger, clock=FakeClock())


def failed(**facts: Any) -> Record:
    return Record.of(ProductName.parse(L1C), State.FAILED, times={"discover": NOON}, id="4711", bytes=9, **facts)


def test_of_two_retries_at_a_time_one_sends_the_message():
    row = failed()
    ledger = FakeLedger([row])
    first = retry(row, store=FakeStore(), ledger=ledger, clock=FakeClock())
    assert first is not None
    assert first.queue == PRODUCTS
    assert retry(row, store=FakeStore(), ledger=ledger, clock=FakeClock()) is None


def test_a_product_that_moved_on_between_reading_and_writing_is_not_set_back():
    row = failed(attempts={"stage": 5})
    ledger = FakeLedger([row])
    finished = replace(row, state=State.CLASSIFIED)
    ledger.interfere = lambda: ledger.rows.update({(row.partition, row.name): finished})
    assert retry(row, store=FakeStore(), ledger=ledger, clock=FakeClock()) is None
    assert ledger.rows[row.partition, row.name] == finished


def test_a_retry_is_worth_offering_where_something_may_be_left_to_start_from():
    junk = Record.of(ProductName.parse(L1C), State.FAILED, times={"discover": NOON, "stage": NOON})
    assert not can_begin_again(junk)
    by_hand = replace(junk, times={"discover": NOON, "classify": NOON})  # its L2A folder was put into the store
    assert can_begin_again(by_hand)
    assert can_begin_again(replace(junk, id="4711"))
    assert can_begin_again(replace(junk, bytes=9))
    assert can_begin_again(replace(junk, state=State.REJECTED))


def test_of_two_retries_of_a_message_one_sends_it():
    message = TileMonthMessage(tile="22WEV", month="2021-07")
    ledger, record = refused(message.encode())
    found = [retry(record, store=FakeStore(), ledger=ledger, clock=FakeClock()) for _ in range(2)]
    assert [rescue is None for rescue in found] == [False, True]
