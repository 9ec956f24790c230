"""Retrievals in the app: the setting LOOKUP_TABLE names the table, and what is wrong with it fails the product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from functions.blob_name import BlobName
from functions.classify import classify as function
from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.errors import BadModel
from shared.models import MODELS, BlobPath, ProductName, State, l2a_folder, surface_folder
from shared.pipeline.classify import classify
from shared.pipeline.surface import Options, Tools
from shared.records import Record
from shared.settings import STORAGE, Settings
from shared.wiring import Services, services
from tests.fakes import FakeClock, FakeLedger, FakeLocks, FakeStore
from tests.lookup_tables import like, npz
from tests.small_l2a import PRODUCT, Scene, l2a_files_of
from tests.unit.test_function_app import Reference

L1C = ProductName.parse(str(PRODUCT).replace("L2A", "L1C"))
run: Callable[..., None] = function._function.get_user_function()


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of_classes(70, 80)


@pytest.fixture(scope="module")
def files(scene: Scene) -> dict[str, bytes]:
    return l2a_files_of(scene)


def corrected() -> FakeLedger:
    return FakeLedger([Record("22WEV", str(L1C), State.CORRECTED, l2a=str(PRODUCT))])


@pytest.mark.parametrize("name", ["grains/for-the-function.npz", ""])
def test_the_function_adds_the_layers_of_the_table_that_the_setting_names(
    scene: Scene, files: dict[str, bytes], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORAGE, "UseDevelopmentStorage=true")
    monkeypatch.setenv("LOOKUP_TABLE", name)
    store, ledger = FakeStore({l2a_folder(PRODUCT) / file: data for file, data in files.items()}), corrected()
    store.write(BlobPath(MODELS, "grains/for-the-function.npz"), npz(**like(scene)))
    for part, fake in (("store", store), ("ledger", ledger), ("surface_locks", FakeLocks())):
        monkeypatch.setitem(vars(services()), part, fake)  # in the place of what is built when first asked for
    told: dict[str, Any] = {"ContainerName": "l2a", "BlobName": f"{l2a_folder(PRODUCT).name}/manifest.safe"}
    run(BlobName(data=Reference(**told)))
    record = ledger.get("22WEV", str(L1C))
    assert record is not None
    assert record.state is State.CLASSIFIED
    retrieved = [path for path in store.paths("surface") if "RETRIEVED" in str(path)]
    assert len(retrieved) == (3 if name else 0)
    about = store.read(surface_folder(PRODUCT) / "summary.json")
    assert (b"models/grains/for-the-function.npz" in about) == bool(name)


def app(name: str, store: FakeStore) -> Services:
    """The app's services over ``store``, where the setting LOOKUP_TABLE is ``name``."""
    outside = Services(Settings.from_env({STORAGE: "UseDevelopmentStorage=true", "LOOKUP_TABLE": name}))
    vars(outside)["store"] = store  # in the place of what is built when first asked for
    return outside


def test_without_the_setting_the_app_asks_for_no_table() -> None:
    store = FakeStore()
    assert app("", store).lookup_table() is None
    assert store.calls == []


def test_the_app_reads_the_table_that_the_setting_names(scene: Scene) -> None:
    store = FakeStore({BlobPath(MODELS, "grains/table.npz"): npz(**like(scene))})
    found = app("grains/table.npz", store).lookup_table()
    assert found is not None
    assert found.name == "models/grains/table.npz"


def test_a_table_that_is_too_large_is_not_fetched() -> None:
    path = BlobPath(MODELS, "table.npz")
    store = FakeStore({path: bytes(129 * 1024 * 1024)})
    with pytest.raises(BadModel, match=r"models/table\.npz has 135266304 bytes; at most 134217728 are accepted\."):
        app("table.npz", store).lookup_table()
    assert ("read", path) not in store.calls


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.npz", "There is no lookup table models/missing.npz, which the setting LOOKUP_TABLE names."),
        ("bad.npz", "The lookup table models/bad.npz is unreadable: "),
        ("../config/x", "'models/../config/x' is no blob path IceWatch accepts."),
    ],
)
def test_a_table_that_cannot_be_used_fails_the_product_with_the_sentence_and_keeps_it(
    files: dict[str, bytes], name: str, sentence: str
) -> None:
    store = FakeStore({l2a_folder(PRODUCT) / file: data for file, data in files.items()})
    store.write(BlobPath(MODELS, "bad.npz"), b"bad")
    outside = app(name, store)
    record = classify(
        PRODUCT,
        store=store,
        ledger=corrected(),
        load_classifier=load_classifier,
        tools=Tools(GdalRasters(), quicklook),
        options=lambda: Options(resolution=60, lookup_table=outside.lookup_table()),
        clock=FakeClock(),
    )
    assert record is not None
    assert record.state is State.FAILED
    assert record.reason.startswith(sentence)
    assert len(store.paths("l2a")) == len(files)
    assert store.paths("surface") == []
