"""A dropped orthomosaic is classified where it lies, once, and whatever is wrong with it stands in the ledger."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local.classify_orthomosaic import classify_orthomosaic
from local.inbox import put
from shared.adapters.models import SHIPPED_DRONE, load_classifier
from shared.adapters.orthomosaics import GdalOrthomosaics
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.errors import BadName, NotFound, StorageUnavailable
from shared.models import BlobPath, State
from shared.pipeline import drone
from shared.pipeline.drone_drop import drop_orthomosaic, is_orthomosaic, name_of
from shared.pipeline.drone_ports import DroneTools
from shared.pipeline.retry import retry
from shared.records import DRONE, REFUSED, Record
from shared.science.forest import Classifier
from tests.fakes import FakeClock, FakeLedger, FakeLocks, FakeStore
from tests.orthomosaics import geotiff, scene

BANDS, _ = scene()
GOOD = geotiff(BANDS)
PATH = BlobPath("drop", "flight 3/ortho-1.tif")
RESULTS = "drone/ortho-1"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier(SHIPPED_DRONE)


class Inbox:
    def __init__(self, classifier: Classifier) -> None:
        self.store, self.ledger, self.locks = FakeStore(), FakeLedger(), FakeLocks()
        self.classifier = classifier

    def drop(self, body: bytes, path: BlobPath = PATH) -> Record | None:
        self.store.write(path, body)
        return self.event(path)

    def event(self, path: BlobPath = PATH) -> Record | None:
        return drop_orthomosaic(
            path,
            store=self.store,
            ledger=self.ledger,
            load_classifier=lambda: self.classifier,
            tools=lambda: DroneTools(GdalOrthomosaics(), GdalRasters(), quicklook),
            locks=self.locks,
            clock=FakeClock(),
        )

    def results(self) -> set[str]:
        return {name.removeprefix(f"{RESULTS}/") for name in self.store.paths("surface")}


@pytest.fixture
def inbox(classifier: Classifier) -> Inbox:
    return Inbox(classifier)


def test_results_appear_and_the_file_stays_in_the_inbox(inbox: Inbox) -> None:
    record = inbox.drop(GOOD)
    assert record is not None
    assert (record.partition, record.name, record.state) == (DRONE, "ortho-1", State.CLASSIFIED)
    assert record.results == f"surface/{RESULTS}"
    assert (record.id, record.bytes) == (str(PATH), len(GOOD))
    assert record.classified_percent == record.usable_percent == 100
    assert record.albedo_mean is not None
    assert sum(record.class_percent.values()) == pytest.approx(100, abs=0.01)
    assert {"manifest.json", "summary.json", "quicklook.png", "ortho-1.json", "ortho-1_CLASS.tif"} < inbox.results()
    assert inbox.store.paths("drop") == [PATH.name]
    assert [call for call in inbox.store.calls if call[0] == "write"][-1][1] == BlobPath(
        "surface", f"{RESULTS}/manifest.json"
    )


def test_a_place_drawn_unevenly_is_noted_in_the_ledger(inbox: Inbox) -> None:
    record = inbox.drop(geotiff(BANDS, crs="EPSG:3857", transform=(900, 0, -5.5e6, 0, -900, 1.02e7)))
    assert record is not None
    assert record.state is State.CLASSIFIED
    assert "areas are counted with the mean" in record.reason


def test_the_same_event_again_does_nothing_and_a_new_file_is_classified(inbox: Inbox) -> None:
    inbox.drop(GOOD)
    inbox.store.calls.clear()
    assert inbox.event() is None
    assert not [call for call in inbox.store.calls if call[0] in {"write", "reader"}]
    assert inbox.drop(geotiff(BANDS * 0.9)) is not None


def test_an_event_of_a_file_that_is_gone_does_nothing(inbox: Inbox) -> None:
    assert inbox.event() is None
    assert inbox.ledger.rows == {}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "ortho-1 is no readable GeoTIFF"),
        (GOOD[: len(GOOD) // 3], "ortho-1 is"),
        (geotiff(BANDS, crs=None), "ortho-1 has no coordinate system."),
        (geotiff(BANDS * np.nan), "ortho-1 holds no data in all of its five bands."),
    ],
)
def test_what_cannot_be_classified_fails_with_the_reason_and_takes_older_results_away(
    inbox: Inbox, body: bytes, reason: str
) -> None:
    inbox.drop(GOOD)
    record = inbox.drop(body)
    assert record is not None
    assert record.state is State.FAILED
    assert record.reason.startswith(reason)
    assert inbox.results() == set()
    assert (record.results, record.class_percent, record.albedo_mean) == ("", {}, None)
    assert inbox.store.paths("drop") == [PATH.name]
    with pytest.raises(NotFound, match="ortho-1 is an orthomosaic: put the file into the inbox again"):
        retry(record, store=inbox.store, ledger=inbox.ledger, clock=FakeClock())
    again = inbox.drop(GOOD)
    assert again is not None
    assert (again.state, again.reason) == (State.CLASSIFIED, "")


@pytest.mark.parametrize(
    "leaf", [".tif", "-x.tif", "a b.tif", "a..b.tif", "a..tif", "ä.tif", "x" * 81 + ".tif", "a'b.tif", "x%2f.tif"]
)
def test_a_name_with_tricks_is_refused(inbox: Inbox, leaf: str) -> None:
    path = BlobPath("drop", leaf)
    record = inbox.drop(GOOD, path)
    assert record is not None
    assert (record.partition, record.name, record.state) == (REFUSED, str(path), State.FAILED)
    assert "cannot name an orthomosaic's results" in record.reason
    assert inbox.results() == set()


@pytest.mark.parametrize("leaf", ["summary.tif", "Manifest.TIF", "quicklook.tiff"])
def test_a_name_of_a_result_file_is_refused_so_that_none_is_written_over(
    inbox: Inbox, leaf: str, tmp_path: Path
) -> None:
    path = BlobPath("drop", f"flight/{leaf}")
    record = inbox.drop(GOOD, path)
    assert record is not None
    assert (record.partition, record.state) == (REFUSED, State.FAILED)
    assert record.reason.startswith(f"'{leaf}' has the name of a result file; rename it")
    assert inbox.results() == set()
    (tmp_path / leaf).write_bytes(GOOD)
    with pytest.raises(BadName, match="has the name of a result file"):
        classify_orthomosaic(tmp_path / leaf, tmp_path / "out", model=None, progress=lambda *_: None)
    with pytest.raises(BadName, match="has the name of a result file"):
        put(tmp_path / leaf, inbox.store)


@pytest.mark.parametrize("name", ["summary-1", "my.manifest", "a.b", "CLASS"])
def test_every_file_of_an_accepted_name_is_in_the_manifest_once_and_as_it_lies_there(inbox: Inbox, name: str) -> None:
    inbox.drop(GOOD, BlobPath("drop", f"{name}.tif"))
    folder = BlobPath("surface", f"drone/{name}")
    listed = json.loads(inbox.store.read(folder / "manifest.json"))["files"]
    found = {path.removeprefix(f"{folder.name}/") for path in inbox.store.paths("surface")}
    assert sorted(file["name"] for file in listed) == sorted(found - {"manifest.json"})
    for file in listed:
        assert hashlib.sha256(inbox.store.read(folder / file["name"])).hexdigest() == file["sha256"]


def test_two_files_of_one_name_never_write_over_each_other(inbox: Inbox) -> None:
    inbox.drop(GOOD)
    other = BlobPath("drop", "flight 4/ortho-1.tiff")
    record = inbox.drop(geotiff(BANDS * 0.5), other)
    assert record is not None
    assert record.partition == REFUSED
    assert record.reason == (
        f"'{other}' would write over the results of '{PATH}', which has the same name; rename one of them."
    )
    inbox.store.delete(PATH)
    record = inbox.event(other)
    assert record is not None
    assert (record.state, record.id) == (State.CLASSIFIED, str(other))


def test_neighbours_with_a_longer_name_keep_their_results(inbox: Inbox) -> None:
    neighbour = BlobPath("surface", "drone/ortho-1.2/manifest.json")
    leftover = BlobPath("surface", f"{RESULTS}/ortho-1_CLASS_r000000_c008192.tif")
    inbox.store.write(neighbour, b"theirs")
    inbox.store.write(leftover, b"old")
    inbox.drop(GOOD)
    assert inbox.store.info(neighbour) is not None
    assert inbox.store.info(leftover) is None


@pytest.mark.parametrize("method", ["reader", "write"])
def test_busy_storage_is_tried_again(inbox: Inbox, method: str) -> None:
    inbox.store.write(PATH, GOOD)
    inbox.store.fail(method, StorageUnavailable("Storage is busy."))
    with pytest.raises(StorageUnavailable):
        inbox.event()
    assert inbox.ledger.rows[DRONE, "ortho-1"].error == "Storage is busy."
    assert "manifest.json" not in inbox.results()
    record = inbox.event()
    assert record is not None
    assert record.state is State.CLASSIFIED


def test_a_blob_replaced_while_it_is_read_is_tried_again(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    class Replaced(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1000:
                raise StorageUnavailable("Blob was replaced while it was being read.")
            return super().read(size)

    inbox.store.write(PATH, GOOD)
    monkeypatch.setattr(inbox.store, "reader", lambda _: Replaced(GOOD))
    with pytest.raises(StorageUnavailable):
        inbox.event()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.tif", True), ("x/A.TIFF", True), ("a.jp2", False), ("a.zip", False), ("S2.SAFE/GRANULE/a.tif", False)],
)
def test_a_geotiff_outside_a_safe_folder_is_an_orthomosaic(name: str, expected: bool) -> None:
    assert is_orthomosaic(BlobPath("drop", name)) is expected


def test_the_command_line_puts_an_orthomosaic_into_the_inbox(tmp_path: Any) -> None:
    store = FakeStore()
    (tmp_path / "ortho-1.tif").write_bytes(GOOD)
    assert put(tmp_path / "ortho-1.tif", store) == BlobPath("drop", "ortho-1.tif")
    (tmp_path / "or tho.tif").write_bytes(GOOD)
    with pytest.raises(BadName):
        put(tmp_path / "or tho.tif", store)
    assert name_of("a.b.TIF") == "a.b"


def test_told_again_of_a_file_that_is_in_work_it_leaves_it_to_that(inbox: Inbox) -> None:
    inbox.locks.held.add("drone-ortho-1")
    assert inbox.drop(GOOD) is None
    assert inbox.results() == set()
    assert inbox.ledger.rows[DRONE, "ortho-1"].state is State.DISCOVERED


def test_a_file_whose_run_died_is_taken_up_when_its_event_comes_again(inbox: Inbox) -> None:
    inbox.locks.dying.add("drone-ortho-1")
    record = inbox.drop(GOOD)
    assert record is not None
    assert record.state is State.CLASSIFIED


def test_another_file_of_the_name_waits_until_the_one_in_work_is_done(inbox: Inbox) -> None:
    inbox.drop(GOOD)
    other = BlobPath("drop", "flight 4/ortho-1.tif")
    inbox.store.delete(PATH)
    inbox.locks.held.add("drone-ortho-1")
    with pytest.raises(StorageUnavailable, match=r"'drop/flight 3/ortho-1\.tif', which has the name of"):
        inbox.drop(GOOD, other)
    inbox.locks.held.clear()
    record = inbox.event(other)
    assert record is not None
    assert record.id == str(other)


def test_who_lost_the_lock_of_an_orthomosaic_writes_nothing(inbox: Inbox) -> None:
    inbox.locks.are_lost = True
    with pytest.raises(StorageUnavailable, match="lock of drone-ortho-1 was lost"):
        inbox.drop(GOOD)
    assert inbox.results() == set()


def test_a_file_that_was_replaced_while_it_was_in_work_is_told_of_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event of the new one came while the lock was held, so nobody else looks at it."""
    whole = drone.map_orthomosaic

    def overtaken(*told: Any, **named: Any) -> Any:
        done = whole(*told, **named)
        inbox.store.write(PATH, GOOD)
        assert inbox.event() is None
        return done

    monkeypatch.setattr("shared.pipeline.drone_drop.map_orthomosaic", overtaken)
    with pytest.raises(StorageUnavailable, match="was replaced while it was classified"):
        inbox.drop(GOOD)
    monkeypatch.setattr("shared.pipeline.drone_drop.map_orthomosaic", whole)
    again = inbox.event()
    assert again is not None
    assert again.checksum == f"ETag:{inbox.store.blobs[PATH].etag}"
    assert inbox.event() is None
    assert inbox.locks.held == set()
