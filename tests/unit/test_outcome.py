"""What a try notes of its trouble, and when its trouble says nothing any more."""

from __future__ import annotations

from contextlib import suppress

import pytest

from shared.errors import BadProduct, ProviderUnavailable
from shared.models import State
from shared.pipeline.outcome import attempt
from shared.records import Record
from tests.fakes import FakeClock, FakeLedger
from tests.products import L1C

BUSY, BROKEN = ProviderUnavailable("The provider answers 503."), BadProduct("It is no zip.")
OVERTAKEN = [
    ("stage", State.DISCOVERED, State.STAGED),
    ("stage", State.DISCOVERED, State.SKIPPED),
    ("correct", State.STAGED, State.CORRECTED),
    ("correct", State.STAGED, State.CLASSIFIED),
    ("classify", State.CORRECTED, State.CLASSIFIED),
]


def tried(error: Exception, step: str, began: State, meanwhile: State | None = None) -> Record:
    """The row after a try that raised ``error``; ``meanwhile`` another instance brought the product further."""
    record = Record("22WEV", L1C, began)
    ledger = FakeLedger([record])
    with suppress(ProviderUnavailable), attempt(ledger, record, step, FakeClock()) as this:
        if meanwhile is not None:
            ledger.update("22WEV", L1C, lambda old: old.advanced(meanwhile, step="other", at=this.clock()))
        raise error
    return ledger.rows["22WEV", L1C]


def test_trouble_that_may_pass_is_noted_and_counted_and_the_state_stays():
    row = tried(BUSY, "stage", State.DISCOVERED)
    assert (row.state, row.error, row.attempts) == (State.DISCOVERED, str(BUSY), {"stage": 1})


def test_trouble_for_good_is_the_reason_and_is_counted():
    row = tried(BROKEN, "stage", State.DISCOVERED)
    assert (row.state, row.reason, row.error, row.attempts) == (State.FAILED, str(BROKEN), "", {"stage": 1})


def test_a_classified_product_that_is_classified_again_notes_its_trouble():
    assert tried(BUSY, "classify", State.CLASSIFIED).error == str(BUSY)
    assert tried(BROKEN, "classify", State.CLASSIFIED).state is State.FAILED


@pytest.mark.parametrize("error", [BUSY, BROKEN], ids=["busy", "broken"])
@pytest.mark.parametrize(("step", "began", "meanwhile"), OVERTAKEN)
def test_the_trouble_of_a_try_that_another_instance_overtook_stands_nowhere(step, began, meanwhile, error):
    row = tried(error, step, began, meanwhile)
    assert (row.state, row.reason, row.error, row.attempts) == (meanwhile, "", "", {})


def test_a_state_that_the_step_itself_sets_on_its_way_does_not_hide_its_trouble():
    row = tried(BUSY, "correct", State.DISCOVERED, State.STAGED)  # a product dropped by hand
    assert (row.state, row.error) == (State.STAGED, str(BUSY))
