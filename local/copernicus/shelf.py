"""What the simulated Copernicus holds: products on offer, products withdrawn, and faults waiting to happen."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.copernicus.entries import Offer, entry, read_offer
from local.copernicus.faults import Fault, Kind
from shared.errors import NotFound
from shared.models import ProductName

_COLLECTION = {"Collection": {"Name": "SENTINEL-2"}}  # can be asked for, is not answered


class Shelf:
    """Safe to use from several threads, as products come and go while the server runs."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}  # in the order of publication
        self._deleted: list[dict[str, Any]] = []
        self._faults: list[list[Any]] = []  # fault, how often it is still to happen
        self._lock = threading.Lock()
        self.requests: Counter[Kind] = Counter()  # how many of each kind came

    def publish(self, file: Path, *, published: datetime | None, online: bool, cloud_cover: float | None) -> str:
        """Offer ``file``; returns its identifier."""
        when = published or datetime.now(UTC)
        offer = read_offer(file, published=when, online=online, cloud_cover=cloud_cover)
        with self._lock:
            self._offers[offer.id] = offer
        return offer.id

    def set_online(self, name: ProductName, online: bool) -> None:
        """Bring a product back from the long-term archive, or send it there."""
        with self._lock:
            offer = self._offer_named(name)
            self._offers[offer.id] = replace(offer, online=online, modified=datetime.now(UTC))

    def withdraw(self, name: ProductName, cause: str) -> None:
        """Delete a product, as a reprocessing does with the older ones."""
        with self._lock:
            offer = self._offer_named(name)
            del self._offers[offer.id]
            deletion = {"DeletionDate": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z", "DeletionCause": cause}
            self._deleted.append(entry(offer, md5=offer.md5) | deletion | _COLLECTION)

    def inject(self, fault: Fault, times: int) -> None:
        """Let ``fault`` happen to the next ``times`` requests of its kind."""
        with self._lock:
            self._faults.append([fault, times])

    def begin(self, kind: Kind) -> list[Fault]:
        """Count a request and take the faults that fall on it; raises the refusal of those that refuse."""
        with self._lock:
            self.requests[kind] += 1
            due = [waiting for waiting in self._faults if waiting[0].kind is kind]
            for waiting in due:
                waiting[1] -= 1
            self._faults = [waiting for waiting in self._faults if waiting[1] > 0]
        faults: list[Fault] = [waiting[0] for waiting in due]
        for fault in faults:
            fault.before()
        return faults

    def entries(self, faults: Sequence[Fault]) -> list[dict[str, Any]]:
        """All products on offer as the catalogue knows them."""
        with self._lock:
            offers = list(self._offers.values())
        return [entry(offer, md5=_claimed(offer, faults)) | _COLLECTION for offer in offers]

    def deleted(self) -> list[dict[str, Any]]:
        """All products withdrawn."""
        with self._lock:
            return list(self._deleted)

    def offer(self, product_id: str) -> Offer | None:
        """The product of that identifier."""
        with self._lock:
            return self._offers.get(product_id)

    def _offer_named(self, name: ProductName) -> Offer:
        for offer in self._offers.values():
            if offer.name == name:
                return offer
        raise NotFound(f"The simulated Copernicus does not offer {name}.")


def _claimed(offer: Offer, faults: Sequence[Fault]) -> str:
    md5 = offer.md5
    for fault in faults:
        md5 = fault.checksum(md5)
    return md5
