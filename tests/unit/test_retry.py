"""retry sends again what was given up on, or says why it cannot."""

from __future__ import annotations

import pytest

from shared.errors import NotFound
from shared.messages import TILE_MONTHS, TileMonthMessage
from shared.models import State
from shared.pipeline.poison import poison
from shared.pipeline.retry import retry
from tests.fakes import FakeClock, FakeLedger, FakeStore


def refused(body: str):
    ledger = FakeLedger()
    return ledger, poison(TILE_MONTHS, body.encode(), ledger=ledger, clock=FakeClock())


def test_a_month_that_could_not_be_searched_is_asked_for_again():
    message = TileMonthMessage(tile="22WEV", month="2021-07")
    ledger, record = refused(message.encode())
    rescue = retry(record, store=FakeStore(), ledger=ledger, clock=FakeClock())
    assert (rescue.queue, rescue.message) == (TILE_MONTHS, message)
    assert ledger.rows[record.partition, record.name].state is State.SKIPPED


def test_a_message_that_never_parsed_is_not_sent_again():
    ledger, record = refused('{"version": 1, "tile": "nowhere"}')
    with pytest.raises(NotFound, match="cannot be sent again"):
        retry(record, store=FakeStore(), ledger=ledger, clock=FakeClock())
