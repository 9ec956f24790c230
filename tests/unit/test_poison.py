"""What a queue gives up on is in the ledger, with the reason and the message."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    PRODUCTS,
    TILE_MONTHS,
    ClassificationMessage,
    CorrectionMessage,
    ProductMessage,
)
from shared.models import State
from shared.pipeline.poison import poison, poison_blob
from shared.pipeline.refused import refuse, settle
from shared.records import REFUSED, Record
from tests.fakes import FakeClock, FakeLedger
from tests.products import L1C, L2A


def test_a_malformed_message_is_written_down_with_what_was_wrong():
    ledger = FakeLedger()
    record = poison(PRODUCTS, b'{"version": 1, "product": "nonsense", "id": "x"}', ledger=ledger, clock=FakeClock())
    assert record.partition == REFUSED
    assert record.state is State.FAILED
    assert "product: 'nonsense' is no Sentinel-2 product name" in record.reason
    assert "nonsense" in record.message


def test_bytes_that_are_no_text_are_written_down():
    record = poison(TILE_MONTHS, b"\xff\xfe\x00", ledger=FakeLedger(), clock=FakeClock())
    assert "no TileMonthMessage" in record.reason


def test_the_same_message_is_written_down_once():
    ledger = FakeLedger()
    for _ in range(2):
        poison(PRODUCTS, b"{}", ledger=ledger, clock=FakeClock())
    assert len(ledger.rows) == 1


def test_a_product_given_up_on_fails_with_its_last_error_and_keeps_the_message():
    record = Record("22WEV", L1C, State.DISCOVERED, attempts={"stage": 5}, error="The provider answers 503.")
    ledger = FakeLedger([record])
    body = ProductMessage(product=L1C, id="1").encode()
    failed = poison(PRODUCTS, body.encode(), ledger=ledger, clock=FakeClock())
    assert failed.reason == "stage gave up after 5 tries: The provider answers 503."
    assert failed.message == body


def test_a_reason_that_a_step_gave_is_kept():
    ledger = FakeLedger([Record("22WEV", L1C, State.FAILED, reason="It is no zip.")])
    body = CorrectionMessage(product=L1C).encode().encode()
    assert poison(CORRECTIONS, body, ledger=ledger, clock=FakeClock()).reason == "It is no zip."


@pytest.mark.parametrize(
    ("error", "state"), [("The disk is full.", State.FAILED), ("", State.CLASSIFIED)], ids=["gave up", "came through"]
)
def test_a_classified_product_whose_new_classification_gave_up_has_failed(error: str, state: State):
    row = Record("22WEV", L1C, State.CLASSIFIED, l2a=L2A, error=error, attempts={"classify": 5})
    body = ClassificationMessage(product=L2A, because="asked for").encode().encode()
    record = poison(CLASSIFICATIONS, body, ledger=FakeLedger([row]), clock=FakeClock())
    assert record.state is state
    assert (record.reason == "classify gave up after 5 tries: The disk is full.") == bool(error)


def test_a_product_the_ledger_does_not_know_can_be_retried():
    ledger = FakeLedger()
    body = ProductMessage(product=L1C, id="id-1").encode().encode()
    assert poison(PRODUCTS, body, ledger=ledger, clock=FakeClock()).id == "id-1"


def test_a_product_the_ledger_does_not_know_is_entered():
    ledger = FakeLedger()
    body = CorrectionMessage(product=L1C).encode().encode()
    assert poison(CORRECTIONS, body, ledger=ledger, clock=FakeClock()).state is State.FAILED
    assert ("22WEV", L1C) in ledger.rows


def test_a_blob_given_up_on_fails_the_product_it_belongs_to():
    known = Record("22WEV", L1C, State.CORRECTED, l2a=L2A, error="Out of memory.", attempts={"classify": 5})
    known = replace(known, seconds={"correct": 900.0, "classify": 700.0})
    ledger = FakeLedger([known])
    blob = {"ContainerName": "l2a", "BlobName": f"22WEV/2024/07/{L2A}.SAFE/manifest.safe"}
    failed = poison_blob(json.dumps(blob).encode(), ledger=ledger, clock=FakeClock())
    assert failed.name == L1C
    assert failed.reason == "classify gave up after 5 tries: Out of memory."
    assert failed.seconds == {"correct": 900.0}  # an earlier run's say nothing of this one, nor whether it is over


def test_a_finished_product_is_not_failed_by_a_late_delivery():
    ledger = FakeLedger([replace(Record("22WEV", L1C, State.CLASSIFIED), l2a=L2A)])
    blob = {"ContainerName": "l2a", "BlobName": f"22WEV/2024/07/{L2A}.SAFE/manifest.safe"}
    assert poison_blob(json.dumps(blob).encode(), ledger=ledger, clock=FakeClock()).state is State.CLASSIFIED


@pytest.mark.parametrize("body", [b"[]", b"{", b"[" * 100_000, b'{"ContainerName": "l2a", "BlobName": "../x"}'])
def test_an_unreadable_blob_message_is_written_down(body):
    assert poison_blob(body, ledger=FakeLedger(), clock=FakeClock()).partition == REFUSED


def test_the_message_of_an_identifier_that_was_published_anew_fails_nothing():
    ledger = FakeLedger([Record("22WEV", L1C, State.DISCOVERED, id="id-2", attempts={"stage": 1})])
    body = ProductMessage(product=L1C, id="id-1").encode().encode()
    assert poison(PRODUCTS, body, ledger=ledger, clock=FakeClock()).state is State.DISCOVERED
    body = ProductMessage(product=L1C, id="id-2").encode().encode()
    assert poison(PRODUCTS, body, ledger=ledger, clock=FakeClock()).state is State.FAILED


def test_a_refusal_is_settled_once():
    ledger, clock = FakeLedger(), FakeClock()
    refuse("x", "It was wrong.", ledger, clock)
    settle("x", "Mended", ledger, clock)
    settled = ledger.rows[REFUSED, "x"]
    assert (settled.state, settled.reason.endswith("Before: It was wrong.")) == (State.SKIPPED, True)
    settle("x", "Mended", ledger, clock)
    assert ledger.rows[REFUSED, "x"] == settled
