"""What of a corrected product goes where: the disk before the upload, what is uploaded, what stays of a lost try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import StorageUnavailable, TransientError
from shared.models import MANIFEST, BlobPath, ProductName, State, l2a_folder
from shared.pipeline.correct_upload import upload_folder
from shared.ports import Corrected
from shared.records import Record
from tests.fakes import FakeCorrector, FakeStore
from tests.unit.correct_case import FILES, L1C, L2A, UPLOADED, World, a_record

TARGET = BlobPath("l2a", "22WEV/2019/07/x.SAFE")


class Measured(FakeCorrector):
    """Says what it took."""

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
        done = super().correct(l1c, work, on_progress=on_progress)
        return replace(done, dem="CopernicusDEM90", gipp="odd.parameters", peak_memory=3_000, peak_disk=4_000)


def test_the_input_has_left_the_disk_before_the_upload_begins(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    upload, there = world.store.upload, set[bool]()

    def watched(path: BlobPath, file: Path, *, content_type: str = "") -> None:
        there.add(any(tmp_path.rglob(L1C.safe)))
        upload(path, file, content_type=content_type)

    world.store.upload = watched  # type: ignore[method-assign]
    world.run()
    assert there == {False}


def test_what_it_took_is_in_the_ledger(tmp_path: Path) -> None:
    record = World(tmp_path, a_record()).run(corrector=Measured(FILES))
    assert (record.dem, record.peak_memory, record.peak_disk) == ("CopernicusDEM90", 3_000, 4_000)


def test_a_worker_killed_after_the_manifest_leaves_what_it_took_to_the_next(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    update = world.ledger.update

    class Killed(BaseException):
        pass

    def killed(partition: str, name: str, change: Callable[[Record], Record]) -> Record:
        if world.store.info(l2a_folder(L2A) / MANIFEST):
            raise Killed
        return update(partition, name, change)

    world.ledger.update = killed  # type: ignore[method-assign]
    with pytest.raises(Killed):
        world.run(corrector=Measured(FILES))
    world.ledger.update = update  # type: ignore[method-assign]
    record = world.run()
    assert world.corrector.calls == []
    assert record.state is State.CORRECTED
    assert (record.peak_memory, record.processor) == (3_000, "fake 1")
    assert "correct" in record.seconds


def test_only_what_is_to_be_kept_is_uploaded_and_the_parameters_always(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    world.run(keep="20m", corrector=Measured(FILES | {"odd.parameters": b"<GIPP/>"}))
    folder = l2a_folder(L2A).name
    kept = {path.removeprefix(f"{folder}/") for path in world.store.paths("l2a")}
    assert kept == UPLOADED - {"HTML/index.html"} | {"odd.parameters"}


def test_the_manifest_stays_as_it_was_written_although_files_are_left_out(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    world.run(keep="20m")
    assert world.store.blobs[l2a_folder(L2A) / MANIFEST].data == FILES[MANIFEST]


def test_a_worker_whose_product_was_taken_over_takes_its_files_away(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    other = ProductName.parse(str(L2A).replace("184612", "190000"))
    upload = world.store.upload

    def taken_over(path: BlobPath, file: Path, *, content_type: str = "") -> None:
        upload(path, file, content_type=content_type)
        world.ledger.update("22WEV", str(L1C), lambda old: replace(old, l2a=str(other)))

    world.store.upload = taken_over  # type: ignore[method-assign]
    world.store.write(l2a_folder(other) / "MTD_MSIL2A.xml", b"of the other worker")
    with pytest.raises(TransientError, match="taken over"):
        world.run()
    assert world.store.paths("l2a") == [f"{l2a_folder(other).name}/MTD_MSIL2A.xml"]


def test_a_worker_that_stops_while_the_product_is_its_own_leaves_its_files_to_the_next_try(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())

    def stop() -> None:
        if world.uploads:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(checkpoint=stop)
    assert world.record.l2a == str(L2A), "the next try knows what to remove"
    assert world.run().state is State.CORRECTED
    assert world.is_complete()


def folder_of(tmp_path: Path, names: list[str]) -> Path:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def test_a_folder_arrives_with_the_names_that_were_asked_for(tmp_path: Path) -> None:
    names, store = [f"GRANULE/{number}.xml" for number in range(20)], FakeStore()
    upload_folder(folder_of(tmp_path, [*names, "more.xml"]), TARGET, names, store=store)
    assert {path.name: blob.data for path, blob in store.blobs.items()} == {
        f"{TARGET.name}/{name}": name.encode() for name in names
    }


def test_what_lies_there_already_is_never_mixed_with_what_comes(tmp_path: Path) -> None:
    store = FakeStore({TARGET / "stranger.xml": b"?"})
    with pytest.raises(StorageUnavailable, match=r"stranger.xml differ \(1 files\)"):
        upload_folder(folder_of(tmp_path, ["a.xml"]), TARGET, ["a.xml"], store=store)


def test_the_failure_of_one_file_is_the_failure_of_the_folder(tmp_path: Path) -> None:
    names, store = [f"{number:02}.xml" for number in range(50)], FakeStore()
    store.fail("upload", StorageUnavailable("Busy."))
    with pytest.raises(StorageUnavailable, match="Busy"):
        upload_folder(folder_of(tmp_path, names), TARGET, names, store=store)
    assert len(store.blobs) < len(names)
