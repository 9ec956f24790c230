"""Progress in the ledger: how often, and that it is gone in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from container.progress import Progress
from shared.errors import StorageUnavailable
from shared.models import ProductName, State
from shared.records import Record
from tests.fakes import NOON, FakeClock, FakeLedger
from tests.products import L1C

PRODUCT = ProductName.parse(L1C)


class Noted:
    """A ledger with one product in work, and a stopwatch."""

    def __init__(self, state: State = State.STAGED) -> None:
        self.ledger = FakeLedger([Record(partition="22WEV", name=L1C, state=state)])
        self.second = 0.0
        self.progress = Progress(PRODUCT, ledger=self.ledger, clock=FakeClock(), seconds=lambda: self.second)

    def say(self, percent: float, *, at: float) -> float | None:
        """What the ledger says after the processor said so."""
        self.second = at
        self.progress(percent)
        if (writer := self.progress._writer) is not None:
            writer.join()
        return self.record.progress

    @property
    def record(self) -> Record:
        record = self.ledger.get("22WEV", L1C)
        assert record is not None
        return record


def test_the_first_word_is_noted_with_its_time() -> None:
    noted = Noted()
    assert noted.say(2.5, at=0) == 2.5
    assert noted.record.progress_at == NOON


def test_further_words_are_noted_every_ten_percent_or_half_a_minute() -> None:
    noted = Noted()
    noted.say(2, at=0)
    assert noted.say(11, at=1) == 2
    assert noted.say(12, at=2) == 12
    assert noted.say(13, at=31) == 12
    assert noted.say(13, at=32) == 13, "the same again is a sign of life"


def test_at_the_end_it_is_gone() -> None:
    noted = Noted()
    with noted.progress:
        noted.say(50, at=0)
    assert (noted.record.progress, noted.record.progress_at) == (None, None)


def test_a_product_that_is_done_meanwhile_gets_no_progress() -> None:
    assert Noted(State.CORRECTED).say(50, at=0) is None


def test_a_busy_ledger_is_no_reason_to_stop() -> None:
    noted = Noted()
    with noted.progress:
        noted.ledger.fail("update", StorageUnavailable("Busy."))
        assert noted.say(10, at=0) is None
        assert noted.say(40, at=1) == 40
        noted.ledger.fail("get", StorageUnavailable("Busy."))
    assert noted.record.progress == 40, "its time says how old that is; the next try replaces it"


@pytest.mark.parametrize("state", [State.STAGED, State.FAILED, State.CORRECTED])
def test_every_end_of_the_step_clears_it(state: State) -> None:
    at_work = replace(Noted().record, progress=12.0, progress_at=NOON)
    for ended in (at_work.advanced(state, step="correct", at=NOON), at_work.tried("correct", "No."), at_work.idle()):
        assert (ended.progress, ended.progress_at) == (None, None)
