"""What kind of file system a folder is on, as the kernel lists it. Sen2Cor leaves empty products on network folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_MOUNTS = Path("/proc/mounts")
_NETWORK = {"cifs", "smb3", "smbfs", "nfs", "nfs4", "afs", "ceph", "glusterfs", "lustre", "ncpfs"}
_LOCAL_FUSE = {"fuse.fuse-overlayfs"}  # how rootless containers stack the layers of an image
_ESCAPE = re.compile(r"\\([0-7]{3})")  # a space in a path is \040


def file_system_of(path: Path, mounts: str | None = None) -> str:
    """The type of the file system that holds ``path``, such as "ext4", "overlay" or "cifs"; "" where nobody says.

    ``mounts`` is the text of /proc/mounts, by default this machine's.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    wanted, best, found = path.resolve(), -1, ""
    for point, kind in _listed(mounts):
        # Of two on one point the later covers the earlier.
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), kind
    return found


def network_file_system(path: Path, mounts: str | None = None) -> str:
    """The type of the file system that holds ``path`` where that is on another machine; "" where it is on this one."""
    kind = file_system_of(path, mounts)
    foreign = kind in _NETWORK or (kind.startswith("fuse.") and kind not in _LOCAL_FUSE)
    return kind if foreign else ""


def _listed(mounts: str) -> Iterator[tuple[Path, str]]:
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) >= 3:
            yield Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), parts[1])), parts[2]
