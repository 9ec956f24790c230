"""Which row takes a corrected folder that nobody names, and which does not: the single rules."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.messages import CLASSIFICATIONS
from shared.models import ProductName, State, l2a_folder
from shared.pipeline.attach import ORIGIN, Origin, attach, regained
from shared.pipeline.reconcile import reconcile
from shared.records import Record
from tests.fakes import NOON, FakeClock, FakeLedger, FakeStore
from tests.products import L1C, L2A, OLDER, SECOND_HALF, l2a_members

FOLDER = ProductName.parse(L2A)
NEWER = "S2B_MSIL2A_20240716T151809_N9999_R068_T22WEV_20240718T010203"  # corrected again a day later
AFTERWARDS = L1C.replace("N0511", "N0512").replace("20240716T184612", "20250716T184612")  # published a year later


def a_row(name: str, state: State = State.DISCOVERED, *, l2a: str = "", step: str = "discover") -> Record:
    return Record("22WEV", name, state, l2a=l2a, times={step: NOON - timedelta(days=3)})


def a_store(*folders: str, made_of: str = "") -> FakeStore:
    store = FakeStore()
    store.clock = lambda: NOON - timedelta(days=1)
    for folder in map(ProductName.parse, folders):
        for name, data in l2a_members(str(folder)).items():
            store.write(l2a_folder(folder) / name, data)
        if made_of:
            store.write(l2a_folder(folder) / ORIGIN, Origin(l1c=made_of).model_dump_json().encode())
    return store


def attached(*rows: Record) -> Record | None:
    return attach(FOLDER, store=a_store(L2A), ledger=FakeLedger(rows), clock=FakeClock())


def test_the_only_product_of_its_acquisition_takes_it():
    row = attached(a_row(L1C), a_row(OLDER, State.SKIPPED))
    assert row is not None
    assert (row.name, row.state, row.l2a) == (L1C, State.CORRECTED, L2A)


def test_of_two_halves_none_takes_it():
    assert attached(a_row(L1C), a_row(SECOND_HALF)) is None


def test_what_was_published_after_the_correction_does_not_take_it():
    assert attached(a_row(AFTERWARDS)) is None


@pytest.mark.parametrize("step", ["stage", "correct", "classify"])
def test_what_was_on_its_way_before_does_not_take_it(step: str):
    row = a_row(L1C, step=step)
    assert attached(row) == row


def test_a_folder_that_another_row_names_is_not_taken_from_it():
    row = a_row(L1C)
    ledger = FakeLedger([row, a_row(OLDER, State.SKIPPED, l2a=L2A)])
    assert regained(row, store=a_store(L2A), ledger=ledger, clock=FakeClock()) == ""
    assert ledger.rows["22WEV", L1C] == row


def test_of_two_folders_of_one_product_the_newest_is_taken_and_the_other_left():
    store, ledger = a_store(L2A, NEWER, made_of=L1C), FakeLedger([a_row(OLDER, State.SKIPPED)])
    (rescue,) = reconcile(ledger=ledger, store=store, clock=FakeClock())
    assert (rescue.queue, getattr(rescue.message, "product", "")) == (CLASSIFICATIONS, NEWER)
    ledger.add(a_row(L1C))
    assert regained(ledger.rows["22WEV", L1C], store=store, ledger=ledger, clock=FakeClock()) == NEWER


def test_what_a_processor_calls_itself_is_cut_and_no_reason_to_fail():
    said = Origin(l1c=L1C, processor="Sen2Cor " + "x" * 200, dem="y" * 101)
    assert (len(said.processor), said.processor[:9], said.dem) == (100, "Sen2Cor x", "y" * 100)
    assert Origin.model_validate_json(said.model_dump_json()) == said
