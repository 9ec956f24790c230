"""The contract of ObjectStore, on the fake and on real blob storage (Azurite); then what only the real one can show."""

from __future__ import annotations

import hashlib
import io
import logging
import random
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient

from shared.adapters.account import Account
from shared.adapters.blobs import AzureBlobs
from shared.errors import NotFound, ProviderUnavailable, StorageUnavailable
from shared.models import BlobPath
from shared.ports import ObjectStore
from shared.settings import Storage
from tests.fakes import FakeStore

BLOCK = 8 * 1024 * 1024
BIG = random.Random(1).randbytes(2 * BLOCK + 12345)


@pytest.fixture(scope="module")
def service(azurite: str) -> Iterator[BlobServiceClient]:
    with Account(Storage(azurite)).blobs() as client:
        yield client


@pytest.fixture
def blobs(service: BlobServiceClient) -> AzureBlobs:
    return AzureBlobs(service)


@pytest.fixture(params=["fake", "azurite"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return FakeStore() if request.param == "fake" else AzureBlobs(request.getfixturevalue("service"))


@pytest.fixture
def folder() -> BlobPath:
    """A folder in a container that does not exist yet."""
    return BlobPath(f"c{uuid4().hex}", "22WEV/2024/07")


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def breaking(chunks: Iterable[bytes], error: Exception) -> Iterator[bytes]:
    yield from chunks
    raise error


def test_a_written_blob_reads_back_and_says_its_size(store: ObjectStore, folder: BlobPath) -> None:
    path = folder / "a.json"
    store.write(path, b"{}", content_type="application/json")
    info = store.info(path)
    assert info is not None
    assert (info.path, info.size, store.read(path)) == (path, 2, b"{}")
    assert info.modified.utcoffset() is not None


def test_writing_again_replaces_the_blob_and_changes_its_etag(store: ObjectStore, folder: BlobPath) -> None:
    path = folder / "a"
    store.write(path, b"old and longer")
    before = store.info(path)
    store.write(path, b"new")
    after = store.info(path)
    assert store.read(path) == b"new"
    assert before
    assert after
    assert before.etag != after.etag


@pytest.mark.parametrize("exists", ["nothing", "a neighbour"])
def test_what_is_missing_is_none_or_not_found_and_deleting_it_is_fine(
    store: ObjectStore, folder: BlobPath, exists: str
) -> None:
    if exists == "a neighbour":
        store.write(folder / "neighbour", b"x")
    path = folder / "missing"
    assert store.info(path) is None
    with pytest.raises(NotFound, match="missing"):
        store.read(path)
    with pytest.raises(NotFound, match="missing"):
        store.reader(path)
    with pytest.raises(NotFound):
        store.copy(path, folder / "copy")
    store.delete(path)
    assert store.info(folder / "copy") is None


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, len(BIG)])
def test_a_stream_arrives_whole_whatever_its_size_and_chunks(store: ObjectStore, folder: BlobPath, size: int) -> None:
    data = BIG[:size]
    assert store.stream(folder / "s", pieces(data, 700_001)) == size
    assert store.read(folder / "s") == data


@pytest.mark.parametrize("before_it_breaks", [0, 10, BLOCK, 2 * BLOCK + 1])
def test_a_stream_that_breaks_leaves_nothing_and_its_error_passes(
    store: ObjectStore, folder: BlobPath, before_it_breaks: int
) -> None:
    error = ProviderUnavailable("the connection broke off")
    with pytest.raises(ProviderUnavailable) as caught:
        store.stream(folder / "s", breaking(pieces(BIG[:before_it_breaks], BLOCK), error))
    assert caught.value is error
    assert store.info(folder / "s") is None
    assert list(store.list(folder)) == []


def test_a_stream_that_breaks_leaves_the_blob_that_was_there(store: ObjectStore, folder: BlobPath) -> None:
    store.write(folder / "s", b"before")
    with pytest.raises(ProviderUnavailable):
        store.stream(folder / "s", breaking([BIG], ProviderUnavailable("the connection broke off")))
    assert store.read(folder / "s") == b"before"


@pytest.mark.parametrize("size", [0, 100, len(BIG)])
def test_a_file_is_uploaded_whole(store: ObjectStore, folder: BlobPath, tmp_path: Path, size: int) -> None:
    file = tmp_path / "band.jp2"
    file.write_bytes(BIG[:size])
    store.upload(folder / "band.jp2", file, content_type="image/jp2")
    assert store.read(folder / "band.jp2") == BIG[:size]


