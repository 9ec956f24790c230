"""What the simulated Copernicus holds: products on offer, products withdrawn, and faults waiting to happen."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from local.copernicus.entries import entry
from local.copernicus.faults import Fault, Kind
from local.copernicus.offers import Offer, instant
from shared.errors import NotFound

_COLLECTION = {"Collection": {"Name": "SENTINEL-2"}}  # can be asked for, is not answered


@dataclass(slots=True)
class _Waiting:
    """A fault that is to happen."""

    fault: Fault
    times: int  # how often still
    after: int  # how many requests of its kind pass before


class Shelf:
    """Safe to use from several threads, as products come and go while the server runs."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}  # in the order of publication
        self._deleted: list[dict[str, Any]] = []
        self._waiting: list[_Waiting] = []
        self._lock = threading.Lock()
        self.requests: Counter[Kind] = Counter()  # how many of each kind came

    def put(self, offer: Offer) -> str:
        """Offer a product, instead of the one of that identifier before; returns the identifier."""
        with self._lock:
            self._offers[offer.id] = offer
        return offer.id

    def set_online(self, name: str, online: bool) -> None:
        """Bring a product back from the long-term archive, or send it there."""
        with self._lock:
            offer = self._offer_named(name)
            self._offers[offer.id] = replace(offer, online=online, modified=datetime.now(UTC))

    def withdraw(self, name: str, cause: str) -> None:
        """Delete a product, as a reprocessing does with the older ones."""
        with self._lock:
            offer = self._offer_named(name)
            del self._offers[offer.id]
            deletion = {"DeletionDate": instant(datetime.now(UTC)), "DeletionCause": cause}
            self._deleted.append(entry(offer) | deletion | _COLLECTION)

    def inject(self, fault: Fault, *, times: int, after: int) -> None:
        """Let ``fault`` happen to the ``times`` requests of its kind that follow the next ``after``."""
        with self._lock:
            self._waiting.append(_Waiting(fault, times, after))

    def clear(self) -> None:
        """Forget all products, faults and counts."""
        with self._lock:
            self._offers.clear()
            self._deleted.clear()
            self._waiting.clear()
            self.requests.clear()

    def begin(self, kind: Kind) -> list[Fault]:
        """Count a request and take the faults that fall on it; raises the refusal of those that refuse."""
        with self._lock:
            self.requests[kind] += 1
            mine = [waiting for waiting in self._waiting if waiting.fault.kind is kind]
            due = [waiting for waiting in mine if waiting.after <= 0]
            for waiting in mine:
                waiting.after -= 1
            for waiting in due:
                waiting.times -= 1
            self._waiting = [waiting for waiting in self._waiting if waiting.times > 0]
        faults = [waiting.fault for waiting in due]
        for fault in faults:
            fault.before()
        return faults

    def entries(self, faults: Sequence[Fault]) -> list[dict[str, Any]]:
        """All products on offer as the catalogue knows them, or claims to."""
        with self._lock:
            offers = list(self._offers.values())
        found = [entry(offer) | _COLLECTION for offer in offers]
        for fault in faults:
            found = fault.listed(found)
        return found

    def deleted(self) -> list[dict[str, Any]]:
        """All products withdrawn."""
        with self._lock:
            return list(self._deleted)

    def offer(self, product_id: str) -> Offer | None:
        """The product of that identifier."""
        with self._lock:
            return self._offers.get(product_id)

    def _offer_named(self, name: str) -> Offer:
        for offer in self._offers.values():
            if offer.name == name:
                return offer
        raise NotFound(f"The simulated Copernicus does not offer {name}.")
