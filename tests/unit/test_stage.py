"""stage streams a product into the store, whole and checked, or not at all."""

from __future__ import annotations

import pytest
from blake3 import blake3

from shared.errors import ProviderUnavailable
from shared.messages import ProductMessage
from shared.models import Checksum, State
from shared.pipeline.stage_checks import Checks
from shared.pipeline.stage_directory import Tail
from shared.pipeline.watch import product_message
from shared.ports import Download
from tests.fakes import NOON
from tests.products import L1C, l1c_members, l1c_zip, zipped
from tests.unit.stage_case import CORRECTION, NAME, ZIP, Stage, md5


def test_a_product_is_staged_under_its_path_and_corrected_next():
    body = l1c_zip()
    this = Stage(body, MD5=md5(body))
    assert this.run() == [CORRECTION]
    assert this.store.blobs[ZIP].data == body
    assert (this.record.state, this.record.bytes) == (State.STAGED, len(body))
    assert this.record.checksum == f"MD5:{md5(body)}"
    assert this.slots.held == 0


def test_a_second_delivery_downloads_nothing():
    this = Stage(l1c_zip())
    this.run()
    assert this.run() == []
    assert this.downloads == 1


def test_a_delivery_after_a_death_sends_the_message_that_was_lost():
    this = Stage(l1c_zip())
    this.run()
    assert this.run(again=True) == [CORRECTION]


@pytest.mark.parametrize("state", [State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED, State.FAILED])
def test_a_product_past_staging_is_left_alone(state):
    this = Stage(l1c_zip())
    this.run()
    this.ledger.update("22WEV", L1C, lambda old: old.advanced(state, step="x", at=NOON))
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
    assert this.slots.held == 0


def test_a_length_other_than_the_catalogue_says_raises_with_both_numbers():
    body = l1c_zip()
    this = Stage(body, size=len(body) + 1)
    with pytest.raises(ProviderUnavailable, match=f"{len(body) + 1} bytes .* {len(body)} arrived"):
        this.run()
    assert this.store.blobs == {}


def test_a_length_other_than_the_server_announced_raises_with_both_numbers():
    body = l1c_zip()
    message = ProductMessage(product=L1C, id="id-1")  # the catalogue states neither length nor digest
    checks = Checks(message, entry=lambda: None, alive=lambda _: None, resolution=None)
    with pytest.raises(ProviderUnavailable, match=f"announced {len(body) + 1} bytes .* {len(body)} arrived"):
        list(checks.passed(Download(len(body) + 1, iter([body]))))


@pytest.mark.parametrize(("algorithm", "digest"), [("MD5", md5), ("BLAKE3", lambda body: blake3(body).hexdigest())])
def test_a_wrong_digest_raises_with_both_values(algorithm, digest):
    body, stated = l1c_zip(), {algorithm: "0" * 32}
    this = Stage(body, checksums=stated)
    with pytest.raises(ProviderUnavailable, match=f"The {algorithm} .* is {digest(body)}; the catalogue says 00000000"):
        this.run()
    assert this.store.blobs == {}


def test_a_product_with_blake3_only_is_checked_with_it():
    body = l1c_zip()
    this = Stage(body, BLAKE3=blake3(body).hexdigest())
    assert this.run() == [CORRECTION]
    assert this.record.checksum == f"BLAKE3:{blake3(body).hexdigest()}"


def test_of_two_digests_both_have_to_match():
    body = l1c_zip()
    this = Stage(body, MD5=md5(body), BLAKE3="0" * 64)
    with pytest.raises(ProviderUnavailable, match="BLAKE3"):
        this.run()


@pytest.mark.parametrize("stated", [{}, {"SHA3-256": "0" * 64}], ids=["none", "unknown algorithm"])
def test_without_a_digest_length_and_directory_count_and_the_ledger_says_so(stated):
    this = Stage(l1c_zip(), checksums=stated)
    assert this.run() == [CORRECTION]
    assert this.record.checksum == f"MD5 {md5(this.body)} computed here, none stated; checked by length and directory"


def test_a_digest_computed_here_is_never_taken_for_what_the_provider_stated():
    this = Stage(l1c_zip())
    this.run()
    assert product_message(this.record, NAME).checksums == ()


