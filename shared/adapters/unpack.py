"""Unpacks a product's zip into a folder, without trusting a byte of it.

The names are judged by `shared.archive` before any is used; here come the dangers of a real disk: names that
two file systems read differently, declared sizes that lie, a directory too large for memory, a disk too small.
The zip is read through a seekable file, so that it need not lie on this disk itself.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from shared.archive import Member, damage_named, members, open_zip
from shared.errors import BadProduct, TransientError
from shared.models import ProductName, shown
from shared.safe import l1c_files

_CHUNK = 1024 * 1024
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a product may need; more is refused."""

    total_bytes: int = 4 * 1024**3  # unpacked
    members: int = 5_000  # files
    spare_bytes: int = 64 * 1024**2  # disk that must stay free


def free_bytes(folder: Path) -> int:
    """Free bytes of the disk that holds ``folder``."""
    return shutil.disk_usage(folder).free


def unpack(
    archive: BinaryIO,
    product: ProductName,
    into: Path,
    *,
    limits: Limits | None = None,
    free: Callable[[Path], int] = free_bytes,
    checkpoint: Callable[[], None] = lambda: None,
) -> Path:
    """Unpack the L1C zip of ``product`` below ``into`` and return its SAFE folder.

    The zip is complete, every checksum right and every folder that Sen2Cor expects there, or BadProduct is
    raised with the fault; TransientError where the disk has no room. Nothing is left behind on errors.
    ``checkpoint`` is called between chunks and may raise to stop the work.
    """
    limits = limits or Limits()
    into.mkdir(parents=True, exist_ok=True)
    folder = into / product.safe
    with open_zip(archive, product) as opened:
        found = members(opened.infolist(), product)
        l1c_files((member.path for member in found), str(product))
        _refuse_ambiguous(found, product)
        _refuse_too_much(found, product, limits, free(into))
        folder.mkdir()
        try:
            for member in found:
                with (
                    _room_named(product, member.path),
                    damage_named(product, member.path),
                    opened.open(member.entry) as source,
                ):
                    _copy(source, folder / member.path, member, product, checkpoint)
            _restore_folders(folder, found)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder


@contextmanager
def _room_named(product: ProductName, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        if cause.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise TransientError(f"The disk was full while unpacking {shown(path)} of {product}.") from cause
        raise


def _refuse_ambiguous(found: Iterable[Member], product: ProductName) -> None:
    """Refuse names that another file system reads differently, and a file that is a folder elsewhere."""
    files: set[str] = set()
    folders: set[str] = set()
    for member in found:
        parts = member.path.split("/")
        if wrong := [part for part in parts if _DEVICE.fullmatch(part) or part != part.rstrip(". ")]:
            raise BadProduct(f"{product} holds '{shown(member.path)}'; '{shown(wrong[0])}' is no portable name.")
        key = member.path.casefold()
        if key in files:
            raise BadProduct(f"{product} holds {shown(member.path)} twice.")
        files.add(key)
        folders.update("/".join(parts[:depth]).casefold() for depth in range(1, len(parts)))
    if both := sorted(files & folders):
        raise BadProduct(f"{product} holds {shown(both[0])} as a file and as a folder.")


def _refuse_too_much(found: list[Member], product: ProductName, limits: Limits, free: int) -> None:
    total = sum(member.size for member in found)
    if len(found) > limits.members or total > limits.total_bytes:
        raise BadProduct(
            f"{product} would unpack to {len(found)} files with {total} bytes; "
            f"at most {limits.members} with {limits.total_bytes} are accepted."
        )
    if free < total + limits.spare_bytes:
        raise TransientError(f"{product} needs {total + limits.spare_bytes} bytes of disk; {free} are free.")


def _copy(
    source: IO[bytes], target: Path, member: Member, product: ProductName, checkpoint: Callable[[], None]
) -> None:
    """Copy one member; zipfile compares the checksum at the end, the length is compared here."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with target.open("xb") as sink:
        while chunk := source.read(_CHUNK):
            checkpoint()
            written += sink.write(chunk)
    if written != member.size:
        raise BadProduct(f"{product} states {member.size} bytes for {shown(member.path)}; {written} came out.")


def _restore_folders(folder: Path, found: Iterable[Member]) -> None:
    """Make the folders that may be empty, and so get lost in zips; without them Sen2Cor gives up (error 3181)."""
    granules = {member.path.rpartition("/")[0] for member in found if member.path.endswith("/MTD_TL.xml")}
    for lost in ["AUX_DATA", "HTML", *(f"{granule}/AUX_DATA" for granule in granules)]:
        (folder / lost).mkdir(parents=True, exist_ok=True)
