"""stage: stream one L1C zip from the provider into blob storage.

Contract: returns the message for queue ``corrections``. Trouble that may pass (provider busy, connection
cut, checksum not matching) raises and the queue tries again; a product that is gone, no zip or incomplete
becomes FAILED with the reason. The blob becomes visible only when length, checksum and the zip's own
directory are right. Memory holds one chunk and the zip's last megabytes, never the product; nothing
touches a disk.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import deque
from collections.abc import Iterator
from typing import IO

from shared.archive import members
from shared.errors import BadProduct, ProviderUnavailable
from shared.messages import CorrectionMessage, ProductMessage
from shared.models import Checksum, ProductName, State, shown, staged_zip
from shared.pipeline.outcome import attempt
from shared.ports import Catalogue, Clock, Download, Ledger, ObjectStore
from shared.records import Record
from shared.safe import l1c_files

_TAIL = 4 * 1024 * 1024  # bytes kept of the end; the directory of a real product has about 40 kB
_DONE = {State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED, State.FAILED}


def stage(
    message: ProductMessage,
    *,
    catalogue: Catalogue,
    store: ObjectStore,
    ledger: Ledger,
    clock: Clock,
    again: bool = False,
) -> list[CorrectionMessage]:
    """Stage the product of ``message`` and return what comes next; nothing where that is done already.

    ``again`` says that the message was delivered before, so that a try that staged the product may have
    died before its message went out: then it goes out now.
    """
    name = message.name()
    record = _entered(message, ledger, clock)
    following = [CorrectionMessage(product=str(name))]
    if record.state in _DONE:
        return []
    if record.state is State.STAGED and store.info(staged_zip(name)) is not None:
        return following if again else []
    with attempt(ledger, record, "stage", clock) as this:
        with catalogue.download(message.id) as download:
            checks = _Checks(message, download)
            size = store.stream(staged_zip(name), checks.passed(), content_type="application/zip")
        this.done(State.STAGED, bytes=size, checksum=checks.digest)
        return following
    return []


def _entered(message: ProductMessage, ledger: Ledger, clock: Clock) -> Record:
    """The product's record; a message sent by hand may name a product that discover has not seen."""
    name = message.name()
    fresh = Record(
        partition=name.tile.name,
        name=str(name),
        state=State.DISCOVERED,
        id=message.id,
        bytes=message.size,
        baseline=name.baseline,
        orbit=name.orbit,
        times={"sensing": name.sensing, "discover": clock()},
    )
    return fresh if ledger.add(fresh) else ledger.get(fresh.partition, fresh.name) or fresh


class _Checks:
    """Passes a download's chunks on and raises at their end where they are not the product."""

    def __init__(self, message: ProductMessage, download: Download) -> None:
        self.digest = ""  # "MD5:<hex>" of what passed, set at the end
        self._message = message
        self._name = message.name()
        self._download = download

    def passed(self) -> Iterator[bytes]:
        md5, size, tail = hashlib.md5(usedforsecurity=False), 0, _Tail()
        for chunk in self._download.chunks:
            md5.update(chunk)
            size += len(chunk)
            tail.append(chunk)
            yield chunk
        self._check_length(size)
        self._check_digest(Checksum("MD5", md5.hexdigest()))
        check_directory(tail.file(size), self._name)

    def _check_length(self, size: int) -> None:
        for told, who in ((self._download.size, "The server"), (self._message.size, "The catalogue")):
            if told and told != size:
                raise ProviderUnavailable(f"{who} announced {told} bytes for {self._name}, {size} arrived.")

    def _check_digest(self, found: Checksum) -> None:
        for told in self._message.digests():
            if told.algorithm == found.algorithm and told.value != found.value:
                raise ProviderUnavailable(
                    f"The {told.algorithm} of {self._name} is {found.value}; the catalogue says {told.value}."
                )
        self.digest = f"{found.algorithm}:{found.value}"


def check_directory(file: IO[bytes], name: ProductName) -> None:
    """Raise BadProduct unless the zip's directory lists a whole, harmless L1C product."""
    try:
        with zipfile.ZipFile(file) as archive:
            found = members(archive.infolist(), name)
    except (zipfile.BadZipFile, ValueError) as cause:
        raise BadProduct(f"{name} is no complete zip file: {shown(cause)}.") from cause
    l1c_files((member.path for member in found), str(name))
    if empty := [member.path for member in found if member.path.endswith((".jp2", ".xml")) and member.size == 0]:
        raise BadProduct(f"{name} holds empty files: {', '.join(empty[:3])}.")


class _Tail:
    """The last megabytes of a stream, readable at their place in the whole."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._held = 0

    def append(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._chunks[0]) >= _TAIL:
            self._held -= len(self._chunks.popleft())

    def file(self, size: int) -> IO[bytes]:
        return _Window(b"".join(self._chunks), start=size - self._held)


class _Window(io.BytesIO):
    """A file of which only the end, from ``start`` on, is at hand; reading before it is a damaged zip."""

    def __init__(self, data: bytes, *, start: int) -> None:
        super().__init__(data)
        self._start = start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            if offset < self._start:
                raise zipfile.BadZipFile(f"its directory begins at byte {offset}, before the last {_TAIL} bytes")
            offset -= self._start
        return super().seek(offset, whence) + self._start

    def tell(self) -> int:
        return super().tell() + self._start
