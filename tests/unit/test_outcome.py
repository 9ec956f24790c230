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


def finishing(step: str, began: State, result: State, meanwhile: State) -> State:
    """Where a product stands after a try that ended well while another instance moved it."""
    record = Record("22WEV", L1C, began)
    ledger = FakeLedger([record])
    with attempt(ledger, record, step, FakeClock()) as this:
        ledger.update("22WEV", L1C, lambda old: old.advanced(meanwhile, step="other", at=this.clock()))
        this.done(result)
    return ledger.rows["22WEV", L1C].state


@pytest.mark.parametrize("meanwhile", [State.CORRECTED, State.CLASSIFIED, State.SKIPPED])
def test_a_product_that_another_instance_brought_further_does_not_fall_back(meanwhile):
    assert finishing("stage", State.DISCOVERED, State.STAGED, meanwhile) is meanwhile


@pytest.mark.parametrize(("first", "last"), [(State.REJECTED, State.CLASSIFIED), (State.CLASSIFIED, State.REJECTED)])
def test_of_two_classifications_at_a_time_the_last_to_publish_has_the_last_word(first, last):
    assert finishing("classify", State.CORRECTED, last, first) is last


def test_a_superseded_product_stays_so_whoever_finishes_it():
    assert finishing("classify", State.CORRECTED, State.CLASSIFIED, State.SKIPPED) is State.SKIPPED


def test_waiting_is_over_with_the_next_state():
    record = Record("22WEV", L1C, State.DISCOVERED, times={"waits": FakeClock().now})
    assert "waits" not in record.advanced(State.STAGED, step="stage", at=FakeClock().now).times
