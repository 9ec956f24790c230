"""A folder of its own for each run, gone afterwards.

Runs that were killed leave theirs, and perhaps the processor at work in it: both go at the next start.
"""

from __future__ import annotations

import fcntl
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from shared.adapters.processes import end_orphans
from shared.adapters.removal import remove

_PREFIX, _LOCK = "icewatch-correct-", ".lock"
_log = logging.getLogger("icewatch")


@contextmanager
def scratch(base: str) -> Iterator[Path]:
    """A new folder below ``base`` (empty: the system's temporary folder), removed at the end whatever happens.

    A lock beside the folder says that the run lives; the kernel drops it when the process dies.
    """
    root = Path(base or tempfile.gettempdir()).absolute()  # as the processes of a run are marked with it
    root.mkdir(parents=True, exist_ok=True)
    _remove_stale(root)
    while True:
        folder = root / f"{_PREFIX}{uuid4().hex}"
        lock = _lock_of(folder)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # before the folder is there, so that it is never found unlocked
            if not lock.exists():  # another run took it for a dead one's, in the moment before it was locked
                continue
            folder.mkdir()
            try:
                yield folder
            finally:
                _remove(folder)
            return


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_LOCK}")


def _remove(folder: Path) -> None:
    if not remove(folder):
        _log.warning("Not all of %s could be removed.", folder)
    _lock_of(folder).unlink(missing_ok=True)


def _remove_stale(root: Path) -> None:
    for name in {path.name.removesuffix(_LOCK) for path in root.glob(f"{_PREFIX}*")}:
        with _if_dead(root / name) as dead:
            if dead:
                ended = end_orphans(root / name)
                _log.warning("A dead run left %s and %d processes: they go", root / name, ended)
                _remove(root / name)


@contextmanager
def _if_dead(folder: Path) -> Iterator[bool]:
    """True where the run of ``folder`` is dead; nobody else finds that out within the block."""
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(_lock_of(folder).open())
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:  # it went just now, or what is left of it could not be removed
            dead = folder.is_dir()
        except BlockingIOError:  # its run is alive
            dead = False
        else:
            dead = True
        yield dead
