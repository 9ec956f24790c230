"""Blob storage. A blob appears whole or not at all.

Two writers of the same blob: each stages blocks under names of its own, so their bytes never mix. The first to
commit wins and Azure drops the other's blocks, whose commit then raises StorageUnavailable; tried again, that step
finds the blob complete. A writer that begins after the commit replaces the blob.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, BlobServiceClient, ContentSettings

from shared.adapters.account import error_code, making_container, storage_errors
from shared.adapters.ranges import range_file
from shared.errors import BadName, Changed, NotFound, StorageUnavailable
from shared.models import BlobPath, shown
from shared.ports import BlobInfo

_log = logging.getLogger("icewatch")
_BLOCK = 8 * 1024 * 1024  # bytes; 50,000 blocks of a blob make 400 GB
_AT_ONCE = 2  # blocks on their way while the next one fills
_COPY_SECONDS = 600.0
BINARY = "application/octet-stream"


class AzureBlobs:
    """ObjectStore on one storage account; makes a missing container when something is first written to it."""

    def __init__(self, service: BlobServiceClient) -> None:
        self._service = service

    def close(self) -> None:
        """Give the connections back."""
        self._service.close()

    def info(self, path: BlobPath) -> BlobInfo | None:
        """Facts about a blob, None where there is none."""
        with storage_errors(f"blob {path}"):
            try:
                return _info(path, self._client(path).get_blob_properties())
            except ResourceNotFoundError:
                return None

    def list(self, folder: BlobPath) -> Iterator[BlobInfo]:
        """All blobs below a virtual folder, page by page; a name that is no BlobPath is logged and left out."""
        container = self._service.get_container_client(folder.container)
        with storage_errors(f"folder {folder}"):
            try:
                for blob in container.list_blobs(name_starts_with=f"{folder.name}/"):
                    try:
                        path = BlobPath(folder.container, blob.name)
                    except BadName as fault:
                        _log.warning("A blob is left out of the listing of %s: %s", folder, fault)
                        continue
                    yield _info(path, blob)
            except ResourceNotFoundError as cause:
                if error_code(cause) != "ContainerNotFound":
                    raise

    def read(self, path: BlobPath) -> bytes:
        """The whole blob; NotFound where there is none."""
        with storage_errors(f"blob {path}"):
            return self._client(path).download_blob().readall()

    def reader(self, path: BlobPath) -> BinaryIO:
        """A seekable file of the blob as it is now; replaced while being read, it raises StorageUnavailable."""
        client = self._client(path)
        with storage_errors(f"blob {path}"):
            now = client.get_blob_properties()
        etag = str(now.etag)

        def fetch(offset: int, length: int) -> bytes:
            with storage_errors(f"blob {path}"):
                try:
                    body = client.download_blob(
                        offset, length, etag=etag, match_condition=MatchConditions.IfNotModified
                    )
                    return body.readall()
                except ResourceModifiedError as cause:
                    raise StorageUnavailable(f"Blob {path} was replaced while it was being read.") from cause

        return range_file(fetch, now.size)

    def write(self, path: BlobPath, data: bytes, *, content_type: str = BINARY) -> None:
        """Create or replace a blob in one step."""
        if len(data) > _BLOCK:
            self.stream(path, [data], content_type=content_type)
            return
        settings, client = ContentSettings(content_type=content_type), self._client(path)
        self._writing(path, lambda: client.upload_blob(data, overwrite=True, content_settings=settings))

    def replace(self, path: BlobPath, data: bytes, *, etag: str | None, content_type: str) -> str:
        """Write a blob in one request where it still has ``etag`` (None: where there is none); its new ETag.

        Raises Changed where somebody else was faster.
        """
        seen: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if etag is not None:
            seen = {"match_condition": MatchConditions.IfNotModified, "etag": etag}
        settings, client = ContentSettings(content_type=content_type), self._client(path)
        wrote: list[Any] = []

        def write() -> None:
            wrote.append(client.upload_blob(data, overwrite=etag is not None, content_settings=settings, **seen))

        try:
            self._writing(path, write)
        except (NotFound, StorageUnavailable) as error:
            if not isinstance(error.__cause__, ResourceModifiedError | ResourceExistsError | ResourceNotFoundError):
                raise
            raise Changed(f"{path} has been changed since it was read.") from error
        return str(wrote[-1]["etag"])

    def upload(self, path: BlobPath, file: Path, *, content_type: str = BINARY) -> None:
        """Create or replace a blob from a local file."""
        with file.open("rb") as source:
            self.stream(path, iter(lambda: source.read(_BLOCK), b""), content_type=content_type)

    def stream(self, path: BlobPath, chunks: Iterable[bytes], *, content_type: str = BINARY) -> int:
        """Create or replace a blob from chunks with bounded memory; returns its size in bytes.

        Blocks are staged as they fill and committed after the last chunk. If ``chunks`` raises, nothing is
        committed, the error passes, and Azure drops the staged blocks within a week.
        """
        blocks = _blocks(chunks, _BLOCK)
        first = next(blocks, b"")
        if len(first) < _BLOCK:  # all of it: one request instead of two
            self.write(path, first, content_type=content_type)
            return len(first)
        upload = _Upload(self._client(path))
        # The first block alone, as it may have to make the container.
        name = upload.take(first)
        self._writing(path, lambda: upload.stage(name, first))
        with storage_errors(f"blob {path}"):
            upload.stage_all(blocks)
            upload.commit(content_type)
        return upload.size

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        """Copy inside the account, without the bytes passing through here; NotFound where there is no source.

        Inside one account Azure lets the caller's own identity read the source, and copies at once as a rule.
        """
        client, origin = self._client(target), self._client(source).url
        with storage_errors(f"blob {source}"):
            making_container(self._service, target.container, lambda: client.start_copy_from_url(origin))
        deadline = time.monotonic() + _COPY_SECONDS
        while True:
            with storage_errors(f"blob {target}"):
                state = client.get_blob_properties().copy
            if state.status in {"success", None}:  # None: written by someone else since
                return
            if state.status != "pending" or time.monotonic() > deadline:
                detail = shown(state.status_description or "no reason given")
                raise StorageUnavailable(f"The copy of {source} to {target} is {state.status}: {detail}.")
            time.sleep(0.2)

    def delete(self, path: BlobPath) -> None:
        """Remove a blob; nothing happens where there is none."""
        with storage_errors(f"blob {path}"):
            try:
                self._client(path).delete_blob(delete_snapshots="include")
            except ResourceNotFoundError:
                return

    def _client(self, path: BlobPath) -> BlobClient:
        return self._service.get_blob_client(path.container, path.name)

    def _writing(self, path: BlobPath, request: Callable[[], object]) -> None:
        with storage_errors(f"blob {path}"):
            making_container(self._service, path.container, request)


class _Upload:
    """The blocks of one upload, under names that no other upload uses."""

    def __init__(self, client: BlobClient) -> None:
        self.size = 0  # bytes taken in
        self._client = client
        self._key = uuid4().hex
        self._names: list[str] = []
        self._md5 = hashlib.md5(usedforsecurity=False)

    def take(self, block: bytes) -> str:
        """Count ``block`` in and name it."""
        self._names.append(f"{self._key}{len(self._names):016d}")
        self._md5.update(block)
        self.size += len(block)
        return self._names[-1]

    def stage(self, name: str, block: bytes) -> None:
        """Send one block; nothing of it is visible yet."""
        self._client.stage_block(name, block, len(block))

    def stage_all(self, blocks: Iterable[bytes]) -> None:
        """Send all ``blocks``, a few at once; if ``blocks`` raises, what is on its way ends first."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="upload") as pool:
            waiting: deque[Future[None]] = deque()
            try:
                for block in blocks:
                    if len(waiting) >= _AT_ONCE:
                        waiting.popleft().result()
                    waiting.append(pool.submit(self.stage, self.take(block), block))
                while waiting:
                    waiting.popleft().result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def commit(self, content_type: str) -> None:
        """Make the blob visible, with the MD5 of the whole, which Azure computes for single requests only."""
        settings = ContentSettings(content_type=content_type, content_md5=bytearray(self._md5.digest()))
        try:
            self._client.commit_block_list([BlobBlock(name) for name in self._names], content_settings=settings)
        except HttpResponseError as cause:
            if error_code(cause) != "InvalidBlockList":
                raise
            raise StorageUnavailable(f"Another writer of {self._client.blob_name} was faster.") from cause


def _info(path: BlobPath, facts: BlobProperties) -> BlobInfo:
    return BlobInfo(path, facts.size, str(facts.etag), facts.last_modified)


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """``chunks`` cut anew into blocks of exactly ``size`` bytes, the last one shorter and never empty."""
    gathered = bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            part = rest[: size - len(gathered)]
            gathered += part
            rest = rest[len(part) :]
            if len(gathered) == size:
                yield bytes(gathered)
                gathered = bytearray()
    if gathered:
        yield bytes(gathered)
