"""stage puts an official L2A product under l2a/, unpacked, its manifest last, and nothing half visible."""

from __future__ import annotations

import hashlib

import pytest

from shared.errors import StorageUnavailable
from shared.messages import PRODUCTS, ChecksumText, ProductMessage
from shared.models import L2A as CONTAINER
from shared.models import MANIFEST, ProductName, State, l2a_folder, parcel
from shared.pipeline.retry import retry
from shared.pipeline.stage import stage
from shared.pipeline.stage_fetch import Intake
from shared.records import Record
from shared.settings import Downloads
from tests.fakes import NOON, FakeCatalogue, FakeClock, FakeLedger, FakeSlots, FakeStore, FakeTally
from tests.products import l2a_members, l2a_zip, zipped

OFFICIAL = "S2B_MSIL2A_20240716T151809_N0511_R068_T22WEV_20240716T201612"
FOLDER = l2a_folder(ProductName.parse(OFFICIAL))
PARCEL = parcel(ProductName.parse(OFFICIAL))
WHOLE = l2a_zip(OFFICIAL)


class Stage:
    """One official L2A product, its provider, store and ledger."""

    def __init__(self, body: bytes = WHOLE, *, resolution: int | None = None) -> None:
        self.catalogue = FakeCatalogue(downloads={"id-2": body})
        self.store, self.ledger = FakeStore(), FakeLedger()
        self.resolution = resolution
        checksum = ChecksumText(algorithm="MD5", value=hashlib.md5(body).hexdigest())
        self.message = ProductMessage(product=OFFICIAL, id="id-2", size=len(body), checksums=(checksum,))

    def run(self, *, again: bool = False) -> None:
        following = stage(
            self.message,
            catalogue=self.catalogue,
            store=self.store,
            ledger=self.ledger,
            clock=FakeClock(),
            intake=Intake(FakeSlots(), FakeTally(), Downloads()),
            resolution=self.resolution,
            again=again,
        )
        assert following == []  # the manifest's arrival triggers classify

    @property
    def record(self) -> Record:
        return self.ledger.rows["22WEV", OFFICIAL]

    @property
    def downloads(self) -> int:
        return sum(call[0] == "download" for call in self.catalogue.calls)


def test_it_is_unpacked_with_its_manifest_last_and_the_zip_is_gone():
    this = Stage()
    this.run()
    written = [str(call[1]) for call in this.store.calls if call[0] == "stream"]
    assert written[-1] == f"{FOLDER}/{MANIFEST}"
    assert {path.name.removeprefix(f"{FOLDER.name}/"): blob.data for path, blob in this.store.blobs.items()} == (
        l2a_members(OFFICIAL)
    )
    assert {path.container for path in this.store.blobs} == {CONTAINER}


def test_the_ledger_knows_it_as_corrected_by_the_provider():
    this = Stage()
    this.run()
    assert (this.record.state, this.record.l2a, this.record.processor) == (State.CORRECTED, OFFICIAL, "provider")
    assert this.record.bytes == len(WHOLE)
    assert this.record.checksum.startswith("MD5:")
    assert {"stage", "correct"} <= this.record.times.keys()


class SeesTheManifest(FakeStore):
    """Notes the product's state at the moment when its manifest appears."""

    def __init__(self, ledger: FakeLedger) -> None:
        super().__init__()
        self._ledger = ledger
        self.state_at_manifest: State | None = None

    def stream(self, path, chunks, **options):
        if path == FOLDER / MANIFEST:
            self.state_at_manifest = self._ledger.rows["22WEV", OFFICIAL].state
        return super().stream(path, chunks, **options)


def test_the_ledger_knows_before_classify_can_see_the_manifest():
    this = Stage()
    this.store = store = SeesTheManifest(this.ledger)
    this.run()
    assert store.state_at_manifest is State.CORRECTED


@pytest.mark.parametrize("writes", range(1, len(l2a_members(OFFICIAL)) + 1))
def test_a_try_that_dies_at_any_write_is_completed_by_the_next_one_without_another_download(writes):
    this = Stage()
    dies = DiesAfter(writes)
    this.store = dies
    with pytest.raises(StorageUnavailable):
        this.run()
    assert FOLDER / MANIFEST not in this.store.blobs
    this.run(again=True)
    assert FOLDER / MANIFEST in this.store.blobs
    assert this.record.state is State.CORRECTED
    assert this.store.paths("staging") == []
    assert this.downloads == 1


def test_a_parcel_that_a_dying_try_left_beside_the_complete_folder_goes_with_the_next_delivery():
    this = Stage()
    this.run()
    this.store.write(PARCEL, b"zip")
    this.run(again=True)
    assert this.store.paths("staging") == []
    assert this.downloads == 1


class DiesAfter(FakeStore):
    """A store that fails once, after so many writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self._left = writes

    def stream(self, path, chunks, **options):
        self._left -= 1
        if self._left == -1:
            raise StorageUnavailable("Azure storage is busy.")
        return super().stream(path, chunks, **options)


def test_a_product_that_classify_has_finished_with_is_left_alone():
    this = Stage()
    this.run()
    this.ledger.update("22WEV", OFFICIAL, lambda old: old.advanced(State.CLASSIFIED, step="classify", at=NOON))
    this.store.blobs.clear()
    this.run(again=True)
    assert (this.store.blobs, this.downloads) == ({}, 1)


def test_a_second_delivery_downloads_nothing():
    this = Stage()
    this.run()
    this.run(again=True)
    assert this.downloads == 1


@pytest.mark.parametrize(
    ("body", "resolution", "reason"),
    [
        (l2a_zip(OFFICIAL, without=["_B11_20m.jp2"]), None, "incomplete at 20 m: B11 missing"),
        (l2a_zip(OFFICIAL, without=["manifest.safe"]), None, "incomplete: manifest.safe missing"),
        (zipped(OFFICIAL, l2a_members(OFFICIAL, 60)), 20, "incomplete at 20 m"),
        (WHOLE, 60, "incomplete at 60 m"),
        (b"<html>Maintenance</html>", None, "no complete zip file"),
    ],
    ids=["no band", "no manifest", "only 60 m", "only 20 m", "no zip"],
)
def test_an_incomplete_product_fails_with_the_reason_and_shows_nothing(body, resolution, reason):
    this = Stage(body, resolution=resolution)
    this.run()
    assert this.record.state is State.FAILED
    assert reason in this.record.reason
    assert this.store.blobs == {}


def test_a_product_that_has_only_60_m_is_complete_where_nobody_asks_for_20_m():
    this = Stage(zipped(OFFICIAL, l2a_members(OFFICIAL, 60)))
    this.run()
    assert this.record.state is State.CORRECTED


def test_a_member_that_is_damaged_inside_fails_the_product_and_leaves_nothing():
    damaged = bytearray(WHOLE)
    at = WHOLE.index(b"<tile/>")
    damaged[at : at + 7] = b"<tale/>"
    this = Stage(bytes(damaged))
    this.run()
    assert this.record.state is State.FAILED
    assert "is damaged at GRANULE/" in this.record.reason
    assert this.store.blobs == {}


def test_a_failed_one_can_be_retried():
    this = Stage(b"<html>Maintenance</html>")
    this.run()
    rescue = retry(this.record, store=this.store, ledger=this.ledger, clock=FakeClock())
    assert rescue is not None
    assert rescue.queue == PRODUCTS
    this.catalogue.downloads["id-2"] = WHOLE
    assert isinstance(rescue.message, ProductMessage)
    this.message = rescue.message.model_copy(update={"checksums": (), "size": 0})
    this.run()
    assert this.record.state is State.CORRECTED
