"""What may be inside a product's zip: member names and sizes are parsed before any byte is used.

The zip of the Copernicus services holds one top folder, named as the product, with the files below it.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from shared.errors import BadProduct
from shared.models import ProductName, shown

MAX_MEMBERS = 5_000  # a real L1C product has about 130
MAX_BYTES = 8 * 1024**3  # unpacked; the largest real products stay below 2 GiB
_ENCRYPTED = 0x1
_DIRECTORY_LIMIT = 16 * 1024 * 1024  # bytes; zipfile reads the directory in one piece, and real ones have 40 kB
# What zipfile and zlib raise for files that are damaged or use what no product uses.
DAMAGE = (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, ValueError, struct.error)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a product's zip, found harmless."""

    path: str  # relative to the SAFE folder, with "/" between folders
    size: int  # bytes when unpacked, as the directory states; check again while reading
    entry: zipfile.ZipInfo


class BoundedDirectory:
    """Passes reads on, unless one asks for more than any honest zip's directory needs."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """As of the file; BadZipFile where more is asked for at once than any directory needs."""
        if size > _DIRECTORY_LIMIT:
            raise zipfile.BadZipFile(f"its directory is {size} bytes long, at most {_DIRECTORY_LIMIT} are accepted")
        return self._file.read(size)

    def seekable(self) -> bool:
        """It is, as zipfile asks."""
        return True


def open_zip(file: IO[bytes], product: ProductName) -> zipfile.ZipFile:
    """Open a product's zip, of which only the directory is read; BadProduct where it is none or is cut short."""
    try:
        return zipfile.ZipFile(cast("IO[bytes]", BoundedDirectory(file)))
    except DAMAGE as cause:
        raise BadProduct(f"{product} is no complete zip file: {shown(cause)}.") from cause


@contextmanager
def damage_named(product: ProductName, path: str) -> Iterator[None]:
    """Turn what zipfile raises while the member ``path`` is read into BadProduct."""
    try:
        yield
    except DAMAGE as cause:
        raise BadProduct(f"{product} is damaged at {shown(path)}: {shown(cause) or 'it ends early'}.") from cause


def members(entries: Iterable[zipfile.ZipInfo], product: ProductName) -> list[Member]:
    """The files of a product's zip in directory order; BadProduct where any entry is not acceptable.

    Refused: names that climb or are absolute, other top folders than the product's, links and devices,
    encrypted or doubled entries, and more members or bytes than any product has.
    """
    found: dict[str, Member] = {}
    total = 0
    for count, entry in enumerate(entries, start=1):
        _refuse_harmful(entry, product)
        total += entry.file_size
        if count > MAX_MEMBERS or total > MAX_BYTES:
            raise BadProduct(
                f"{product} holds over {MAX_MEMBERS} members or {MAX_BYTES} bytes; no Sentinel-2 product does."
            )
        if entry.is_dir():
            continue
        path = entry.filename.removeprefix(f"{product.safe}/")
        if path in found:
            raise BadProduct(f"{product} holds {shown(path)} twice.")
        found[path] = Member(path, entry.file_size, entry)
    return list(found.values())


def _refuse_harmful(entry: zipfile.ZipInfo, product: ProductName) -> None:
    # zipfile cuts names at a NUL; the name as stored is what an attacker wrote.
    name = entry.orig_filename
    parts = name.rstrip("/").split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\\" in name or ":" in name or not name.isprintable():
        raise BadProduct(f"{product} holds a member named '{shown(name)}', which would leave its folder.")
    if parts[0] != product.safe:
        raise BadProduct(f"{product} holds '{shown(name)}'; expected everything below {product.safe}/.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise BadProduct(f"{product} holds '{shown(name)}', which is a link or a device.")
    if entry.flag_bits & _ENCRYPTED:
        raise BadProduct(f"{product} holds '{shown(name)}' encrypted.")
