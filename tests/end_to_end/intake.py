"""The intake alone on a running host: real functions and storage, a simulated Copernicus, and nobody who corrects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

from azure.storage.blob import BlobClient, BlobServiceClient

import function_app
from local.copernicus import Kind, Meanwhile, Paging, SimulatedCopernicus
from local.host import Host, Pace
from local.serve import BLOB_ENDINGS
from shared.adapters.cdse import Cdse
from shared.adapters.cdse_sessions import SealedSession
from shared.adapters.leases import LOCKS
from shared.adapters.provider_answers import Patience
from shared.messages import CORRECTIONS, QUEUES, TILE_MONTHS, CorrectionMessage, TileMonthMessage, poison_of
from shared.models import CONFIG, L1C, BlobPath, ProductName, State, staged_zip
from shared.records import REFUSED, Record
from shared.settings import STORAGE
from shared.wiring import Services, services
from tests.products import l1c_zip

NO_ROWS: Mapping[str, State] = {}
NO_TRIES: Mapping[str, int] = {}
_OWN = ("azure-webjobs", LOCKS, CONFIG)  # containers of host and app that hold no products
_BLOB_POISON = "webjobs-blobtrigger-poison"


@dataclass
class Intake:
    """The running host and one tile-month that no other test uses."""

    host: Host
    copernicus: SimulatedCopernicus
    tile: str
    offered: dict[str, bytes] = field(default_factory=dict)  # product -> its zip

    @property
    def outside(self) -> Services:
        return services()

    def named(self, day: int = 5, *, baseline: str = "0510", made: str = "184612") -> str:
        sensing = f"202407{day:02d}T151809"
        return f"S2B_MSIL1C_{sensing}_N{baseline}_R068_T{self.tile}_20240731T{made}"

    def publish(self, name: str, *, padding: int = 0, product_id: str = "", online: bool = True) -> str:
        """Offer a whole product, with so many bytes more; returns its identifier."""
        extra = {f"{name}.SAFE/HTML/padding.bin": bytes(padding)} if padding else {}
        self.offered[name] = l1c_zip(name, extra=extra)
        return self.copernicus.publish_entry(name, self.offered[name], product_id=product_id, online=online)

    def search(self) -> None:
        """Have the month searched, and wait until everything that follows is done."""
        self.ask()
        self.settle()

    def ask(self) -> None:
        self.outside.queues.send(TILE_MONTHS, TileMonthMessage(tile=self.tile, month="2024-07").encode())

    def settle(self, *, left: Iterable[str] = (), seconds: float = 120.0) -> None:
        """Wait until nothing is ``left`` to do but this; whatever can be seen on the way is whole."""
        deadline = monotonic() + seconds
        while (outstanding := self.host.outstanding()) != list(left):
            assert monotonic() < deadline, f"Still to do: {outstanding}"
            assert self.visible().items() <= self.sizes().items(), f"Not whole: {self.visible()}"
            sleep(0.05)

    def visible(self) -> dict[BlobPath, int]:
        return {info.path: info.size for info in self.outside.store.list(BlobPath(L1C, self.tile))}

    def sizes(self) -> dict[BlobPath, int]:
        return {staged_zip(ProductName.parse(name)): len(body) for name, body in self.offered.items()}

    def when_downloaded(self, action: Callable[[], object]) -> None:
        """Let ``action`` happen at the provider after discover has listed a product, just before it is handed out."""
        self.copernicus.inject(Meanwhile(action, kind=Kind.DOWNLOAD))

    def until(self, name: str, state: State, seconds: float = 120.0) -> None:
        deadline = monotonic() + seconds
        while (record := self.outside.ledger.get(self.tile, name)) is None or record.state is not state:
            assert monotonic() < deadline, f"{name} is not {state}: {record}"
            sleep(0.05)

    def record(self, name: str) -> Record:
        record = self.outside.ledger.get(self.tile, name)
        assert record is not None, f"{name} is not in the ledger"
        return record

    def md5(self, name: str) -> str:
        return hashlib.md5(self.offered[name]).hexdigest()

    def classified(self, name: str) -> None:
        """What correction and classification would leave: the row says so, and the zip is gone."""
        self.outside.ledger.update(
            self.tile,
            name,
            lambda old: old.advanced(State.CLASSIFIED, step="classify", at=datetime.now(UTC)),
        )
        self.outside.store.delete(staged_zip(ProductName.parse(name)))

    def holds(
        self,
        *staged: str,
        others: Mapping[str, State] = NO_ROWS,
        downloads: int,
        attempts: Mapping[str, int] = NO_TRIES,
        checksum: str = "",
        sent: Iterable[str] = (),
    ) -> None:
        """Ledger, blobs and queues are exactly this: the products ``staged``, and the ``others`` in the ledger alone.

        ``attempts`` are what the rows of the staged count per step, ``checksum`` what they say instead of the true
        MD5, ``sent`` other products that were sent on before.
        """
        rows = {record.name: record for record in self.outside.ledger.records(self.tile)}
        found: dict[str, object] = {
            "states": {name: row.state for name, row in rows.items()},
            "blobs": self._blobs(),
            "sent on": self._sent_on(),
            "downloads": self.copernicus.requests[Kind.DOWNLOAD],
            "lost": self._lost(),
            "slots in use": self._slots() - {"available"},
        }
        right: dict[str, object] = {
            "states": dict.fromkeys(staged, State.STAGED) | dict(others),
            "blobs": {str(staged_zip(ProductName.parse(name))): self.md5(name) for name in staged},
            "sent on": sorted([*staged, *sent]),
            "downloads": downloads,
            "lost": {},
            "slots in use": set(),
        }
        for name in staged:
            row = rows.get(name)
            found[name] = row and (row.reason, row.error, row.attempts, row.bytes, row.checksum)
            right[name] = ("", "", attempts, len(self.offered[name]), checksum or f"MD5:{self.md5(name)}")
        unlike = {what: (found[what], right[what]) for what in right if found[what] != right[what]}
        assert not unlike, f"Found, and right: {unlike}"

    def _blobs(self) -> dict[str, str]:
        """The MD5 of every blob of the account that is not the app's or the host's own."""
        with BlobServiceClient.from_connection_string(self.host.settings[STORAGE]) as account:
            return {
                f"{container.name}/{blob.name}": _md5(account.get_blob_client(container.name, blob.name))
                for container in account.list_containers()
                if not container.name.startswith(_OWN)
                for blob in account.get_container_client(container.name).list_blobs()
            }

    def _slots(self) -> set[str]:
        """The lease states of all download slots that were ever taken."""
        with BlobServiceClient.from_connection_string(self.host.settings[STORAGE]) as account:
            return {
                str(slot.lease.state)
                for container in account.list_containers(name_starts_with=LOCKS)
                for slot in account.get_container_client(container.name).list_blobs(name_starts_with="download-slot-")
            }

    def _sent_on(self) -> list[str]:
        """The products whose correction is asked for, each as often as it is."""
        with closing(self.outside.queue_client(CORRECTIONS)) as queue:
            return sorted(CorrectionMessage.decode(m.content).product for m in queue.peek_messages(max_messages=32))

    def _lost(self) -> dict[str, int]:
        """What nobody takes any more: messages in poison queues, and rows of what was refused."""
        depths = {queue: self.outside.queues.depth(queue) for queue in [*map(poison_of, QUEUES), _BLOB_POISON]}
        depths[REFUSED] = len(list(self.outside.ledger.records(REFUSED)))
        return {place: count for place, count in depths.items() if count}

    def forget(self, queue: str) -> None:
        """Take all messages out of ``queue``."""
        with closing(self.outside.queue_client(queue)) as client:
            client.clear_messages()

    def clear(self) -> None:
        """Leave nothing to the next test but this tile's rows in the ledger."""
        for queue in QUEUES:
            self.forget(queue)
        for path in self.visible():
            self.outside.store.delete(path)
        self.copernicus.clear()


