"""One fake per port, in memory, with the behaviour that `shared.ports` promises; used by all tests.

    store, queues, ledger = FakeStore(), FakeQueues(), FakeLedger()
    catalogue = FakeCatalogue([a_product("S2B_MSIL1C_...")], {"id": zip_bytes})
    clock = FakeClock()

Every fake can be told to fail: ``store.fail("read", StorageUnavailable("busy"))`` makes the next ``read`` raise that
error, and several errors are raised by as many calls, in order. What was asked of a fake stands in its ``calls``.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from shared.errors import BadMessage, Changed, NotFound, Offline, ProviderUnavailable, StorageUnavailable
from shared.messages import MAX_BYTES
from shared.models import BlobPath, Checksum, Level, Product, ProductName, State, Tile, TileMonth
from shared.ports import BlobInfo, Corrected, Deletion, Download, Retrieval, Unsupported, Waiting
from shared.records import MonthRecord, Record

NOON = datetime(2024, 8, 1, 12, tzinfo=UTC)
BINARY = "application/octet-stream"


class FakeClock:
    """A clock that moves only when told, or by ``step`` after each look."""

    def __init__(self, now: datetime = NOON, *, step: timedelta = timedelta(0)) -> None:
        self.now = now
        self.step = step

    def __call__(self) -> datetime:
        now = self.now
        self.now += self.step
        return now

    def advance(self, **parts: float) -> None:
        """Move on by ``timedelta(**parts)``."""
        self.now += timedelta(**parts)


class Scripted:
    """What the fakes share: planned failures and a diary of calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []  # (method, argument, ...)
        self._failures: defaultdict[str, list[Exception]] = defaultdict(list)

    def fail(self, method: str, *errors: Exception) -> None:
        """Let the next calls of ``method`` raise ``errors``, one each."""
        self._failures[method] += errors

    def _called(self, method: str, *arguments: object) -> None:
        self.calls.append((method, *arguments))
        if self._failures[method]:
            raise self._failures[method].pop(0)


@dataclass(frozen=True, slots=True)
class FakeBlob:
    """A stored blob."""

    data: bytes
    etag: str
    modified: datetime
    content_type: str


class FakeStore(Scripted):
    """ObjectStore: a dictionary of whole blobs."""

    def __init__(self, blobs: Mapping[BlobPath, bytes] | None = None) -> None:
        super().__init__()
        self.blobs: dict[BlobPath, FakeBlob] = {}
        self.clock: Callable[[], datetime] = FakeClock()
        self._writes = 0
        for path, data in (blobs or {}).items():
            self._put(path, data, BINARY)

    def _put(self, path: BlobPath, data: bytes, content_type: str) -> None:
        self._writes += 1
        self.blobs[path] = FakeBlob(bytes(data), f'"{self._writes:#x}"', self.clock(), content_type)

    def _blob(self, path: BlobPath) -> FakeBlob:
        if path not in self.blobs:
            raise NotFound(f"There is no blob {path}.")
        return self.blobs[path]

    def paths(self, container: str) -> list[str]:
        """Names of all blobs of a container, sorted; for assertions."""
        return sorted(path.name for path in self.blobs if path.container == container)

    def info(self, path: BlobPath) -> BlobInfo | None:
        self._called("info", path)
        blob = self.blobs.get(path)
        return BlobInfo(path, len(blob.data), blob.etag, blob.modified) if blob else None

    def list(self, folder: BlobPath) -> Iterator[BlobInfo]:
        self._called("list", folder)
        below = [p for p in self.blobs if p.container == folder.container and p.name.startswith(f"{folder.name}/")]
        for path in sorted(below):
            blob = self.blobs[path]
            yield BlobInfo(path, len(blob.data), blob.etag, blob.modified)

    def read(self, path: BlobPath) -> bytes:
        self._called("read", path)
        return self._blob(path).data

    def reader(self, path: BlobPath) -> BinaryIO:
        self._called("reader", path)
        return io.BytesIO(self._blob(path).data)

    def write(self, path: BlobPath, data: bytes, *, content_type: str = BINARY) -> None:
        self._called("write", path)
        self._put(path, data, content_type)

    def stream(self, path: BlobPath, chunks: Iterable[bytes], *, content_type: str = BINARY) -> int:
        self._called("stream", path)
        data = b"".join(chunks)  # raises before anything is visible
        self._put(path, data, content_type)
        return len(data)

    def upload(self, path: BlobPath, file: Path, *, content_type: str = BINARY) -> None:
        self._called("upload", path, file)
        self._put(path, file.read_bytes(), content_type)

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        self._called("copy", source, target)
        blob = self._blob(source)
        self._put(target, blob.data, blob.content_type)

    def replace(self, path: BlobPath, data: bytes, *, etag: str | None, content_type: str) -> str:
        self._called("replace", path)
        known = self.blobs.get(path)
        if (known.etag if known else None) != etag:
            raise Changed(f"{path} has been changed since it was read.")
        self._put(path, data, content_type)
        return self.blobs[path].etag

    def delete(self, path: BlobPath) -> None:
        self._called("delete", path)
        self.blobs.pop(path, None)