def test_a_listing_holds_what_is_below_the_folder_at_any_depth_in_name_order(
    store: ObjectStore, folder: BlobPath
) -> None:
    for name in ("b", "a/z", "a/b/c", "a-1"):
        store.write(folder / name, b"123")
    store.write(BlobPath(folder.container, f"{folder.name}5/other"), b"not below")
    found = list(store.list(folder))
    assert [info.path.name.removeprefix(f"{folder.name}/") for info in found] == ["a-1", "a/b/c", "a/z", "b"]
    assert {info.size for info in found} == {3}
    assert list(store.list(folder / "a" / "b" / "c")) == []


def test_a_copy_has_the_same_bytes_and_outlives_its_source(store: ObjectStore, folder: BlobPath) -> None:
    source, target = folder / "source", BlobPath(f"{folder.container}x", "a b/ü/target.zip")
    store.write(source, b"bytes")
    store.copy(source, target)
    store.delete(source)
    assert store.read(target) == b"bytes"
    assert store.info(source) is None


def test_a_zip_is_read_in_place(store: ObjectStore, folder: BlobPath) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(30):
            archive.writestr(f"band{i}.jp2", BIG[: i * 10_000])
    store.stream(folder / "p.zip", [packed.getvalue()])
    with store.reader(folder / "p.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.read("band29.jp2") == BIG[:290_000]


def test_a_reader_seeks_like_any_file(store: ObjectStore, folder: BlobPath) -> None:
    store.write(folder / "f", bytes(range(256)))
    with store.reader(folder / "f") as file:
        assert file.seek(-6, io.SEEK_END) == 250
        assert file.read() == bytes(range(250, 256))
        assert file.read(1) == b""
        assert file.seek(10) == 10
        assert file.read(2) == b"\x0a\x0b"
        assert file.seek(3, io.SEEK_CUR) == 15
        assert file.read(1) == b"\x0f"


def test_a_blob_replaced_while_it_is_read_raises_instead_of_mixing_the_two(blobs: AzureBlobs, folder: BlobPath) -> None:
    blobs.write(folder / "f", BIG[:1_000_000])
    with blobs.reader(folder / "f") as file:
        assert file.read(10) == BIG[:10]
        blobs.write(folder / "f", BIG[:1_000_000])
        file.seek(900_000)
        with pytest.raises(StorageUnavailable, match="was replaced while it was being read"):
            file.read(10)


def test_of_two_writers_at_once_the_first_to_end_wins_and_the_other_says_so(
    blobs: AzureBlobs, folder: BlobPath
) -> None:
    def slow() -> Iterator[bytes]:
        yield BIG
        assert blobs.stream(folder / "s", [BIG[::-1]]) == len(BIG)  # the other writer begins later and ends first

    with pytest.raises(StorageUnavailable, match="was faster"):
        blobs.stream(folder / "s", slow())
    assert blobs.read(folder / "s") == BIG[::-1]


@pytest.mark.parametrize("data", [b"small", BIG])
def test_a_blob_carries_its_content_type_and_the_md5_of_the_whole(
    blobs: AzureBlobs, service: BlobServiceClient, folder: BlobPath, data: bytes
) -> None:
    path = folder / "x.tif"
    blobs.stream(path, [data], content_type="image/tiff")
    settings = service.get_blob_client(path.container, path.name).get_blob_properties().content_settings
    assert settings.content_type == "image/tiff"
    assert bytes(settings.content_md5 or b"") == hashlib.md5(data, usedforsecurity=False).digest()


def test_a_blob_whose_name_is_refused_is_logged_and_hides_no_other(
    blobs: AzureBlobs, service: BlobServiceClient, folder: BlobPath, caplog: pytest.LogCaptureFixture
) -> None:
    blobs.write(folder / "good", b"")
    service.get_blob_client(folder.container, f"{folder.name}/bad//name").upload_blob(b"")
    with caplog.at_level(logging.WARNING):
        assert [info.path for info in blobs.list(folder)] == [folder / "good"]
    assert "bad//name" in caplog.text


def test_storage_that_does_not_answer_is_unavailable() -> None:
    nobody = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:9/a;"
    with (
        Account(Storage(nobody), retries=0).blobs() as service,
        pytest.raises(StorageUnavailable, match="blob c/a"),
    ):
        AzureBlobs(service).info(BlobPath("c", "a"))
