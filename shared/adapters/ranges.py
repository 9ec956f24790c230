"""A seekable file over something that can be fetched by ranges, with reading ahead that grows while reading goes on."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from typing_extensions import Buffer

_LEAST = 128 * 1024  # bytes fetched after a jump: enough for a zip's directory, cheap for a zip's member header
_MOST = 4 * 1024 * 1024  # bytes fetched at once while reading straight on


def range_file(fetch: Callable[[int, int], bytes], size: int) -> BinaryIO:
    """A seekable binary file of ``size`` bytes; ``fetch(offset, length)`` gives exactly these bytes or raises."""
    return io.BufferedReader(_RangeReader(fetch, size), buffer_size=64 * 1024)


class _RangeReader(io.RawIOBase):
    """Serves reads from a window of fetched bytes; a jump fetches little, reading on fetches more and more."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._start = 0  # offset of the window
        self._window = memoryview(b"")
        self._ahead = _LEAST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise ValueError(f"A file has no position {position}.")
        self._position = position
        return position

    def readinto(self, buffer: Buffer, /) -> int:
        wanted = memoryview(buffer).cast("B")
        if not wanted or self._position >= self._size:
            return 0
        within = self._position - self._start
        if not 0 <= within < len(self._window):
            self._slide(len(wanted))
            within = self._position - self._start
        part = self._window[within : within + len(wanted)]
        wanted[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _slide(self, wanted: int) -> None:
        """Fetch the window that the next read needs."""
        reads_on = self._position == self._start + len(self._window) and len(self._window) > 0
        self._ahead = min(2 * self._ahead, _MOST) if reads_on else _LEAST
        # At the end of a file reading goes backwards (a zip's directory): take what stands before it as well.
        start = self._position if reads_on else min(self._position, max(0, self._size - self._ahead))
        length = min(max(self._position + wanted - start, self._ahead), self._size - start)
        self._window = memoryview(self._fetch(start, length))
        self._start = start
