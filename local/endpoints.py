"""Where a running host is reached, in a file of its folder; and the lock that keeps a second host out."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from shared.errors import BadSetting

_FILE, _LOCK = "endpoints.json", "host.lock"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts of a running host are."""

    pid: int
    http: str  # http://127.0.0.1:<port>
    connection_string: str = field(repr=False)  # of its storage; empty where that is reached by identity


def endpoints_of(folder: Path) -> Endpoints | None:
    """The endpoints of the host that runs on ``folder``, or None where none does; a dead host's file does not count."""
    try:
        with (folder / _LOCK).open("r+") as lock:
            if _try(lock):
                return None  # nobody holds it
        return Endpoints(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # no host was ever there, or it is starting or ending at this moment


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other hosts out of ``folder``; raise BadSetting where one runs. The lock of a killed host is no lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        if not _try(lock, patience=1.0):
            running = endpoints_of(folder)
            who = f", process {running.pid}," if running else ""
            raise BadSetting(f"A host{who} already runs on {folder}; end it first, or use another folder.")
        yield


@contextmanager
def published(folder: Path, endpoints: Endpoints) -> Iterator[None]:
    """Show ``endpoints`` to the other commands of this user; readers see the whole file or none."""
    file, draft = folder / _FILE, folder / f"{_FILE}.new"
    draft.unlink(missing_ok=True)
    # Readable by its owner only: the connection string of a real account holds a key.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        json.dump(asdict(endpoints), out, indent=2)
    draft.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _try(lock: IO[str], patience: float = 0.0) -> bool:
    """Take the lock; ``patience`` in seconds is for those who only look whether somebody holds it."""
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        else:
            return True
