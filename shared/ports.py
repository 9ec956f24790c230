"""What the steps ask of the outside: small Protocols, each with the methods that steps use and no more.

Rights and budgets that all instances share are in `shared.limits`.
Adapters implement them (`shared.adapters`), tests use fakes (`tests.fakes`), `shared.wiring` chooses.
Every method may raise TransientError when the thing behind it is busy or unreachable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from shared.models import BlobPath, Level, Product, State, Tile, TileMonth
from shared.records import MonthRecord, Record

Clock = Callable[[], datetime]  # the present instant, timezone-aware UTC


@dataclass(frozen=True, slots=True)
class Download:
    """An open download: the length the server announced and the bytes as they come."""

    size: int | None  # bytes, where the server says
    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Deletion:
    """A product that the provider has taken out of its catalogue."""

    id: str
    name: str  # as the provider writes it, without .SAFE
    at: datetime
    cause: str  # the provider's words


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A listed product that IceWatch cannot process, and says so: an old format, or an entry that does not parse."""

    id: str
    name: str  # as the provider writes it, without .SAFE
    sensing: datetime | None  # where the provider says
    reason: str  # a sentence


class Retrieval(StrEnum):
    """What became of the wish to bring a product back from the provider's archive."""

    ACCEPTED = "accepted"  # it will be online in some hours
    OVER_QUOTA = "over quota"  # ask again later
    UNSUPPORTED = "unsupported"  # this provider cannot be asked; look again later


class Catalogue(Protocol):
    """A provider of Sentinel-2 products."""

    def search(
        self,
        month: TileMonth,
        *,
        level: Level = Level.L1C,
        modified_since: datetime | None = None,
        unsupported: Callable[[Unsupported], None] | None = None,
    ) -> Iterator[Product]:
        """All products of ``level`` sensed in ``month``, in sensing order, over all pages, each identifier once.

        ``modified_since`` leaves out entries that the provider has not changed since, where it says when it did.
        A listed product in the long format of before 2016-12-06, or one whose entry does not parse though its name
        does, is handed to ``unsupported``, before the search ends; any other name is logged and left out.
        """
        ...

    def deleted(self, month: TileMonth) -> Iterator[Deletion]:
        """Products sensed in ``month`` that the provider has deleted; nothing where it does not tell."""
        ...

    def retrieve(self, product_id: str) -> Retrieval:
        """Ask for an offline product to be brought back."""
        ...

    def download(self, product_id: str) -> AbstractContextManager[Download]:
        """Open the zip of a product.

        NotFound where the provider no longer has it, Offline where it has gone to the archive, AccessDenied where the
        account may not have it, ProviderLimits where the provider asks for a pause, ProviderUnavailable for all else
        that may pass; this the chunks raise too, where they stop, crawl or end too early.
        """
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

    def replace(self, path: BlobPath, data: bytes, *, etag: str | None, content_type: str) -> str:
        """Write a blob only where it still is what the writer has seen: the one with ``etag``, or none where None.

        Returns the new ETag; Changed where it is another by now.
        """
        ...

    def delete(self, path: BlobPath) -> None:
        """Remove a blob; nothing happens where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits in a queue, looked at without taking it."""

    text: str
    since: datetime  # when it was put in
    deliveries: int  # how often it was taken out before


class Queues(Protocol):
    """Sending to queues, for the parts that are no function with an output binding."""

    def send(self, queue: str, text: str, *, delay_seconds: int = 0) -> None:
        """Append a message, visible after the delay."""
        ...

    def depth(self, queue: str) -> int:
        """About how many messages wait or are in work."""
        ...

    def peek(self, queue: str) -> list[Waiting]:
        """The first messages that wait, at most 32; those in work and those delayed are not seen."""
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

    def records(self, partition: str | None = None, *, since: datetime | None = None) -> Iterator[Record]:
        """All records, or those of one partition; with ``since`` only those written at that instant or later."""
        ...

    def in_state(self, state: State) -> Iterator[Record]:
        """All records in one state, over all partitions."""
        ...

    def by_l2a(self, tile: Tile, l2a: str) -> Record | None:
        """The record whose L2A product has this name (without .SAFE)."""
        ...

    def month(self, month: TileMonth) -> MonthRecord | None:
        """What is known about a tile-month; None where nothing is, or its row does not parse."""
        ...

    def update_month(self, month: TileMonth, change: Callable[[MonthRecord | None], MonthRecord]) -> MonthRecord:
        """Create or replace a tile-month by ``change(what is known)``; again where another writer was faster."""
        ...

    def months(self, tile: Tile | None = None, *, since: datetime | None = None) -> Iterator[MonthRecord]:
        """What is known about all tile-months, or those of one tile; ``since`` as in `records`."""
        ...


class Links(Protocol):
    """Addresses of blobs that work for some time without any key."""

    def read(self, path: BlobPath, *, until: datetime) -> str:
        """An address from which the blob can be read until then."""
        ...

    def upload(self, path: BlobPath, *, until: datetime) -> str:
        """An address to which that one blob can be written until then."""
        ...


@dataclass(frozen=True, slots=True)
class Corrected:
    """A finished correction on local disk, and what it took."""

    folder: Path  # the L2A .SAFE folder
    processor: str  # "Sen2Cor 02.12.03", "approximate 1"
    dem: str = ""  # "CopernicusDEM90", "SRTM", "flat" where it worked without one; empty: it does not say
    gipp: str = ""  # member of the folder that keeps the processing parameters; empty: it was given none
    seconds: float = 0.0  # of the processor alone
    peak_memory: int = 0  # bytes resident in all its processes together; 0: could not be measured
    peak_disk: int = 0  # bytes on disk of its input, work files and output together; 0: could not be measured


class Corrector(Protocol):
    """Turns an unpacked L1C product into an L2A product on local disk."""

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
        """Run to the end below ``work``; CorrectionFailed with the reason where no usable product results.

        TransientError where another try may give one. ``on_progress`` gets percent done, as often as the processor
        says so, and the same number again now and then as a sign that it lives.
        """
        ...


@runtime_checkable
class Entries(Protocol):
    """A catalogue that can be asked for one entry; stage asks again where a digest does not match."""

    def entry(self, product_id: str) -> Product | None:
        """The entry as the catalogue has it now; None where it has none (any more)."""
        ...
