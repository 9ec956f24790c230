"""Removing a folder that somebody else filled: also where they took away their own right to change it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path


def remove(folder: Path) -> bool:
    """Remove ``folder`` with all that is in it; False where something of it stays. Links are removed, not followed."""
    with suppress(OSError):
        folder.chmod(0o700)
    for below, folders, _ in os.walk(folder):
        for name in folders:
            with suppress(OSError):
                if not (path := Path(below, name)).is_symlink():
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
