"""A product that is classified again and fails on the way: the row never says that results are there that are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.adapters.models import load_classifier
from shared.errors import StorageUnavailable
from shared.models import l2a_folder
from shared.science.forest import Classifier
from tests.fakes import NOON, FakeLedger
from tests.small_l2a import PRODUCT, Scene, l2a_files_of
from tests.unit.test_classify_step import CORRECTED, a_store, step


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return l2a_files_of(Scene.of_classes(80, 84))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier()


def test_results_that_a_failed_run_has_begun_to_replace_are_not_said_to_be_there(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store, ledger = a_store(files), FakeLedger()
    first = step(store, ledger, classifier)
    assert first is not None
    store.fail("info", StorageUnavailable("busy"))  # nothing is begun yet
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert ledger.rows["22WEV", first.name].results == first.results
    store.fail("write", StorageUnavailable("busy"))
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert not ledger.rows["22WEV", first.name].has_results
    again = step(store, ledger, classifier, again=True)
    assert again is not None
    assert again.results == first.results


def test_results_that_a_rejected_run_has_begun_to_take_away_are_not_said_to_be_there(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)
    for name, data in l2a_files_of(Scene.of_classes(80, 84).with_scl(9, slice(0, 60))).items():
        store.write(l2a_folder(PRODUCT) / name, data)
    store.fail("delete", StorageUnavailable("busy"))
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert not ledger.rows["22WEV", CORRECTED.name].has_results


def test_results_that_another_instance_has_written_meanwhile_are_still_said_to_be_there(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)

    def faster() -> None:
        row = ledger.rows["22WEV", CORRECTED.name]
        ledger.rows["22WEV", CORRECTED.name] = replace(row, times={**row.times, "classify": NOON.replace(minute=5)})

    ledger.interfere = faster
    store.fail("write", StorageUnavailable("busy"))
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert ledger.rows["22WEV", CORRECTED.name].has_results
