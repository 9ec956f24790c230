"""A folder of its own for each run, gone afterwards; those of runs that were killed go at the next start."""

from __future__ import annotations

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_PREFIX = "icewatch-correct-"
_log = logging.getLogger("icewatch")


@contextmanager
def scratch(base: str) -> Iterator[Path]:
    """A new folder below ``base`` (empty: the system's temporary folder), removed at the end whatever happens.

    A lock beside the folder says that the run lives; the kernel drops it when the process dies.
    """
    root = Path(base or tempfile.gettempdir())
    root.mkdir(parents=True, exist_ok=True)
    _remove_stale(root)
    folder = root / f"{_PREFIX}{uuid4().hex}"
    lock = _lock_of(folder)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # before the folder is there, so that it is never found unlocked
        folder.mkdir()
        try:
            yield folder
        finally:
            _remove(folder)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _lock_of(folder).unlink(missing_ok=True)


def _remove_stale(root: Path) -> None:
    for folder in root.glob(f"{_PREFIX}*"):
        if not folder.is_dir():
            continue
        with _lock_of(folder).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # its run is alive
                continue
            _log.info("Removing what a dead run left in %s", folder)
            _remove(folder)
