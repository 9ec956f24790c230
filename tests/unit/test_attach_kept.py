"""What a corrected folder is taken for: only what can be mapped, and then it is not made a second time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from shared.errors import BadModel
from shared.messages import NO_ROW, ClassificationMessage
from shared.models import ProductName, State, l2a_folder
from shared.pipeline.attach import attach, regained
from shared.pipeline.retry import retry
from shared.records import Record
from tests.fakes import NOON, FakeClock, FakeLedger, FakeStore, a_product
from tests.products import L1C, L2A, l2a_members
from tests.unit.test_attach import Pipeline, without_origin

FOLDER = ProductName.parse(L2A)


def test_a_row_that_came_back_and_whose_classification_fails_goes_on_from_its_l2a(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = Pipeline(tmp_path, L1C).search()
    before, work = place.series(), place.work
    place.lose(L1C)

    def no_model():
        raise BadModel("The model in the store is broken.")

    monkeypatch.setattr("tests.unit.test_attach.load_classifier", no_model)
    place.heal()
    row = place.ledger.rows["22WEV", L1C]
    assert (row.state, row.l2a, row.id) == (State.FAILED, before[L1C][1], a_product(L1C).id)
    monkeypatch.undo()
    rescue = retry(row, store=place.store, ledger=place.ledger, clock=place.clock)
    assert rescue is not None
    place.run([rescue.message])
    assert (place.series(), place.work) == (before, work)


def a_place(resolution: int, without: str = "") -> tuple[FakeStore, FakeLedger]:
    """A complete folder at ``resolution`` but for the members ``without``, and the row of its L1C product."""
    store = FakeStore()
    for name, data in l2a_members(L2A, resolution).items():
        if not without or without not in name:
            store.write(l2a_folder(FOLDER) / name, data)
    row = Record("22WEV", L1C, State.DISCOVERED, times={"discover": NOON - timedelta(days=1)})
    return store, FakeLedger([row])


@pytest.mark.parametrize(
    ("holds", "needs", "is_taken"),
    [(20, 20, True), (60, 60, True), (20, None, True), (60, None, True), (60, 20, False), (20, 60, False)],
)
def test_a_folder_is_taken_where_it_holds_what_the_tile_s_resolution_needs(
    holds: int, needs: int | None, is_taken: bool
):
    store, ledger = a_place(holds)
    before = ledger.rows["22WEV", L1C]
    l2a = regained(before, store=store, ledger=ledger, clock=FakeClock(), resolution=needs)
    assert l2a == (L2A if is_taken else "")
    assert (ledger.rows["22WEV", L1C] == before) is not is_taken


@pytest.mark.parametrize("without", ["_SCL_", "_B8A_", "MTD_TL.xml", "CLDPRB"])
def test_a_folder_that_can_be_mapped_at_no_resolution_is_no_products(without: str):
    store, ledger = a_place(20, without)
    before = ledger.rows["22WEV", L1C]
    assert attach(FOLDER, store=store, ledger=ledger, clock=FakeClock()) is None
    assert regained(before, store=store, ledger=ledger, clock=FakeClock()) == ""
    assert ledger.rows == {("22WEV", L1C): before}


def test_a_folder_that_lacks_a_file_does_not_take_the_place_of_the_correction(tmp_path: Path):
    place = Pipeline(tmp_path, L1C).search()
    without_origin(place)
    old = ProductName.parse(place.ledger.rows["22WEV", L1C].l2a)
    for path in [path for path in place.store.blobs if path.name.endswith("_SCL_60m.jp2")]:
        place.store.delete(path)
    place.lose()
    place.run([ClassificationMessage(product=str(old), because=NO_ROW)])
    assert "is incomplete" in place.ledger.rows["22WEV", str(old)].reason
    place.search()
    row = place.ledger.rows["22WEV", L1C]
    assert (row.state, place.work) == (State.REJECTED, (2, 2))
    assert row.l2a != str(old)


@pytest.mark.parametrize(("resolution", "work"), [(60, (1, 1)), (20, (2, 2))])
def test_what_cannot_be_mapped_at_the_tile_s_resolution_is_fetched_and_corrected(
    tmp_path: Path, resolution: int, work: tuple[int, int]
):
    place = Pipeline(tmp_path, L1C).search()
    place.resolution = resolution
    place.lose()
    place.search()
    assert place.work == work
