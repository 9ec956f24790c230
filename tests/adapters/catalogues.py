"""All catalogues behind one face: the adapters before the simulated servers, and the fake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Protocol

from local.copernicus import (
    SimulatedCopernicus,
)
from shared.adapters.cdse import Cdse
from shared.adapters.dhus import Dhus
from shared.adapters.provider_answers import Patience
from shared.models import Checksum, Product, TileMonth
from shared.ports import Catalogue
from shared.settings import STORAGE, Settings
from tests.fakes import FakeCatalogue, a_product

MONTH = TileMonth.parse("22WEV", "2021-07")
EARLY = TileMonth.parse("22WEV", "2016-12")  # DHuS has no tiles in its index then
FIRST = "S2A_MSIL1C_20210701T000000_N0301_R025_T22WEV_20210701T020000"
SECOND = "S2B_MSIL1C_20210710T151909_N0301_R068_T22WEV_20210710T174612"
REPROCESSED = "S2B_MSIL1C_20210710T151909_N0500_R068_T22WEV_20230612T142011"
OTHER_HALF = "S2B_MSIL1C_20210710T151909_N0301_R068_T22WEV_20210710T181207"
LAST = "S2C_MSIL1C_20210731T235959_N0301_R068_T22WEV_20210801T014612"
NEXT_MONTH = "S2B_MSIL1C_20210801T000000_N0301_R025_T22WEV_20210801T020000"
NEIGHBOUR = "S2B_MSIL1C_20210710T151909_N0301_R068_T22WDV_20210710T174612"
L2A = "S2B_MSIL2A_20210710T151909_N0301_R068_T22WEV_20210710T194612"
OLD = "S2A_MSIL1C_20161210T151912_N0204_R068_T22WEV_20161210T151913"
BODY = bytes(range(256)) * 500
NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


class Provider(Protocol):
    """A catalogue and what stands behind it."""

    @property
    def catalogue(self) -> Catalogue: ...

    def publish(
        self, name: str, body: bytes = b"", *, when: datetime = NOON, online: bool = True, cloud: float = 10.0
    ) -> str: ...

    def withdraw(self, name: str) -> None: ...


class Real:
    """An adapter before the simulated servers."""

    def __init__(self, catalogue: Catalogue, copernicus: SimulatedCopernicus) -> None:
        self.catalogue = catalogue
        self.copernicus = copernicus

    def publish(
        self, name: str, body: bytes = b"", *, when: datetime = NOON, online: bool = True, cloud: float = 10.0
    ) -> str:
        return self.copernicus.publish_entry(name, body, published=when, online=online, cloud_cover=cloud)

    def withdraw(self, name: str) -> None:
        self.copernicus.withdraw(name, cause="Duplicated product")


class Fake:
    """The fake of all other tests."""

    def __init__(self) -> None:
        self.catalogue = FakeCatalogue()

    def publish(
        self, name: str, body: bytes = b"", *, when: datetime = NOON, online: bool = True, cloud: float = 10.0
    ) -> str:
        digests = (Checksum("MD5", hashlib.md5(body).hexdigest()),)
        product = a_product(
            name,
            product_id=name.replace("_", "-"),
            body=body,
            checksums=digests,
            published=when,
            online=online,
            cloud_cover=cloud,
            modified=when,
        )
        self.catalogue.publish(product, body)
        return product.id

    def withdraw(self, name: str) -> None:
        self.catalogue.withdraw(name)


def settings(copernicus: SimulatedCopernicus) -> Settings:
    return Settings.from_env(copernicus.environment() | {STORAGE: "none"})


@contextmanager
def real_catalogue(copernicus: SimulatedCopernicus, kind: str) -> Iterator[Real]:
    found = settings(copernicus)
    copernicus.clear()
    with closing(Dhus(found.dhus) if kind == "dhus" else Cdse(found.copernicus)) as catalogue:
        yield Real(catalogue, copernicus)


def impatient(real: Real) -> Cdse | Dhus:
    """The catalogue that gives up within a second."""
    patience = Patience(connect=5, read=0.5, slowest=100_000, window=0.3)
    found = settings(real.copernicus)
    if isinstance(real.catalogue, Dhus):
        return Dhus(found.dhus, patience=patience)
    return Cdse(found.copernicus, patience=patience)


def names(products: Iterator[Product]) -> list[str]:
    return [str(product.name) for product in products]


def fetched(catalogue: Catalogue, product_id: str) -> bytes:
    with catalogue.download(product_id) as download:
        return b"".join(download.chunks)
