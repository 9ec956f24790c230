"""The correct step with fakes: order, repetition, and what happens when it is cut off anywhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from shared.errors import BadProduct, CorrectionFailed, StorageUnavailable, TransientError
from shared.models import MANIFEST, BlobPath, ProductName, State, l2a_folder
from shared.ports import Corrected
from shared.records import Record
from tests.fakes import FakeCorrector
from tests.unit.correct_case import FILES, L1C, L2A, UPLOADED, World, a_record


def test_a_staged_product_becomes_a_complete_l2a_folder(tmp_path: Path) -> None:
    world = World(tmp_path, a_record(error="an old trouble", attempts={"correct": 1}))
    record = world.run()
    assert record == world.record
    assert record.state is State.CORRECTED
    assert record.l2a == str(L2A)
    assert record.processor == "fake 1"
    assert record.error == ""
    assert record.times["correct"] == world.clock.now
    assert record.seconds["correct"] >= 0
    assert world.is_complete()
    assert world.store.paths("l1c") == []
    assert world.percents == [100.0]


def test_the_manifest_is_uploaded_last_and_after_the_ledger_knows_its_name(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    seen: list[Record] = []
    upload = world.store.upload

    def watched(path: BlobPath, file: Path, *, content_type: str = "") -> None:
        if path.name.endswith(MANIFEST):
            seen.append(world.record)
        upload(path, file, content_type=content_type)

    world.store.upload = watched  # type: ignore[method-assign]
    world.run()
    assert world.uploads[-1] == l2a_folder(L2A) / MANIFEST
    assert [(r.l2a, r.processor) for r in seen] == [(str(L2A), "fake 1")]


def test_each_file_gets_its_content_type(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    world.run()
    types = {path.name.rpartition(".")[2]: blob.content_type for path, blob in world.store.blobs.items()}
    images = {"jp2": "image/jp2", "html": "text/html"}
    assert types == {"safe": "application/xml", "xml": "application/xml", "json": "application/json", **images}


def test_a_message_for_an_unknown_product_makes_its_record(tmp_path: Path) -> None:
    world = World(tmp_path)
    record = world.run()
    assert record.state is State.CORRECTED
    assert (record.baseline, record.orbit) == ("0208", 68)
    assert record.times["sensing"] == datetime(2019, 7, 16, 15, 19, 11, tzinfo=UTC)


@pytest.mark.parametrize("state", [State.STAGED, State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.FAILED])
def test_a_finished_product_is_not_corrected_again(tmp_path: Path, state: State) -> None:
    """STAGED: the try before died between manifest.safe and the ledger. FAILED: classify failed on it."""
    world = World(tmp_path, a_record(state, l2a=str(L2A), reason="" if state is State.STAGED else "Why."))
    world.store.write(l2a_folder(L2A) / MANIFEST, b"<XFDU/>")
    record = world.run()
    assert world.corrector.calls == []
    assert record.state is (State.CORRECTED if state is State.STAGED else state)
    assert record.reason == ("" if state is State.STAGED else "Why.")
    assert world.store.paths("l1c") == [], "the zip that an earlier try left is removed"


@pytest.mark.parametrize("state", [State.CLASSIFIED, State.REJECTED])
def test_a_classified_product_whose_l2a_was_removed_stays_classified(tmp_path: Path, state: State) -> None:
    world = World(tmp_path, a_record(state, l2a=str(L2A)), zipped=False)
    assert world.run().state is state
    assert world.corrector.calls == []


def test_a_superseded_product_is_left_alone(tmp_path: Path) -> None:
    world = World(tmp_path, a_record(State.SKIPPED, reason="Superseded."))
    record = world.run()
    assert (record.state, record.reason) == (State.SKIPPED, "Superseded.")
    assert world.corrector.calls == []
    assert world.store.paths("l2a") == []


def test_a_product_superseded_during_the_run_is_not_uploaded(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())

    class Slow(FakeCorrector):
        def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
            world.ledger.update("22WEV", str(L1C), lambda old: replace(old, state=State.SKIPPED, reason="Newer."))
            return super().correct(l1c, work, on_progress=on_progress)

    assert world.run(corrector=Slow(FILES)).state is State.SKIPPED
    assert world.store.paths("l2a") == []


@pytest.mark.parametrize("state", [State.CLASSIFIED, State.REJECTED, State.FAILED])
def test_a_faster_classify_step_is_not_moved_back(tmp_path: Path, state: State) -> None:
    world = World(tmp_path, a_record())
    upload = world.store.upload

    def classified_at_once(path: BlobPath, file: Path, *, content_type: str = "") -> None:
        upload(path, file, content_type=content_type)
        if path.name.endswith(MANIFEST):
            world.ledger.update("22WEV", str(L1C), lambda old: replace(old, state=state, reason="By classify."))

    world.store.upload = classified_at_once  # type: ignore[method-assign]
    record = world.run()
    assert (record.state, record.reason) == (state, "By classify.")
    assert "correct" in record.times
    assert world.store.paths("l1c") == []


@pytest.mark.parametrize("error", [CorrectionFailed("It crashed."), BadProduct("It is damaged.")])
def test_a_product_that_cannot_be_corrected_fails_with_the_reason(tmp_path: Path, error: Exception) -> None:
    world = World(tmp_path, a_record())
    world.corrector.fail("correct", error)
    record = world.run()
    assert record.state is State.FAILED
    assert record.reason == str(error)
    assert record.attempts == {"correct": 1}
    assert world.store.paths("l2a") == []
    assert world.store.paths("l1c") != [], "the zip stays for a look or a retry"


def test_a_product_without_a_zip_fails(tmp_path: Path) -> None:
    record = World(tmp_path, a_record(), zipped=False).run()
    assert record.state is State.FAILED
    assert "l1c/22WEV/2019/07" in record.reason


def test_a_retry_of_a_failed_product_starts_clean(tmp_path: Path) -> None:
    world = World(tmp_path, a_record(State.FAILED, reason="It crashed."))
    record = world.run()
    assert (record.state, record.reason) == (State.CORRECTED, "")


def test_trouble_that_may_pass_is_raised_and_noted(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    world.corrector.fail("correct", TransientError("The disk was full."))
    with pytest.raises(TransientError):
        world.run()
    assert (world.record.state, world.record.error) == (State.STAGED, "The disk was full.")
    assert world.run().state is State.CORRECTED


def test_a_failed_upload_is_tried_again_without_traces_of_the_first(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    world.store.fail("upload", StorageUnavailable("Busy."))
    with pytest.raises(StorageUnavailable):
        world.run()
    assert l2a_folder(L2A) / MANIFEST not in world.store.blobs
    second = ProductName.parse(str(L2A).replace("184612", "190000"))

    class Later(FakeCorrector):
        def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
            done = super().correct(l1c, work, on_progress=on_progress)
            return Corrected(done.folder.rename(work / second.safe), done.processor)

    record = world.run(corrector=Later(FILES))
    assert (record.state, record.l2a) == (State.CORRECTED, str(second))
    assert world.is_complete(), "nothing of the first try is left"


def test_the_other_half_of_a_split_granule_is_never_taken_for_a_leftover(tmp_path: Path) -> None:
    other = l2a_folder(ProductName.parse(str(L2A).replace("184612", "184613"))) / "MTD_MSIL2A.xml"
    world = World(tmp_path, a_record())
    world.store.write(other, b"another worker uploads this now")
    world.run()
    assert other in world.store.blobs


def test_two_halves_with_the_same_l2a_name_never_mix(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    half = str(L1C).replace("184612", "184613")
    world.ledger.add(Record(partition="22WEV", name=half, state=State.CORRECTED, l2a=str(L2A)))
    world.store.write(l2a_folder(L2A) / MANIFEST, b"of the other half")
    with pytest.raises(TransientError, match="needs another name"):
        world.run()
    assert world.store.paths("l2a") == [f"{l2a_folder(L2A).name}/{MANIFEST}"]
    assert world.store.blobs[l2a_folder(L2A) / MANIFEST].data == b"of the other half"
    assert world.record.l2a == "", "so that the next try does not take the other's folder for its leftovers"


def test_a_worker_whose_product_was_taken_over_leaves_no_manifest(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    upload = world.store.upload

    def taken_over(path: BlobPath, file: Path, *, content_type: str = "") -> None:
        upload(path, file, content_type=content_type)
        world.ledger.update("22WEV", str(L1C), lambda old: replace(old, l2a=""))  # as the other's clean-up does

    world.store.upload = taken_over  # type: ignore[method-assign]
    with pytest.raises(TransientError, match="taken over"):
        world.run()
    assert l2a_folder(L2A) / MANIFEST not in world.store.blobs


def test_a_file_that_vanished_again_keeps_the_manifest_away(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    upload = world.store.upload

    def lossy(path: BlobPath, file: Path, *, content_type: str = "") -> None:
        if not path.name.endswith(".jp2"):
            upload(path, file, content_type=content_type)

    world.store.upload = lossy  # type: ignore[method-assign]
    with pytest.raises(TransientError, match=r"B02_20m.jp2 differ \(1 files\)"):
        world.run()
    assert l2a_folder(L2A) / MANIFEST not in world.store.blobs


def test_a_stop_before_the_manifest_leaves_the_product_staged(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())

    def stop() -> None:
        if len(world.uploads) == len(UPLOADED) - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.run(checkpoint=stop)
    assert l2a_folder(L2A) / MANIFEST not in world.store.blobs
    assert world.record.state is State.STAGED
    assert world.record.attempts == {}, "being told to stop is no failed try"
    assert world.run().state is State.CORRECTED


def calls_of_a_whole_run(tmp_path: Path) -> int:
    world = World(tmp_path, a_record())
    world.run()
    return len(world.store.calls) + len(world.ledger.calls)


def test_killed_before_any_call_and_run_again_the_product_is_complete_once(tmp_path: Path) -> None:
    """Every call to store and ledger is a place where the process may die."""

    class Killed(BaseException):
        pass

    total = calls_of_a_whole_run(tmp_path / "whole")
    assert total > 10
    for fatal in range(total):
        world = World(tmp_path / str(fatal), a_record())
        counted = iter(range(10_000))

        def called(method: str, *arguments: object, counted: Any = counted, fatal: int = fatal) -> None:
            if next(counted) == fatal:
                raise Killed

        for fake in (world.store, world.ledger):
            fake._called = called  # type: ignore[method-assign]
        with pytest.raises(Killed):
            world.run()
        for fake in (world.store, world.ledger):
            del fake._called
        assert l2a_folder(L2A) / MANIFEST not in world.store.blobs or len(world.store.paths("l2a")) == len(UPLOADED)
        assert world.run().state is State.CORRECTED
        assert world.is_complete()
        assert world.store.paths("l1c") == []


def test_the_zip_is_read_through_the_store_and_closed(tmp_path: Path) -> None:
    world = World(tmp_path, a_record())
    opened: list[io.BytesIO] = []
    reader = world.store.reader

    def kept(path: BlobPath) -> BinaryIO:
        opened.append(reader(path))  # type: ignore[arg-type]
        return opened[-1]

    world.store.reader = kept  # type: ignore[method-assign]
    world.run()
    assert [file.closed for file in opened] == [True]
