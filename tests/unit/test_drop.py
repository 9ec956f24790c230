"""What is dropped joins the pipeline where it is ready to, or stays with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.messages import ClassificationMessage, CorrectionMessage
from shared.models import MANIFEST, BlobPath, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.drop import drop
from shared.records import CANCEL, REFUSED
from tests.fakes import NOON, FakeClock, FakeLedger, FakeStore
from tests.products import L1C, L2A, l1c_zip, l2a_members, l2a_zip

FOLDER = l2a_folder(ProductName.parse(L2A))


class Inbox:
    """An inbox with some blobs, and what became of them."""

    def __init__(self, **blobs: bytes) -> None:
        self.store, self.ledger = FakeStore(), FakeLedger()

    def put(self, name: str, body: bytes) -> BlobPath:
        path = BlobPath("drop", name)
        self.store.write(path, body)
        return path

    def set(self, name: str, state: State) -> None:
        self.ledger.update("22WEV", name, lambda old: replace(old, state=state, l2a=L2A))

    def drop(self, name: str, body: bytes):
        return self.event(self.put(name, body))

    def event(self, path: BlobPath):
        return list(drop(path, store=self.store, ledger=self.ledger, clock=FakeClock()))


@pytest.mark.parametrize("name", [f"{L1C}.SAFE.zip", f"{L1C}.zip", f"from Anna/{L1C}.zip"])
def test_an_l1c_zip_is_staged_and_corrected_next(name):
    inbox = Inbox()
    assert inbox.drop(name, l1c_zip()) == [CorrectionMessage(product=L1C)]
    assert list(inbox.store.blobs) == [staged_zip(ProductName.parse(L1C))]
    assert inbox.ledger.rows["22WEV", L1C].state is State.STAGED


def test_an_l2a_zip_is_unpacked_with_its_manifest_last():
    inbox = Inbox()
    assert inbox.drop(f"{L2A}.zip", l2a_zip()) == []
    written = [str(call[1]) for call in inbox.store.calls if call[0] == "stream"]
    assert written[-1] == f"{FOLDER}/{MANIFEST}"
    assert len(written) == len(l2a_members(L2A))
    assert inbox.store.paths("drop") == []
    record = inbox.ledger.rows["22WEV", L2A]
    assert (record.state, record.l2a) == (State.CORRECTED, L2A)


def test_files_of_an_l2a_folder_wait_for_the_manifest_then_all_move_with_it_last():
    inbox = Inbox()
    paths = [inbox.put(f"{L2A}.SAFE/{name}", body) for name, body in l2a_members(L2A).items()]
    for path in paths:
        if not path.name.endswith(MANIFEST):
            assert inbox.event(path) == []
    assert inbox.store.paths("l2a") == []
    assert inbox.event(BlobPath("drop", f"{L2A}.SAFE/{MANIFEST}")) == []
    assert inbox.store.paths("drop") == []
    moved = [str(call[2]) for call in inbox.store.calls if call[0] == "copy"]
    assert moved[-1] == f"{FOLDER}/{MANIFEST}"
    assert len(moved) == len(paths)


def test_a_file_that_comes_after_the_manifest_moves_and_the_product_is_classified_again():
    inbox = Inbox()
    inbox.drop(f"{L2A}.SAFE/{MANIFEST}", b"<manifest/>")
    assert inbox.drop(f"{L2A}.SAFE/MTD_MSIL2A.xml", b"<x/>") == [
        ClassificationMessage(product=L2A, because="late files")
    ]
    assert inbox.store.blobs[FOLDER / "MTD_MSIL2A.xml"].data == b"<x/>"


def test_an_event_told_again_sends_the_message_that_may_have_been_lost():
    inbox = Inbox()
    path = BlobPath("drop", f"{L1C}.zip")
    assert inbox.drop(path.name, l1c_zip()) == [CorrectionMessage(product=L1C)]
    assert inbox.event(path) == [CorrectionMessage(product=L1C)]
    inbox.set(L1C, State.CORRECTED)
    assert inbox.event(path) == []


@pytest.mark.parametrize("state", [State.CORRECTED, State.CLASSIFIED, State.SKIPPED])
def test_a_second_copy_of_a_product_that_is_done_leaves_the_inbox_and_changes_nothing(state):
    inbox = Inbox()
    inbox.drop(f"{L1C}.zip", l1c_zip())
    inbox.set(L1C, state)
    assert inbox.drop(f"{L1C}.zip", l1c_zip()) == []
    assert inbox.store.paths("drop") == []
    assert inbox.ledger.rows["22WEV", L1C].state is state


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED])
def test_a_product_that_failed_or_was_rejected_starts_anew_when_it_is_dropped_again(state):
    inbox = Inbox()
    inbox.drop(f"{L1C}.zip", l1c_zip())
    inbox.set(L1C, state)
    assert inbox.drop(f"{L1C}.zip", l1c_zip()) == [CorrectionMessage(product=L1C)]
    assert inbox.ledger.rows["22WEV", L1C].state is State.STAGED
    assert inbox.ledger.rows["22WEV", L1C].l2a == ""


@pytest.mark.parametrize(("name", "body"), [(L1C, l1c_zip()), (L2A, l2a_zip())])
def test_what_a_person_took_off_begins_again_when_it_is_dropped_again(name, body):
    inbox = Inbox()
    inbox.drop(f"{name}.zip", b"junk")
    assert inbox.ledger.rows["22WEV", name].state is State.FAILED
    inbox.ledger.update("22WEV", name, lambda old: old.advanced(State.SKIPPED, step=CANCEL, at=NOON))
    inbox.drop(f"{name}.zip", body)
    row = inbox.ledger.rows["22WEV", name]
    assert row.state in {State.STAGED, State.CORRECTED}
    assert CANCEL not in row.times
    assert inbox.store.paths("drop") == []


def test_a_damaged_zip_dropped_over_a_complete_folder_leaves_nothing_that_looks_complete():
    inbox = Inbox()
    inbox.drop(f"{L2A}.zip", l2a_zip())
    inbox.set(L2A, State.REJECTED)
    whole = l2a_zip()
    damaged = whole.replace(b"_B12_20m.jp2B12", b"_B12_20m.jp2B21", 1)  # its checksum no longer fits
    assert damaged != whole
    inbox.drop(f"{L2A}.zip", damaged)
    assert inbox.ledger.rows["22WEV", L2A].state is State.FAILED
    assert f"{FOLDER.name}/{MANIFEST}" not in inbox.store.paths("l2a")


def test_a_folder_that_waits_for_its_manifest_is_in_the_ledger():
    inbox = Inbox()
    inbox.drop(f"{L2A}.SAFE/MTD_MSIL2A.xml", b"<x/>")
    record = inbox.ledger.rows["22WEV", L2A]
    assert record.state is State.DISCOVERED
    assert record.error == f"Waits for its manifest.safe in drop/{L2A}.SAFE."


def test_a_folder_dropped_again_is_classified_again():
    inbox = Inbox()
    for _ in range(2):
        for name, body in l2a_members(L2A).items():
            inbox.put(f"{L2A}.SAFE/{name}", body)
        inbox.event(BlobPath("drop", f"{L2A}.SAFE/{MANIFEST}"))
        assert inbox.ledger.rows["22WEV", L2A].state is State.CORRECTED
        inbox.set(L2A, State.CLASSIFIED)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("notes.txt", b"hello", "is no product; drop the zip"),
        ("S2A_MSIL1C_nonsense.zip", b"x", "is no Sentinel-2 product name"),
        (f"{L1C}.SAFE/manifest.safe", b"x", "drop an L1C product as its zip"),
        (
            "S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807.zip",
            b"x",
            "before 2016-12-06",
        ),
    ],
)
def test_what_is_no_product_stays_and_the_ledger_says_why(name, body, reason):
    inbox = Inbox()
    assert inbox.drop(name, body) == []
    assert inbox.store.paths("drop") == [name]
    record = inbox.ledger.rows[REFUSED, f"drop/{name}"]
    assert reason in record.reason


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        (f"{L1C}.zip", b"no zip at all", "no complete zip file"),
        (f"{L1C}.zip", l1c_zip(without=["_B01.jp2"]), "incomplete: B01 missing"),
        (f"{L2A}.zip", l2a_zip(extra={f"{L2A}.SAFE/../../x": b""}), "would leave its folder"),
        (f"{L2A}.zip", l2a_zip(without=["manifest.safe"]), "incomplete: manifest.safe missing"),
    ],
)
def test_a_damaged_product_fails_with_the_reason_and_stays_in_the_inbox(name, body, reason):
    inbox = Inbox()
    assert inbox.drop(name, body) == []
    (record,) = inbox.ledger.rows.values()
    assert record.state is State.FAILED
    assert reason in record.reason
    assert inbox.store.paths("drop") == [name]
    assert inbox.store.paths("l1c") == inbox.store.paths("l2a") == []