def test_a_wrong_digest_right_after_publication_is_put_right_by_asking_again():
    this = Stage(l1c_zip(), MD5="0" * 32)
    this.lists(Checksum("MD5", md5(this.body)))
    assert this.run() == [CORRECTION]
    assert this.record.checksum == f"MD5:{md5(this.body)}"
    assert this.downloads == 1


def test_a_wrong_length_right_after_publication_is_put_right_by_asking_again():
    this = Stage(l1c_zip(), size=17)
    this.lists(Checksum("MD5", md5(this.body)))
    assert this.run() == [CORRECTION]


def test_a_digest_that_is_wrong_when_asked_again_raises_with_both_values():
    this = Stage(l1c_zip(), MD5="0" * 32)
    this.lists(Checksum("MD5", "1" * 32))
    with pytest.raises(ProviderUnavailable, match=f"is {md5(this.body)}; the catalogue says 1111.* Asked again"):
        this.run()
    assert [call for call in this.catalogue.calls if call[0] == "entry"] == [("entry", "id-1")]
    assert this.store.blobs == {}


def test_a_wrong_digest_that_is_gone_when_asked_again_is_not_taken_for_right():
    this = Stage(l1c_zip(), MD5="0" * 32)
    this.lists()
    with pytest.raises(ProviderUnavailable, match="the catalogue says 0000"):
        this.run()


def tiny_image() -> bytes:
    return zipped(L1C, {path: b"B08" if path.endswith("_B08.jp2") else data for path, data in l1c_members(L1C).items()})


def with_a_hole() -> bytes:
    """100 kB that no member accounts for, at the beginning, as an interrupted and resumed download leaves it."""
    return bytes(100_000) + l1c_zip()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>Maintenance</html>" * 10, "no complete zip file"),
        (l1c_zip()[:-30], "no complete zip file"),
        (l1c_zip(without=["_B08.jp2", "MTD_TL.xml"]), "incomplete: B08, MTD_TL.xml missing"),
        (l1c_zip(without=["manifest.safe"]), "incomplete: manifest.safe missing"),
        (l1c_zip(extra={"../evil.txt": b"x"}), "would leave its folder"),
        (l1c_zip(extra={"/etc/passwd": b"x"}), "would leave its folder"),
        (l1c_zip(extra={"Other.SAFE/x": b"x"}), f"expected everything below {L1C}.SAFE/"),
        (l1c_zip(extra={f"{L1C}.SAFE/empty.xml": b""}), "empty files: empty.xml"),
        (tiny_image(), "B08.jp2 with 3 bytes; no image is that small"),
        (with_a_hole(), "but its members take"),
    ],
    ids=[
        "no zip",
        "zip cut short",
        "missing pieces",
        "no manifest",
        "climbing member",
        "absolute member",
        "other folder",
        "empty",
        "tiny image",
        "hole",
    ],
)
def test_a_product_that_is_not_whole_fails_with_the_reason_and_shows_nothing(body, reason):
    this = Stage(body)
    assert this.run() == []
    assert this.record.state is State.FAILED
    assert reason in this.record.reason
    assert this.store.blobs == {}


def test_the_directory_is_found_though_only_the_end_of_a_large_product_is_kept(monkeypatch):
    monkeypatch.setattr("shared.pipeline.stage_directory._TAIL", 4096)
    body = l1c_zip(extra={f"{L1C}.SAFE/large.bin": bytes(100_000)})
    assert Stage(body).run() == [CORRECTION]


def test_members_that_take_more_than_the_zip_has_are_a_damaged_zip():
    body = bytearray(l1c_zip())
    entry = body.index(b"PK\x01\x02")  # the first of the directory: bytes 20 to 24 are its compressed size
    body[entry + 20 : entry + 24] = len(body).to_bytes(4, "little")
    this = Stage(bytes(body))
    assert this.run() == []
    assert "members take" in this.record.reason


def test_the_last_four_megabytes_are_kept_whatever_the_chunks():
    tail, chunk = Tail(), bytes(700_000)
    for _ in range(20):
        tail.append(chunk)
    size = 20 * len(chunk)
    assert tail.file(size).seek(size - 4 * 1024 * 1024) == size - 4 * 1024 * 1024
