"""A seekable file over something that can be fetched by ranges, with reading ahead that grows while reading goes on.

Who reads straight on for some MiB gets the next ranges fetched meanwhile, on connections of their own; who jumps
about fetches little and nothing ahead. Memory stays below 20 MiB.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import BinaryIO

from typing_extensions import Buffer

_LEAST = 128 * 1024  # bytes fetched after a jump: enough for a zip's directory, cheap for a zip's member header
_MOST = 4 * 1024 * 1024  # bytes fetched at once while reading straight on
_AHEAD = 2  # ranges on their way while one is read


def range_file(fetch: Callable[[int, int], bytes], size: int) -> BinaryIO:
    """A seekable binary file of ``size`` bytes; ``fetch(offset, length)`` gives exactly these bytes or raises.

    ``fetch`` is called by several threads at a time. Close the file to end them.
    """
    return io.BufferedReader(_RangeReader(fetch, size), buffer_size=64 * 1024)


@dataclass(frozen=True, slots=True)
class _Range:
    """A range on its way."""

    start: int
    end: int  # exclusive
    bytes: Future[bytes]


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
        self._coming: deque[_Range] = deque()  # what follows the window, without gaps
        self._pool: ThreadPoolExecutor | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            # Files raise an OSError here, which zipfile expects of a file that is too short; this is one, too.
            raise io.UnsupportedOperation(f"A file has no position {position}.")
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

    def close(self) -> None:
        self._forget()
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None
        super().close()

    def _slide(self, wanted: int) -> None:
        """Get the window that the next read needs."""
        if self._coming and self._coming[0].start <= self._position < self._coming[0].end:
            came = self._coming.popleft()
            self._window, self._start = memoryview(came.bytes.result()), came.start
            self._read_ahead()
            return
        self._forget()
        reads_on = self._position == self._start + len(self._window) and len(self._window) > 0
        self._ahead = min(2 * self._ahead, _MOST) if reads_on else _LEAST
        # At the end of a file reading goes backwards (a zip's directory): take what stands before it as well.
        start = self._position if reads_on else min(self._position, max(0, self._size - self._ahead))
        length = min(max(self._position + wanted - start, self._ahead), self._size - start)
        self._window = memoryview(self._fetch(start, length))
        self._start = start
        if self._ahead == _MOST:
            self._read_ahead()

    def _read_ahead(self) -> None:
        """Have the next ranges fetched while this window is read."""
        self._pool = self._pool or ThreadPoolExecutor(_AHEAD, thread_name_prefix="read ahead")
        while len(self._coming) < _AHEAD:
            start = self._coming[-1].end if self._coming else self._start + len(self._window)
            length = min(_MOST, self._size - start)
            if length <= 0:
                return
            self._coming.append(_Range(start, start + length, self._pool.submit(self._fetch, start, length)))

    def _forget(self) -> None:
        for each in self._coming:
            each.bytes.cancel()
        self._coming.clear()