class FakeQueues(Scripted):
    """Queues: lists of texts."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: defaultdict[str, list[str]] = defaultdict(list)  # queue -> texts in order of sending
        self.delays: defaultdict[str, list[int]] = defaultdict(list)  # queue -> seconds, one per text
        self.arrived: defaultdict[str, list[datetime]] = defaultdict(list)  # queue -> when, one per text
        self.clock: Callable[[], datetime] = FakeClock()

    def send(self, queue: str, text: str, *, delay_seconds: int = 0) -> None:
        self._called("send", queue, text)
        if (length := len(text.encode())) > MAX_BYTES:
            raise BadMessage(f"A message for {queue} is {length} bytes long; at most {MAX_BYTES} fit.")
        self.sent[queue].append(text)
        self.delays[queue].append(delay_seconds)
        self.arrived[queue].append(self.clock())

    def depth(self, queue: str) -> int:
        self._called("depth", queue)
        return len(self.sent[queue])

    def peek(self, queue: str) -> list[Waiting]:
        self._called("peek", queue)
        texts = zip(self.sent[queue], self.delays[queue], self.arrived[queue], strict=False)
        return [Waiting(text, since, 0) for text, delay, since in texts if not delay][:32]


def _copied(record: Record) -> Record:
    """``record`` with maps of its own; what is in them never changes."""
    return replace(
        record,
        times=dict(record.times),
        seconds=dict(record.seconds),
        attempts=dict(record.attempts),
        class_percent=dict(record.class_percent),
        class_km2=dict(record.class_km2),
    )


class FakeLedger(Scripted):
    """Ledger: two dictionaries; rows are copied in and out, so that nobody changes them from outside.

    ``interfere`` (if set) runs once, between the read and the write of the next update: another, faster writer.
    """

    def __init__(self, records: Iterable[Record] = (), months: Iterable[MonthRecord] = ()) -> None:
        super().__init__()
        self.rows: dict[tuple[str, str], Record] = {(r.partition, r.name): _copied(r) for r in records}
        self.month_rows: dict[TileMonth, MonthRecord] = {m.month: m for m in months}
        self.written: dict[object, datetime] = {}  # row or month -> when it was last written, by the real clock
        self.interfere: Callable[[], object] | None = None

    def get(self, partition: str, name: str) -> Record | None:
        self._called("get", partition, name)
        record = self.rows.get((partition, name))
        return _copied(record) if record else None

    def add(self, record: Record) -> bool:
        self._called("add", record)
        if (record.partition, record.name) in self.rows:
            return False
        self.rows[record.partition, record.name] = _copied(record)
        self.written[record.partition, record.name] = datetime.now(UTC)
        return True

    def update(self, partition: str, name: str, change: Callable[[Record], Record]) -> Record:
        self._called("update", partition, name)
        for _ in range(10):
            old = self.rows.get((partition, name))
            if old is None:
                raise NotFound(f"The ledger has no record {partition}/{name}.")
            new = change(_copied(old))
            if self.interfere is not None:
                interfere, self.interfere = self.interfere, None
                interfere()
            if self.rows.get((partition, name)) is old:
                self.rows[partition, name] = _copied(new)
                self.written[partition, name] = datetime.now(UTC)
                return _copied(new)
        raise StorageUnavailable(f"The record {partition}/{name} is written by others all the time.")

    def records(self, partition: str | None = None, *, since: datetime | None = None) -> Iterator[Record]:
        self._called("records", partition)
        for key, record in sorted(self.rows.items()):
            if partition in {None, key[0]} and self._is_newer(key, since):
                yield _copied(record)

    def _is_newer(self, key: object, since: datetime | None) -> bool:
        return since is None or self.written.get(key, datetime.min.replace(tzinfo=UTC)) >= since

    def in_state(self, state: State) -> Iterator[Record]:
        self._called("in_state", state)
        yield from (_copied(record) for _, record in sorted(self.rows.items()) if record.state is state)

    def by_l2a(self, tile: Tile, l2a: str) -> Record | None:
        self._called("by_l2a", tile, l2a)
        found = (r for (partition, _), r in sorted(self.rows.items()) if partition == tile.name and r.l2a == l2a)
        record = next(found, None) if l2a else None
        return _copied(record) if record else None

    def month(self, month: TileMonth) -> MonthRecord | None:
        self._called("month", month)
        return self.month_rows.get(month)

    def months(self, tile: Tile | None = None, *, since: datetime | None = None) -> Iterator[MonthRecord]:
        self._called("months", tile)
        rows = [row for row in self.month_rows.items() if tile in {None, row[0].tile}]
        return iter([row for month, row in rows if self._is_newer(month, since)])

    def update_month(self, month: TileMonth, change: Callable[[MonthRecord | None], MonthRecord]) -> MonthRecord:
        self._called("update_month", month)
        for _ in range(10):
            old = self.month_rows.get(month)
            new = change(old)
            if self.interfere is not None:
                interfere, self.interfere = self.interfere, None
                interfere()
            if self.month_rows.get(month) is old:
                self.month_rows[month] = new
                self.written[month] = datetime.now(UTC)
                return new
        raise StorageUnavailable(f"The row of {month} is written by others all the time.")

    def save_month(self, record: MonthRecord) -> None:
        """Put a row there before a test: no step may, for it would overwrite what another wrote just now."""
        self.month_rows[record.month] = record
        self.written[record.month] = datetime.now(UTC)


class FakeLinks:
    """Links: addresses that say what they are for."""

    def read(self, path: BlobPath, *, until: datetime) -> str:
        return f"https://storage.example.org/{path}?read-until={until:%Y%m%dT%H%M%SZ}"

    def upload(self, path: BlobPath, *, until: datetime) -> str:
        return f"https://storage.example.org/{path}?write-until={until:%Y%m%dT%H%M%SZ}"


def a_product(
    name: str,
    *,
    product_id: str = "",
    body: bytes = b"",
    checksums: tuple[Checksum, ...] = (),
    published: datetime = NOON,
    online: bool = True,
    cloud_cover: float | None = 10.0,
    modified: datetime | None = None,
) -> Product:
    """A catalogue entry; the identifier follows from the name unless given."""
    parsed = ProductName.parse(name)
    identifier = product_id or f"id-{parsed.platform}-{parsed.stamp}-{parsed.baseline}-{parsed.discriminator:%H%M%S}"
    return Product(identifier, parsed, len(body), checksums, published, online, cloud_cover, modified)


def _sensed_in(name: ProductName, month: TileMonth) -> bool:
    return name.tile == month.tile and month.start <= name.sensing < month.end


class FakeCatalogue(Scripted):
    """Catalogue: entries and the bytes of their zips.

    ``publish`` and ``withdraw`` change what it offers, as a provider does. A download whose entry in ``cut`` says N
    stops after N bytes with ProviderUnavailable, as a broken connection does.
    """

    def __init__(self, products: Iterable[Product] = (), downloads: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self.products: list[Product] = list(products)
        self.downloads: dict[str, bytes] = dict(downloads or {})  # by product id
        self.deletions: list[Deletion] = []
        self.long_names: list[tuple[TileMonth, Unsupported]] = []
        self.retrieval = Retrieval.UNSUPPORTED  # what becomes of the wish for an offline product
        self.cut: dict[str, int] = {}  # by product id: bytes after which the connection breaks
        self.chunk = 1024  # bytes
        self.says_size = True
        self.open_now = 0
        self.open_most = 0

    def publish(self, product: Product, body: bytes | None = None) -> None:
        """Add an entry, or replace the one of the same identifier."""
        self.products = [known for known in self.products if known.id != product.id] + [product]
        if body is not None:
            self.downloads[product.id] = body

    def withdraw(self, name: str, *, at: datetime = NOON, cause: str = "Duplicated product") -> None:
        """Delete the entry of a product name; it is listed as deleted from now on."""
        [gone] = [product for product in self.products if str(product.name) == name]
        self.products.remove(gone)
        self.downloads.pop(gone.id, None)
        self.deletions.append(Deletion(gone.id, str(gone.name), at, cause))

    def search(
        self,
        month: TileMonth,
        *,
        level: Level = Level.L1C,
        modified_since: datetime | None = None,
        unsupported: Callable[[Unsupported], None] | None = None,
    ) -> Iterator[Product]:
        self._called("search", month)
        for listed, found in self.long_names:
            if listed == month and unsupported is not None:
                unsupported(found)
        mine = [p for p in self.products if p.name.level is level and _sensed_in(p.name, month)]
        if modified_since is not None:
            mine = [p for p in mine if p.modified is None or p.modified > modified_since]
        yield from sorted(mine, key=lambda product: product.name.sensing)

    def deleted(self, month: TileMonth) -> Iterator[Deletion]:
        self._called("deleted", month)
        yield from (d for d in self.deletions if _sensed_in(ProductName.parse(d.name), month))

    def retrieve(self, product_id: str) -> Retrieval:
        self._called("retrieve", product_id)
        return self.retrieval

    @contextmanager
    def download(self, product_id: str) -> Iterator[Download]:
        self._called("download", product_id)
        if product_id not in self.downloads:
            raise NotFound(f"The provider has no product {product_id}.")
        if any(product.id == product_id and not product.online for product in self.products):
            raise Offline(f"The provider has product {product_id} in its archive.")
        body = self.downloads[product_id]
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            yield Download(len(body) if self.says_size else None, self._chunks(product_id, body))
        finally:
            self.open_now -= 1

    def _chunks(self, product_id: str, body: bytes) -> Iterator[bytes]:
        end = self.cut.get(product_id, len(body))
        for start in range(0, end, self.chunk):
            yield body[start : min(start + self.chunk, end)]
        if end < len(body):
            raise ProviderUnavailable(f"The download of {product_id} ended after {end} of {len(body)} bytes.")


class FakeCorrector(Scripted):
    """Corrector: writes ``files`` (path in the L2A folder -> bytes) as the L2A product of the given L1C folder."""

    def __init__(self, files: Mapping[str, bytes] | None = None, *, processor: str = "fake 1") -> None:
        super().__init__()
        self.files = dict(files or {"manifest.safe": b"<manifest/>"})
        self.processor = processor

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
        self._called("correct", l1c, work)
        folder = work / l1c.name.replace("_MSIL1C_", "_MSIL2A_")
        for name, data in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        on_progress(100.0)
        return Corrected(folder, self.processor)


class FakeSlots(Scripted):
    """Slots: a counter. ``lost`` makes the next ``check`` of a held slot raise."""

    def __init__(self, count: int = 4) -> None:
        super().__init__()
        self.count = count
        self.held = 0
        self.lost = False

    def take(self, *, backfill: bool) -> AbstractContextManager[FakeSlots] | None:
        self._called("take", backfill)
        usable = self.count - 1 if backfill and self.count > 1 else self.count
        return self._hold() if self.held < usable else None

    @contextmanager
    def _hold(self) -> Iterator[FakeSlots]:
        self.held += 1
        try:
            yield self
        finally:
            self.held -= 1

    def check(self) -> None:
        if self.lost:
            raise StorageUnavailable("Download slot 0 was lost: its lease could not be renewed.")


class FakeLock:
    """What FakeLocks gave out; where it is ``lost``, ``check`` raises."""

    def __init__(self, held: set[str], name: str, *, lost: bool) -> None:
        self._held, self._name, self.lost = held, name, lost
        held.add(name)

    def __enter__(self) -> FakeLock:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.discard(self._name)

    def check(self) -> None:
        if self.lost:
            raise StorageUnavailable(f"The lock of {self._name} was lost: its lease could not be renewed.")


class FakeLocks:
    """Locks by name; ``held`` are those that somebody has, ``dying`` those whose holder is dead: free in a minute."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.dying: set[str] = set()
        self.are_lost = False

    def take(self, name: object, *, patience: float = 0.0) -> FakeLock | None:
        is_held = str(name) in self.held or (str(name) in self.dying and patience < 60)
        return None if is_held else FakeLock(self.held, str(name), lost=self.are_lost)


class FakeTally(Scripted):
    """Tally: a dictionary."""

    def __init__(self, days: Mapping[date, int] | None = None) -> None:
        super().__init__()
        self.days: dict[date, int] = dict(days or {})

    def update(self, change: Callable[[Mapping[date, int]], Mapping[date, int]]) -> None:
        self._called("update")
        self.days = dict(change(dict(self.days)))
