"""Builds the adapters from the settings, once. Nobody else reads the environment or constructs clients.

    outside = services()
    outside.store.read(path)

Importing this is cheap: each adapter, with the libraries it needs, is imported when it is first asked for.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol, TypeVar

from shared.errors import BadSetting, NotFound
from shared.models import MODELS, BlobPath, Tile, shown
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

    from shared.adapters.account import Account
    from shared.adapters.leases import ProductLocks
    from shared.pipeline.drone_ports import DroneTools
    from shared.pipeline.stage_fetch import Intake
    from shared.pipeline.surface import Tools
    from shared.pipeline.surface_ports import IceMask
    from shared.ports import Catalogue, Clock, Ledger, Links, ObjectStore, Queues
    from shared.science.forest import Classifier
    from shared.science.retrieval import LookupTable


def now() -> datetime:
    """The present instant in UTC."""
    return datetime.now(UTC)


class _Closable(Protocol):
    def close(self) -> None: ...


_T = TypeVar("_T", bound=_Closable)


class Services:
    """The outside as the steps see it; each part is built when it is first asked for, and shared by all threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = now
        self._shipped: Classifier | None = None
        self._set_up: datetime | None = None  # when a host first began
        self._opened = ExitStack()

    @cached_property
    def store(self) -> ObjectStore:
        """Blob storage; raises BadSetting where the connection cannot be used."""
        from shared.adapters.blobs import AzureBlobs

        return self._keep(AzureBlobs(self._account.blobs()))

    @cached_property
    def links(self) -> Links:
        """Short-lived addresses of blobs; raises BadSetting where the connection cannot be used."""
        from shared.adapters.links import AzureLinks

        return self._keep(AzureLinks(self._account.blobs(), self.clock))

    @cached_property
    def queues(self) -> Queues:
        """Queue storage; raises BadSetting where the connection cannot be used."""
        from shared.adapters.queues import AzureQueues

        return self._keep(AzureQueues(self._account.queues()))

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger in table storage; raises BadSetting where the connection cannot be used."""
        from shared.adapters.ledger import AzureLedger

        return self._keep(AzureLedger(self._account.tables()))

    @cached_property
    def catalogue(self) -> Catalogue:
        """The Copernicus Data Space Ecosystem, with one login session for all instances of the app."""
        from shared.adapters.cdse import Cdse
        from shared.adapters.cdse_sessions import SealedSession

        copernicus = self.settings.copernicus
        return self._keep(Cdse(copernicus, sessions=SealedSession(self.store, copernicus.password)))

    @cached_property
    def dhus(self) -> Catalogue:
        """The hub that runs DHuS; raises BadSetting where none is configured."""
        from shared.adapters.dhus import Dhus

        return self._keep(Dhus(self.settings.dhus))

    def catalogue_of(self, name: str) -> Catalogue:
        """The catalogue that the watchlist calls ``name``; raises BadSetting where there is none of that name."""
        if name == "cdse":
            return self.catalogue
        if name == "dhus":
            return self.dhus
        raise BadSetting(f"There is no catalogue '{shown(name)}'; expected cdse or dhus.")

    @cached_property
    def intake(self) -> Intake:
        """Download slots and byte budget, shared by all instances through blob storage."""
        from shared.adapters.slots import BlobSlots
        from shared.adapters.tally import BlobTally
        from shared.pipeline.stage_fetch import Intake

        limits, service = self.settings.downloads, self._account.blobs()
        return Intake(self._keep(BlobSlots(service, limits.slots)), BlobTally(service), limits)

    @cached_property
    def product_locks(self) -> ProductLocks:
        """Locks in blob storage: at most one worker at a time on one product."""
        from shared.adapters.leases import Leases, ProductLocks

        return self._keep(ProductLocks(Leases(self._account.blobs())))

    @cached_property
    def surface_locks(self) -> ProductLocks:
        """Locks in blob storage: at most one run at a time writes one result folder."""
        from shared.adapters.leases import Leases, ProductLocks

        return self._keep(ProductLocks(Leases(self._account.blobs()), "classify"))

    @cached_property
    def surface_tools(self) -> Tools:
        """What classification reads and writes rasters and pictures with."""
        from shared.adapters.quicklook import quicklook
        from shared.adapters.rasters import GdalRasters
        from shared.pipeline.surface import Tools

        return Tools(GdalRasters(), quicklook)

    @cached_property
    def drone_tools(self) -> DroneTools:
        """What orthomosaics are classified with."""
        from shared.adapters.orthomosaics import GdalOrthomosaics
        from shared.pipeline.drone_ports import DroneTools

        surface = self.surface_tools
        return DroneTools(GdalOrthomosaics(), surface.rasters, surface.quicklook)

    def load_drone_classifier(self) -> Classifier:
        """The shipped classifier for orthomosaics; BadModel where it cannot be used."""
        from shared.adapters.models import SHIPPED_DRONE, load_classifier

        return load_classifier(SHIPPED_DRONE)

    def load_classifier(self, name: str | None = None) -> Classifier:
        """The classifier in ``models/<name>/`` of the store, or the shipped one; read once.

        Raises BadModel where it cannot be used, NotFound where the store has none of that name.
        """
        from shared.adapters.models import CARD, MODEL, load_classifier, parse_classifier

        if name is None:
            self._shipped = self._shipped or load_classifier()
            return self._shipped
        folder = BlobPath(MODELS, name)
        card, model = self.store.read(folder / CARD), self.store.read(folder / MODEL)
        return parse_classifier(card, model, source=str(folder))

    def lookup_table(self) -> LookupTable | None:
        """The lookup table that the settings name, read anew each time; None where they name none.

        Raises BadName, NotFound or BadModel where it cannot be used.
        """
        if not self.settings.lookup_table:
            return None
        from shared.adapters.lookup_tables import MOST_BYTES, parse_lookup_table, too_large

        path = BlobPath(MODELS, self.settings.lookup_table)
        info = self.store.info(path)
        if info is None:
            raise NotFound(f"There is no lookup table {path}, which the setting LOOKUP_TABLE names.")
        if info.size > MOST_BYTES:
            raise too_large(str(path), info.size)
        return parse_lookup_table(self.store.read(path), name=str(path))

    def ice_mask(self, path: BlobPath, tile: Tile) -> IceMask:
        """The ice mask in the blob ``path`` for ``tile``; NotFound where there is none. Its content is read when used.

        Once brought onto the tile's grid it is kept in the store, see `shared.adapters.kept_masks`.
        """
        from shared.adapters.kept_masks import KeptMask

        return KeptMask.of(path, tile, self.store)

    def first_due(self, step: str) -> datetime | None:
        """When the timer of ``step`` was due first after the app was set up; None where that is not known."""
        from shared.adapters.timers import Schedule, set_up_at

        fields = dict(self.settings.schedules).get(step)
        if fields and self._set_up is None:
            with self._account.blobs() as blobs:
                self._set_up = set_up_at(blobs)
        if not fields or self._set_up is None:
            return None
        try:
            return Schedule(fields, f"Timer {step}").next(self._set_up)
        except BadSetting:  # no host runs such a timer either: that it has never run says so
            return None

    def queue_client(self, queue: str) -> QueueClient:
        """The SDK's client of one queue, for the container step, which receives by itself. The caller closes it."""
        return self._account.queues().get_queue_client(queue)

    def close(self) -> None:
        """Give all connections back; what is asked for afterwards is built anew."""
        kept = "store links queues ledger catalogue intake dhus product_locks surface_locks"
        for part in kept.split():
            self.__dict__.pop(part, None)
        self._opened.close()

    @cached_property
    def _account(self) -> Account:
        from shared.adapters.account import Account

        return Account(self.settings.storage)

    def _keep(self, part: _T) -> _T:
        self._opened.callback(part.close)
        return part


def services(settings: Settings | None = None) -> Services:
    """The services for ``settings``, by default those of the environment; raises BadSetting where it cannot be used.

    The same settings give the same services, so that connections and the provider's login are shared.
    """
    return _built(settings if settings is not None else Settings.from_env(os.environ))


@lru_cache(maxsize=8)
def _built(settings: Settings) -> Services:
    return Services(settings)
