from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.errors import BadModel, NotFound, StorageUnavailable
from shared.models import BlobPath, ProductName, State, l2a_folder, surface_folder
from shared.pipeline.classify import classify
from shared.pipeline.surface import Options, Tools
from shared.pipeline.surface_results import file_names
from shared.records import CANCEL, Record
from shared.science.forest import Classifier
from tests.fakes import NOON, FakeClock, FakeLedger, FakeStore
from tests.small_l2a import PRODUCT, Scene, l2a_files_of, named

L1C = ProductName.parse("S2B_MSIL1C_20240716T151809_N0511_R068_T22WEV_20240716T180000")
RESULTS = surface_folder(PRODUCT)
MANIFEST = RESULTS / "manifest.json"
CORRECTED = Record("22WEV", str(L1C), State.CORRECTED, l2a=str(PRODUCT), processor="approximate 1")


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of_classes(80, 84)


@pytest.fixture(scope="module")
def files(scene: Scene) -> dict[str, bytes]:
    return l2a_files_of(scene)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier()


def a_store(files: Mapping[str, bytes], product: ProductName = PRODUCT) -> FakeStore:
    return FakeStore({l2a_folder(product) / name: data for name, data in files.items()})


def step(store: FakeStore, ledger: FakeLedger, classifier: Classifier, **changes: Any) -> Record | None:
    options = Options(resolution=60, minimum_usable=changes.pop("minimum_usable", 40))
    given: dict[str, Any] = {
        "store": store,
        "ledger": ledger,
        "load_classifier": lambda: classifier,
        "tools": Tools(GdalRasters(), quicklook),
        "options": lambda: options,
        "clock": FakeClock(),
    }
    return classify(PRODUCT, **(given | changes))


def results(store: FakeStore) -> set[str]:
    return {path.name.removeprefix(f"{RESULTS.name}/") for path in store.blobs if path.container == "surface"}


def test_results_appear_under_the_mirrored_path(files: dict[str, bytes], classifier: Classifier) -> None:
    store = a_store(files)
    record = step(store, FakeLedger([CORRECTED]), classifier)
    assert results(store) == set(file_names(PRODUCT, 60))
    assert record is not None
    assert record.results == f"surface/22WEV/2024/07/{PRODUCT}.SAFE"
    assert store.blobs[RESULTS / "quicklook.png"].content_type == "image/png"


def test_the_ledger_learns_what_was_found(files: dict[str, bytes], classifier: Classifier) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    record = step(store, ledger, classifier)
    summary = json.loads(store.read(RESULTS / "summary.json"))
    assert record is not None
    assert (record.name, record.state, record.reason) == (str(L1C), State.CLASSIFIED, "")
    assert record.usable_percent == 100
    assert record.classified_percent == pytest.approx(summary["classified_percent"], abs=5e-4)
    assert record.class_percent == {short: facts["percent"] for short, facts in summary["classes"].items()}
    assert record.class_km2 == {short: facts["km2"] for short, facts in summary["classes"].items()}
    assert record.albedo_mean == pytest.approx(summary["albedo"]["mean"], abs=5e-5)
    assert record.albedo_sd == pytest.approx(summary["albedo"]["sd"], abs=5e-5)
    assert record.processor == "approximate 1"
    assert "classify" in record.times
    assert ledger.get("22WEV", str(L1C)) == record


def test_a_folder_put_there_by_hand_gets_a_record_of_its_own(files: dict[str, bytes], classifier: Classifier) -> None:
    record = step(a_store(files), FakeLedger(), classifier)
    assert record is not None
    assert (record.name, record.l2a, record.state) == (str(PRODUCT), str(PRODUCT), State.CLASSIFIED)
    assert (record.baseline, record.orbit, record.processor) == ("0511", 68, "provider")


@pytest.mark.parametrize("state", [State.CLASSIFIED, State.REJECTED, State.SKIPPED])
def test_a_second_event_does_nothing(files: dict[str, bytes], classifier: Classifier, state: State) -> None:
    store, ledger = a_store(files), FakeLedger([replace(CORRECTED, state=state)])
    assert step(store, ledger, classifier) is None
    assert results(store) == set()


def test_what_a_person_took_off_is_not_classified_by_a_message_from_before(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    cancelled = replace(CORRECTED, state=State.SKIPPED, times={CANCEL: NOON})
    ledger, store = FakeLedger([cancelled]), a_store(files)
    assert step(store, ledger, classifier, again=True) is None
    assert results(store) == set()


def test_asked_for_again_it_runs_again_and_writes_the_same(files: dict[str, bytes], classifier: Classifier) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)
    before = {path: blob.data for path, blob in store.blobs.items()}
    step(store, ledger, classifier, again=True)
    assert {path: blob.data for path, blob in store.blobs.items()} == before


def test_too_little_usable_surface_is_rejected_with_the_number(scene: Scene, classifier: Classifier) -> None:
    store = a_store(l2a_files_of(scene.with_scl(9, slice(0, 60))))
    record = step(store, FakeLedger([CORRECTED]), classifier)
    assert record is not None
    assert record.state is State.REJECTED
    assert record.reason == "Only 25.0 % of the tile is usable; at least 40 % are required (cloud 75.0 %)."
    assert record.usable_percent == 25
    assert results(store) == set()


