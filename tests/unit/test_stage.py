"""stage streams a product into the store, whole or not at all."""

from __future__ import annotations

import hashlib

import pytest

from shared.errors import ProviderUnavailable
from shared.messages import ChecksumText, CorrectionMessage, ProductMessage
from shared.models import ProductName, State, staged_zip
from shared.pipeline.stage import stage
from tests.fakes import FakeCatalogue, FakeClock, FakeLedger, FakeStore
from tests.products import L1C, l1c_zip

NAME = ProductName.parse(L1C)
ZIP = staged_zip(NAME)


class Stage:
    """One product, its provider, store and ledger."""

    def __init__(self, body: bytes, *, size: int | None = None, md5: str | None = None) -> None:
        self.catalogue = FakeCatalogue(downloads={"id-1": body})
        self.store, self.ledger = FakeStore(), FakeLedger()
        md5 = hashlib.md5(body).hexdigest() if md5 is None else md5
        checksums = (ChecksumText(algorithm="MD5", value=md5),) if md5 else ()
        self.message = ProductMessage(
            product=L1C, id="id-1", size=len(body) if size is None else size, checksums=checksums
        )

    def run(self, *, again: bool = False) -> list[CorrectionMessage]:
        return stage(
            self.message,
            catalogue=self.catalogue,
            store=self.store,
            ledger=self.ledger,
            clock=FakeClock(),
            again=again,
        )

    @property
    def record(self):
        return self.ledger.rows["22WEV", L1C]


def test_a_product_is_staged_under_its_path_and_corrected_next():
    body = l1c_zip()
    this = Stage(body)
    assert this.run() == [CorrectionMessage(product=L1C)]
    assert this.store.blobs[ZIP].data == body
    assert this.record.state is State.STAGED
    assert this.record.bytes == len(body)
    assert this.record.checksum == f"MD5:{hashlib.md5(body).hexdigest()}"


def test_a_second_delivery_downloads_nothing():
    this = Stage(l1c_zip())
    this.run()
    assert this.run() == []
    assert [call for call in this.catalogue.calls if call[0] == "download"] == [("download", "id-1")]


def test_a_delivery_after_a_death_sends_the_message_that_was_lost():
    this = Stage(l1c_zip())
    this.run()
    assert this.run(again=True) == [CorrectionMessage(product=L1C)]


@pytest.mark.parametrize("state", [State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED, State.FAILED])
def test_a_product_past_staging_is_left_alone(state):
    this = Stage(l1c_zip())
    this.run()
    this.ledger.update("22WEV", L1C, lambda old: old.advanced(state, step="x", at=FakeClock()()))
    this.store.blobs.clear()
    assert this.run(again=True) == []
    assert this.store.blobs == {}


def test_a_cut_connection_raises_and_shows_nothing():
    this = Stage(l1c_zip())
    this.catalogue.cut["id-1"] = 2000
    with pytest.raises(ProviderUnavailable, match="ended after 2000"):
        this.run()
    assert this.store.blobs == {}
    assert this.record.state is State.DISCOVERED
    assert this.record.attempts["stage"] == 1


def test_a_length_other_than_the_catalogue_says_raises_with_both_numbers():
    body = l1c_zip()
    this = Stage(body, size=len(body) + 1)
    with pytest.raises(ProviderUnavailable, match=f"{len(body) + 1} bytes .* {len(body)} arrived"):
        this.run()
    assert this.store.blobs == {}


def test_a_wrong_checksum_raises_with_both_values():
    this = Stage(l1c_zip(), md5="0" * 32)
    with pytest.raises(ProviderUnavailable, match="the catalogue says 00000000"):
        this.run()
    assert this.store.blobs == {}


def test_a_product_without_checksum_is_accepted_by_length_and_directory():
    this = Stage(l1c_zip(), md5="")
    assert this.run() == [CorrectionMessage(product=L1C)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>Maintenance</html>" * 10, "no complete zip file"),
        (l1c_zip()[:-30], "no complete zip file"),
        (l1c_zip(without=["_B08.jp2", "MTD_TL.xml"]), "incomplete: B08, MTD_TL.xml missing"),
        (l1c_zip(extra={"../evil.txt": b"x"}), "would leave its folder"),
        (l1c_zip(extra={"/etc/passwd": b"x"}), "would leave its folder"),
        (l1c_zip(extra={"Other.SAFE/x": b"x"}), f"expected everything below {L1C}.SAFE/"),
        (l1c_zip(extra={f"{L1C}.SAFE/empty.xml": b""}), "empty files: empty.xml"),
    ],
    ids=["no zip", "zip cut short", "missing pieces", "climbing member", "absolute member", "other folder", "empty"],
)
def test_a_product_that_is_not_whole_fails_with_the_reason_and_shows_nothing(body, reason):
    this = Stage(body)
    assert this.run() == []
    assert this.record.state is State.FAILED
    assert reason in this.record.reason
    assert this.store.blobs == {}


def test_a_product_gone_from_the_provider_fails_with_the_reason():
    this = Stage(l1c_zip())
    this.catalogue.downloads.clear()
    assert this.run() == []
    assert (this.record.state, this.record.reason) == (State.FAILED, "The provider has no product id-1.")


def test_the_directory_is_found_though_only_the_end_of_a_large_product_is_kept(monkeypatch):
    monkeypatch.setattr("shared.pipeline.stage._TAIL", 4096)
    body = l1c_zip(extra={f"{L1C}.SAFE/large.bin": bytes(100_000)})
    assert Stage(body).run() == [CorrectionMessage(product=L1C)]
