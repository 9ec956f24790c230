"""What a run takes while it lasts: memory and processor time of its processes, room on the disk.

Sampled, as the kernel keeps no peak for a set of processes: a peak shorter than a second may be missed, but at the
beginning. Memory is the sum of what is resident in each process; pages that several share count for each, so the true
figure is never above it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

_MEMORY_EVERY = 1.0  # seconds; a look at 120 processes takes 3 ms of processor time
_BEGINNING = 5.0  # seconds with a look at every call: processes come up, and a short run has no others
_DISK_EVERY = 5.0  # seconds; a work folder holds some hundred files
_BLOCK = 512  # bytes, the unit of st_blocks whatever the file system's own
_ACTIVE = 1.0  # seconds of processor time that show that it works; waiting costs a little too


class Peaks:
    """The largest figures seen so far; grows by ``sample``."""

    def __init__(self, processes: Callable[[], Iterable[int]], folders: Sequence[Path]) -> None:
        """Prepare.

        Args:
            processes: The ids of the processes to look at, asked again for each look.
            folders: What to add up on the disk.
        """
        self._processes, self._folders = processes, folders
        self._next_memory = self._next_disk = 0.0
        self._begins_until = time.monotonic() + _BEGINNING
        self._processor = 0.0  # seconds used when it last was active
        self.memory = 0  # bytes; 0: could not be measured
        self.disk = 0  # bytes; 0: there was nothing
        self.active_at = time.monotonic()  # when it last had used the processor
        self.sees = False  # True once processes were found, so that processor time is known

    def sample(self) -> None:
        """Look if it is time to; cheap to call often."""
        now = time.monotonic()
        if now >= self._next_memory:
            self._measure_processes(now)
            self._next_memory = now if now < self._begins_until else now + _MEMORY_EVERY
        if now >= self._next_disk:
            self._next_disk = now + _DISK_EVERY
            self.measure_disk()

    def measure_disk(self) -> None:
        """Add up the folders now; a file with several names counts for each."""
        self.disk = max(self.disk, sum(_on_disk(folder) for folder in self._folders))

    def _measure_processes(self, now: float) -> None:
        used = [_usage(pid) for pid in self._processes()]
        self.sees |= bool(used)
        self.memory = max(self.memory, sum(memory for memory, _ in used))
        processor = sum(seconds for _, seconds in used)
        if abs(processor - self._processor) >= _ACTIVE:  # it falls where a process ends unseen
            self._processor, self.active_at = processor, now


def _usage(pid: int) -> tuple[int, float]:
    """Resident bytes, and seconds of processor time of a process and its children that have ended (proc(5))."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (OSError, IndexError):  # it has ended meanwhile
        return 0, 0.0
    ticks = sum(int(field) for field in fields[11:15])  # utime, stime, cutime, cstime
    return pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")


def _on_disk(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_blocks * _BLOCK
            except OSError:  # a work file that is gone already
                continue
    return total
