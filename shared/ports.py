"""What the steps ask of the outside: small Protocols, each with the methods that steps use and no more.

Adapters implement them (`shared.adapters`), tests use fakes (`tests.fakes`), `shared.wiring` chooses.
Every method may raise TransientError when the thing behind it is busy or unreachable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from shared.models import BlobPath, Product, Tile, TileMonth
from shared.records import MonthRecord, Record

Clock = Callable[[], datetime]  # the present instant, timezone-aware UTC


@dataclass(frozen=True, slots=True)
class Download:
    """An open download: the length the server announced and the bytes as they come."""

    size: int | None  # bytes, where the server says
    chunks: Iterator[bytes]


class Catalogue(Protocol):
    """A provider of Sentinel-2 products."""

    def search(self, month: TileMonth) -> Iterator[Product]:
        """All L1C products sensed in ``month``, in sensing order, over all pages.

        A listed name that does not parse is logged and left out of the result.
        """
        ...

    def download(self, product_id: str) -> AbstractContextManager[Download]:
        """Open the zip of a product; NotFound where the provider no longer has it."""
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What a listing says about one blob."""

    path: BlobPath
    size: int  # bytes
    etag: str
    modified: datetime


class ObjectStore(Protocol):
    """Blobs in containers. A blob appears whole or not at all."""

    def info(self, path: BlobPath) -> BlobInfo | None:
        """Facts about a blob, None where there is none."""
        ...

    def list(self, folder: BlobPath) -> Iterator[BlobInfo]:
        """All blobs below a virtual folder, at any depth, in name order."""
        ...

    def read(self, path: BlobPath) -> bytes:
        """The whole blob; NotFound where there is none. For blobs that fit memory."""
        ...

    def reader(self, path: BlobPath) -> BinaryIO:
        """A seekable binary file that fetches ranges as they are read; NotFound where there is none."""
        ...

    def write(self, path: BlobPath, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        """Create or replace a blob in one step."""
        ...

    def stream(self, path: BlobPath, chunks: Iterable[bytes], *, content_type: str = "application/octet-stream") -> int:
        """Create or replace a blob from chunks with bounded memory; returns its size in bytes.

        Nothing is visible until ``chunks`` ends; if it raises, nothing becomes visible and the error passes.
        """
        ...

    def upload(self, path: BlobPath, file: Path, *, content_type: str = "application/octet-stream") -> None:
        """Create or replace a blob from a local file."""
        ...

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        """Copy inside the store; NotFound where there is no source."""
        ...

    def delete(self, path: BlobPath) -> None:
        """Remove a blob; nothing happens where there is none."""
        ...


class Queues(Protocol):
    """Sending to queues, for the parts that are no function with an output binding."""

    def send(self, queue: str, text: str, *, delay_seconds: int = 0) -> None:
        """Append a message, visible after the delay."""
        ...

    def depth(self, queue: str) -> int:
        """About how many messages wait or are in work."""
        ...


class Ledger(Protocol):
    """The state of every product and tile-month."""

    def get(self, partition: str, name: str) -> Record | None:
        """One record, None where there is none."""
        ...

    def add(self, record: Record) -> bool:
        """Create a record; False (and nothing changed) where one of that name exists."""
        ...

    def update(self, partition: str, name: str, change: Callable[[Record], Record]) -> Record:
        """Replace a record by ``change(record)`` atomically, again with the newest where a writer was faster.

        ``change`` must be pure: it may be called more than once. NotFound where there is no such record.
        """
        ...

    def records(self, partition: str | None = None) -> Iterator[Record]:
        """All records, or those of one partition."""
        ...

    def by_l2a(self, tile: Tile, l2a: str) -> Record | None:
        """The record whose L2A product has this name (without .SAFE)."""
        ...

    def month(self, month: TileMonth) -> MonthRecord | None:
        """What is known about a tile-month."""
        ...

    def save_month(self, record: MonthRecord) -> None:
        """Create or replace what is known about a tile-month."""
        ...


@dataclass(frozen=True, slots=True)
class Corrected:
    """A finished correction on local disk."""

    folder: Path  # the L2A .SAFE folder
    processor: str  # "Sen2Cor 02.12.03", "approximate 1"


class Corrector(Protocol):
    """Turns an unpacked L1C product into an L2A product on local disk."""

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
        """Run to the end below ``work``; CorrectionFailed with the reason where no usable product results.

        ``on_progress`` gets percent done, as often as the processor says so.
        """
        ...
