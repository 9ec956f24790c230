"""Unpacks a product's zip into a folder, without trusting a byte of it.

The names are judged by `shared.archive` before any is used; here come the dangers of a real disk: names that
two file systems read differently, declared sizes that lie, a directory too large for memory, a disk too small.
The zip is read through a seekable file, once from its beginning to its end, so that it need not lie on this disk
itself: zip and folder are never there together.
"""

from __future__ import annotations

import errno
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from shared.archive import Member, damage_named, members, open_zip
from shared.errors import BadProduct, TransientError
from shared.models import ProductName, shown
from shared.safe import l1c_files, parse_tile_metadata

_CHUNK = 1024 * 1024
_TILE = 5490 * 5490  # pixels of a whole tile at 20 m
# Bytes on disk, per pixel at 20 m, that the correction needs beside its input. Sen2Cor keeps layers uncompressed below
# its work folder: 13 bands before and 13 after, SCL, cloud, snow, aerosol, water vapour, elevation, slope, aspect and
# shadow, 2 bytes each, make 70; the L2A product is at most 15 layers of 2 bytes, make 30. A whole tile: 3.0 GB.
_BESIDES = 100
_MOST_METADATA = 64 * 1024**2  # bytes
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a product may need; more is refused."""

    total_bytes: int = 4 * 1024**3  # unpacked
    members: int = 5_000  # files
    spare_bytes: int = 64 * 1024**2  # disk that must stay free
    scratch_bytes: int = 8 * 1024**3  # disk that one product may fill, its correction included


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
    raised with the fault; TransientError where the disk has no room for the correction of it. Nothing is left behind
    on errors.
    ``checkpoint`` is called between chunks and may raise to stop the work.
    """
    limits = limits or Limits()
    into.mkdir(parents=True, exist_ok=True)
    folder = into / product.safe
    with open_zip(archive, product) as opened:
        found = members(opened.infolist(), product)
        l1c_files((member.path for member in found), str(product))
        _refuse_ambiguous(found, product)
        _refuse_too_much(found, product, limits)
        need = sum(member.size for member in found) + _BESIDES * _pixels(opened, found, product)
        _refuse_too_little_room(need, product, limits, free(into))
        folder.mkdir()
        try:
            for member in sorted(found, key=lambda each: each.entry.header_offset):
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


def _refuse_too_much(found: list[Member], product: ProductName, limits: Limits) -> None:
    total = sum(member.size for member in found)
    if len(found) > limits.members or total > limits.total_bytes:
        raise BadProduct(
            f"{product} would unpack to {len(found)} files with {total} bytes; "
            f"at most {limits.members} with {limits.total_bytes} are accepted."
        )


def _pixels(opened: zipfile.ZipFile, found: Iterable[Member], product: ProductName) -> int:
    """Pixels at 20 m, as the tile's metadata says; those of a whole tile where it says nothing readable."""
    for member in found:
        if member.path.endswith("/MTD_TL.xml") and member.size <= _MOST_METADATA:
            try:
                with damage_named(product, member.path):
                    rows, columns = parse_tile_metadata(opened.read(member.entry), member.path).shapes[20]
            except (BadProduct, KeyError):  # the processor will say what it thinks of that
                break
            return rows * columns
    return _TILE


def _refuse_too_little_room(need: int, product: ProductName, limits: Limits, free: int) -> None:
    if limits.scratch_bytes < need:
        raise TransientError(
            f"{product} needs about {_mib(need)} MiB of disk to be corrected; "
            f"it may fill {_mib(limits.scratch_bytes)} (CORRECTION_SCRATCH_GIB)."
        )
    if free < need + limits.spare_bytes:
        raise TransientError(
            f"{product} needs about {_mib(need + limits.spare_bytes)} MiB of disk to be corrected; "
            f"{_mib(free)} are free."
        )


def _mib(size: int) -> int:
    return round(size / 1024**2)


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
