"""One run at a time writes one result folder; who finds it in work comes again, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.functions import QueueMessage

from functions.blob_name import BlobName
from functions.classify import classify as by_blob
from functions.classify import reclassify as by_queue
from shared.adapters.models import load_classifier
from shared.errors import StorageUnavailable
from shared.messages import ASKED_FOR, CLASSIFICATIONS, COMPLETE, ClassificationMessage
from shared.models import SURFACE, State, l2a_folder, surface_folder
from shared.pipeline.classify import WAIT
from shared.science.forest import Classifier
from shared.settings import STORAGE
from shared.wiring import services
from tests.fakes import FakeClock, FakeLedger, FakeLocks, FakeQueues
from tests.small_l2a import PRODUCT, Scene, l2a_files_of
from tests.unit.test_classify_step import CORRECTED, a_store, results, step
from tests.unit.test_function_app import Reference

on_blob: Callable[[BlobName], None] = by_blob._function.get_user_function()
on_message: Callable[[QueueMessage], None] = by_queue._function.get_user_function()
FOLDER_COMPLETE = {"ContainerName": "l2a", "BlobName": f"{l2a_folder(PRODUCT).name}/manifest.safe"}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return l2a_files_of(Scene.of_classes(80, 84))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier()


class App:
    """The app's functions over fakes."""

    def __init__(self, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(STORAGE, "UseDevelopmentStorage=true")
        self.store, self.ledger, self.queues, self.locks = a_store(files), FakeLedger(), FakeQueues(), FakeLocks()
        self.ledger.add(CORRECTED)
        parts: dict[str, Any] = {"store": self.store, "ledger": self.ledger, "queues": self.queues}
        for part, fake in (parts | {"surface_locks": self.locks}).items():
            monkeypatch.setitem(vars(services()), part, fake)  # in the place of what is built when first asked for

    def blob(self) -> None:
        on_blob(BlobName(data=Reference(**FOLDER_COMPLETE)))

    def message(self, because: str) -> None:
        on_message(QueueMessage(body=ClassificationMessage(product=str(PRODUCT), because=because).encode().encode()))

    def waiting(self) -> list[str]:
        return [ClassificationMessage.decode(text).because for text in self.queues.sent.get(CLASSIFICATIONS, [])]

    @property
    def state(self) -> State:
        return self.ledger.rows["22WEV", CORRECTED.name].state


@pytest.fixture
def app(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> App:
    return App(files, monkeypatch)


def test_a_product_in_work_elsewhere_is_asked_for_again_and_nothing_is_touched(app: App) -> None:
    app.locks.held.add(str(PRODUCT))
    app.blob()
    app.message(ASKED_FOR)
    app.message("another mask")
    assert app.waiting() == [COMPLETE, ASKED_FOR, "another mask"]
    assert app.state is State.CORRECTED
    assert app.store.paths(SURFACE) == []
    assert app.queues.delays[CLASSIFICATIONS] == [WAIT] * 3


def test_a_folder_that_came_anew_while_it_was_in_work_is_mapped_again(app: App) -> None:
    app.message("")  # the run at work, which began before
    app.ledger.update("22WEV", CORRECTED.name, lambda old: replace(old, seconds={"classify": 30.0}))
    before = app.ledger.rows["22WEV", CORRECTED.name].times["classify"]
    app.store.clock = FakeClock(before + timedelta(seconds=5))
    app.store.write(l2a_folder(PRODUCT) / "manifest.safe", app.store.read(l2a_folder(PRODUCT) / "manifest.safe"))
    written = app.store.blobs[surface_folder(PRODUCT) / "manifest.json"].etag
    app.message(COMPLETE)
    assert app.store.blobs[surface_folder(PRODUCT) / "manifest.json"].etag != written


def test_the_functions_hand_in_the_lock_they_hold(app: App) -> None:
    app.locks.are_lost = True
    with pytest.raises(StorageUnavailable, match=r"lock of .* was lost"):
        app.blob()
    assert app.store.paths(SURFACE) == []


def test_what_was_put_back_is_done_once_the_other_is_dead_and_dropped_once_it_is_done(app: App) -> None:
    app.message(COMPLETE)
    assert app.state is State.CLASSIFIED
    written = {path: blob.etag for path, blob in app.store.blobs.items()}
    app.message(COMPLETE)
    assert {path: blob.etag for path, blob in app.store.blobs.items()} == written
    assert app.locks.held == set()


def test_who_lost_the_lock_writes_nothing_more(files: dict[str, bytes], classifier: Classifier) -> None:
    store, ledger, left = a_store(files), FakeLedger([CORRECTED]), [3]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise StorageUnavailable("The lock was lost.")

    with pytest.raises(StorageUnavailable, match="lock was lost"):
        step(store, ledger, classifier, check=check)
    assert len(results(store)) == 3
    assert surface_folder(PRODUCT) / "manifest.json" not in store.blobs


def test_who_lost_the_lock_takes_nothing_away_either(files: dict[str, bytes], classifier: Classifier) -> None:
    def check() -> None:
        raise StorageUnavailable("The lock was lost.")

    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)
    before = results(store)
    for name, data in l2a_files_of(Scene.of_classes(80, 84).with_scl(9, slice(0, 60))).items():
        store.write(l2a_folder(PRODUCT) / name, data)
    with pytest.raises(StorageUnavailable, match="lock was lost"):
        step(store, ledger, classifier, again=True, check=check)
    assert results(store) == before