def test_a_map_that_is_all_but_empty_is_classified_with_a_reason_that_says_so(
    scene: Scene, classifier: Classifier
) -> None:
    rock = {band: np.full(scene.shape, value[0, -1]) for band, value in scene.reflectance.items()}
    store, ledger = a_store(l2a_files_of(replace(scene, reflectance=rock))), FakeLedger([CORRECTED])
    record = step(store, ledger, classifier)
    assert record is not None
    assert (record.state, record.usable_percent, record.classified_percent) == (State.CLASSIFIED, 100, 0)
    assert record.reason == (
        "Next to nothing is ice: 0.00 % of the tile has a class, 100.0 % is usable "
        "(not ice 100.0 %, implausible reflectance 0.0 %)."
    )
    for name, data in l2a_files_of(scene).items():
        store.write(l2a_folder(PRODUCT) / name, data)
    record = step(store, ledger, classifier, again=True)
    assert record is not None
    assert record.reason == ""


def test_a_product_that_contradicts_its_metadata_fails_with_the_number_and_publishes_nothing(
    scene: Scene, files: dict[str, bytes], classifier: Classifier
) -> None:
    wrong = files | {"MTD_MSIL2A.xml": l2a_files_of(scene, offset=0)["MTD_MSIL2A.xml"]}
    store = a_store(wrong)
    record = step(store, FakeLedger([CORRECTED]), classifier)
    assert record is not None
    assert record.state is State.FAILED
    assert "contradicts its own metadata: no offset is stated, and 0.00 %" in record.reason
    assert results(store) == set()


def test_rejected_after_having_been_classified_takes_the_results_away(
    files: dict[str, bytes], classifier: Classifier, scene: Scene
) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)
    for name, data in l2a_files_of(scene.with_scl(9, slice(0, 60))).items():
        store.write(l2a_folder(PRODUCT) / name, data)
    record = step(store, ledger, classifier, again=True)
    assert record is not None
    assert (record.state, record.results, record.class_percent) == (State.REJECTED, "", {})
    assert results(store) == set()
    assert record.albedo_mean is None


def test_an_incomplete_folder_fails_and_names_what_is_missing(files: dict[str, bytes], classifier: Classifier) -> None:
    store = a_store(files)
    store.delete(l2a_folder(PRODUCT) / named(files, "_B11_"))
    record = step(store, FakeLedger([CORRECTED]), classifier)
    assert record is not None
    assert (record.state, record.reason) == (State.FAILED, f"{PRODUCT} is incomplete at 60 m: B11 missing.")
    assert results(store) == set()


def test_a_folder_without_its_manifest_fails(files: dict[str, bytes], classifier: Classifier) -> None:
    store = a_store(files)
    store.delete(l2a_folder(PRODUCT) / "manifest.safe")
    record = step(store, FakeLedger([CORRECTED]), classifier)
    assert record is not None
    assert record.state is State.FAILED
    assert "manifest.safe is missing" in record.reason


def test_an_unreadable_model_fails_with_its_sentence(files: dict[str, bytes], classifier: Classifier) -> None:
    def broken() -> Classifier:
        raise BadModel("forest.npz of model x is unreadable.")

    record = step(a_store(files), FakeLedger([CORRECTED]), classifier, load_classifier=broken)
    assert record is not None
    assert (record.state, record.reason) == (State.FAILED, "forest.npz of model x is unreadable.")


def test_busy_storage_is_tried_again_and_leaves_no_manifest(files: dict[str, bytes], classifier: Classifier) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)
    store.fail("write", StorageUnavailable("Storage is busy."))
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert store.info(MANIFEST) is None
    record = ledger.get("22WEV", str(L1C))
    assert record is not None
    assert record.error == "Storage is busy."
    step(store, ledger, classifier, again=True)
    assert store.info(MANIFEST) is not None


def test_the_old_manifest_goes_first_and_the_new_one_comes_last(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store = a_store(files)
    store.write(MANIFEST, b"old")
    store.calls.clear()
    step(store, FakeLedger([CORRECTED]), classifier)
    changes = [call for call in store.calls if call[0] in {"write", "delete"}]
    assert changes[0] == ("delete", MANIFEST)
    assert changes[-1] == ("write", MANIFEST)


def test_what_an_older_run_left_over_is_removed_after_the_manifest(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store = a_store(files)
    leftover = RESULTS / "T22WEV_20240716T151809_CLASS_20m.tif"
    neighbour = BlobPath("surface", f"{RESULTS.name.removesuffix('.SAFE')}_other/manifest.json")
    store.write(leftover, b"old")
    store.write(neighbour, b"theirs")
    step(store, FakeLedger([CORRECTED]), classifier)
    assert store.info(leftover) is None
    assert store.info(neighbour) is not None


def test_a_run_killed_anywhere_never_looks_complete(files: dict[str, bytes], classifier: Classifier) -> None:
    names = file_names(PRODUCT, 60)
    for survived in range(len(names)):
        store, ledger = a_store(files), FakeLedger([CORRECTED])
        store.write(MANIFEST, b"old")
        written: list[BlobPath] = []

        def dying(path: BlobPath, data: bytes, *, content_type: str = "") -> None:
            if len(written) == survived:  # noqa: B023
                raise KeyboardInterrupt
            written.append(path)  # noqa: B023

        store.write = dying  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            step(store, ledger, classifier)
        assert store.info(MANIFEST) is None


def test_an_ice_mask_that_is_not_there_fails_the_product_with_the_reason(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    def options() -> Options:
        raise NotFound("There is no blob config/outline.gpkg.")

    record = step(a_store(files), FakeLedger([CORRECTED]), classifier, options=options)
    assert record is not None
    assert (record.state, record.reason) == (State.FAILED, "There is no blob config/outline.gpkg.")