def _md5(blob: BlobClient) -> str:
    return hashlib.md5(blob.download_blob().readall()).hexdigest()


@dataclass(frozen=True, slots=True)
class Running:
    """The host and the servers, for many tests with a tile each."""

    host: Host
    copernicus: SimulatedCopernicus
    tiles: Iterator[str]

    @contextmanager
    def intake(self) -> Iterator[Intake]:
        """The intake of one test."""
        self.copernicus.clear()
        intake = Intake(self.host, self.copernicus, next(self.tiles))
        yield intake
        intake.clear()


@contextmanager
def running_intake(folder: Path) -> Iterator[Running]:
    """A host without workers, so that staged products stay; failed messages come again at once."""
    with SimulatedCopernicus(paging=Paging(size=2)) as copernicus:
        settings = {
            "SCHEDULE": "0 0 0 1 1 *",  # no timer runs by itself
            "WATCH_SCHEDULE": "0 0 0 1 1 *",
            "DOWNLOAD_PAUSE": "1",
            **copernicus.environment(),
        }
        pace = Pace(longest_pause=0.2, scan=0.5, longest_delay=0)
        host = Host(function_app.app, settings, folder=folder, workers=0, blob_endings=BLOB_ENDINGS, pace=pace)
        with host:
            with closing(services().queue_client(CORRECTIONS)) as corrections:
                corrections.create_queue()  # nobody else does before something is staged
            yield Running(host, copernicus, (f"22W{row}{column}" for row in "EDC" for column in "ABCDEFGHJKLMNPQ"))
            services().close()


@contextmanager
def impatience(outside: Services) -> Iterator[None]:
    """The running app gives up on a stalled or crawling download within seconds instead of a minute.

    No app setting says how long that is, so the client is replaced where the wiring keeps it.
    """
    copernicus, usual = outside.settings.copernicus, outside.catalogue
    patience = Patience(connect=5, read=1.5, slowest=20_000, window=0.8)
    with closing(
        Cdse(copernicus, sessions=SealedSession(outside.store, copernicus.password), patience=patience)
    ) as mine:
        outside.__dict__["catalogue"] = mine
        try:
            yield
        finally:
            outside.__dict__["catalogue"] = usual
