"""Putting a product into the inbox: what is checked before, and how a folder travels."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from shared.errors import BadName, BadProduct, NotFound
from shared.models import DROP, MANIFEST, BlobPath, Level, ProductName
from shared.pipeline.drone_drop import name_of
from shared.ports import ObjectStore
from shared.safe import content_type

_CHUNK = 4 * 1024 * 1024


def put(path: Path, store: ObjectStore) -> BlobPath:
    """Upload the product at ``path`` into ``drop/`` and return where it is.

    Zips and orthomosaics (GeoTIFF) go as they are, L2A folders file by file with manifest.safe last, L1C folders as a
    zip made on the way. Raises NotFound, BadName or BadProduct with one sentence.
    """
    if not path.exists():
        raise NotFound(f"There is no {path}.")
    if path.is_file() and path.suffix.lower() in {".tif", ".tiff"}:
        target = BlobPath(DROP, f"{name_of(path.name)}{path.suffix}")
        store.upload(target, path, content_type="image/tiff")
        return target
    product = ProductName.parse(path.resolve().name)
    if path.is_file():
        if not zipfile.is_zipfile(path):
            raise BadProduct(f"{path} is no complete zip file.")
        target = BlobPath(DROP, f"{product.safe}.zip")
        store.upload(target, path, content_type="application/zip")
        return target
    if not path.name.endswith(".SAFE"):
        raise BadName(f"{path} is a folder, but no .SAFE folder.")
    if not (path / MANIFEST).is_file():
        raise BadProduct(f"{path} is incomplete: {MANIFEST} missing.")
    return _put_l2a(path, product, store) if product.level is Level.L2A else _put_l1c(path, product, store)


def _put_l2a(folder: Path, product: ProductName, store: ObjectStore) -> BlobPath:
    target = BlobPath(DROP, product.safe)
    for file in _files(folder):
        relative = file.relative_to(folder).as_posix()
        store.upload(target / relative, file, content_type=content_type(relative))
    return target


def _files(folder: Path) -> list[Path]:
    """The files of a SAFE folder, manifest.safe last."""
    return sorted(
        (file for file in folder.rglob("*") if file.is_file()), key=lambda file: (file == folder / MANIFEST, file)
    )


def _put_l1c(folder: Path, product: ProductName, store: ObjectStore) -> BlobPath:
    target = BlobPath(DROP, f"{product.safe}.zip")
    store.stream(target, _zipped(folder, product), content_type="application/zip")
    return target


class _Outbox:
    """A write-only file whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._taken = 0

    def write(self, data: bytes) -> int:
        self._waiting += data
        return len(data)

    def tell(self) -> int:
        return self._taken + len(self._waiting)

    def flush(self) -> None:
        """Nothing waits for a disk."""

    def close(self) -> None:
        """Nothing was opened."""

    def take(self) -> bytes:
        data = bytes(self._waiting)
        self._taken += len(data)
        self._waiting.clear()
        return data


def _zipped(folder: Path, product: ProductName) -> Iterator[bytes]:
    """The folder as a zip, stored as CDSE stores it, with no more than a chunk in memory."""
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for file in _files(folder):
            name = f"{product.safe}/{file.relative_to(folder).as_posix()}"
            entry = zipfile.ZipInfo.from_file(file, name, strict_timestamps=False)  # zips know no year before 1980
            with file.open("rb") as source, archive.open(entry, "w") as member:
                while chunk := source.read(_CHUNK):
                    member.write(chunk)
                    yield outbox.take()
    yield outbox.take()
