"""stage, the zip's own directory: it must list a whole, harmless and plausible product.

The directory stands at the end of a zip, so that it can be read from the last megabytes of a stream, before the
blob becomes visible.
"""

from __future__ import annotations

import io
import zipfile
from collections import deque
from collections.abc import Sequence
from typing import IO

from shared.archive import Member, members, open_zip
from shared.errors import BadProduct
from shared.models import MANIFEST, Level, ProductName
from shared.safe import finest_resolution, l1c_files, l2a_files

_TAIL = 4 * 1024 * 1024  # bytes kept of the end; the directory of a real product has about 40 kB
_LEAST_JP2 = 100  # bytes; the boxes and markers that no JPEG 2000 file goes without take more (ISO 15444-1)
_OVERHEAD = 256  # bytes around a member beside its name: headers, extra fields, a descriptor
_SPARE = 64 * 1024  # bytes for the end of the directory with the longest comment


def check_directory(file: IO[bytes], name: ProductName, *, length: int, resolution: int | None = None) -> None:
    """Raise BadProduct unless the zip of ``length`` bytes lists a whole, harmless, plausible product.

    Args:
        file: the zip, of which only the end is read.
        name: the product; L1C needs manifest, metadata and 13 bands, L2A what classification reads.
        length: bytes of the whole zip.
        resolution: metres, of an L2A product; None: 20, or 60 where it has only that.
    """
    with open_zip(file, name) as archive:
        entries = archive.infolist()
    found = members(entries, name)
    _check_pieces([member.path for member in found], name, resolution)
    _check_sizes(found, name)
    _check_total(entries, name, length)


def _check_pieces(paths: Sequence[str], name: ProductName, resolution: int | None) -> None:
    if name.level is Level.L1C:
        l1c_files(paths, str(name))
        return
    if MANIFEST not in paths:
        raise BadProduct(f"{name} is incomplete: {MANIFEST} missing.")
    l2a_files(paths, resolution or finest_resolution(paths), str(name))


def _check_sizes(found: Sequence[Member], name: ProductName) -> None:
    if empty := [
        member.path for member in found if member.path.endswith((".jp2", ".xml", ".safe")) and not member.size
    ]:
        raise BadProduct(f"{name} holds empty files: {', '.join(empty[:3])}.")
    for member in found:
        if member.path.endswith(".jp2") and member.size < _LEAST_JP2:
            raise BadProduct(f"{name} holds {member.path} with {member.size} bytes; no image is that small.")


def _check_total(entries: Sequence[zipfile.ZipInfo], name: ProductName, length: int) -> None:
    """Bytes that no member accounts for are a hole; members that take more than there is overlap."""
    stated = sum(entry.compress_size for entry in entries)
    around = _SPARE + sum(_OVERHEAD + 2 * len(entry.orig_filename.encode()) for entry in entries)
    if not 0 <= length - stated <= around:
        raise BadProduct(f"{name} is a zip of {length} bytes, but its members take {stated}; it is damaged.")


class Tail:
    """The last megabytes of a stream, readable at their place in the whole."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._held = 0

    def append(self, chunk: bytes) -> None:
        """Take the next chunk of the stream and let go of what is too far back."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        while self._held - len(self._chunks[0]) >= _TAIL:
            self._held -= len(self._chunks.popleft())

    def file(self, size: int) -> IO[bytes]:
        """The stream of ``size`` bytes as a file; what lies before the end reads as a damaged zip."""
        return _Window(b"".join(self._chunks), start=size - self._held)


class _Window(io.BytesIO):
    """A file of which only the end, from ``start`` on, is at hand."""

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
