"""A hub that runs DHuS, through sentinelsat: searching, downloading, and bringing products back from its archive.

The hub's index has no digests and does not say what is online, so that every product found costs one more request. It
keeps no date of modification that a search could ask for; a product is taken as modified when the hub ingested it.
Source: sentinelsat documentation; DHuS "Open Search", "OData" and "Long Term Archive" user guides.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests
from sentinelsat.exceptions import LTAError

from shared.adapters.dhus_entries import product_of
from shared.adapters.dhus_session import BROKEN, WHO, hub, translated
from shared.adapters.provider_answers import Patience, announced, failure, received
from shared.errors import AccessDenied, BadName, LongProductName, NotFound, Offline, ProviderUnavailable
from shared.models import Level, Product, ProductName, TileMonth, shown
from shared.ports import Deletion, Download, Retrieval, Unsupported
from shared.settings import Dhus as Settings

_log = logging.getLogger("icewatch")
_PRODUCT_ID = r"^[A-Za-z0-9-]{1,100}$"
_TYPES = {Level.L1C: "S2MSI1C", Level.L2A: "S2MSI2A"}
# Products of before 2017-03-31 have no tile in the index, and are found by their file names.
_TILES_SINCE = datetime(2017, 4, 1, tzinfo=UTC)
_PASSES = 4  # over a listing that changes all the time
_CHUNK = 1 << 18  # bytes
_PATIENCE = Patience()


class Dhus:
    """Catalogue of a DHuS hub; safe to use from several threads."""

    def __init__(self, settings: Settings, *, patience: Patience = _PATIENCE) -> None:
        """Raises BadSetting where address or account are missing."""
        self._patience = patience
        self._api = hub(settings, patience)

    def close(self) -> None:
        """Give the connections back."""
        self._api.session.close()

    def search(
        self,
        month: TileMonth,
        *,
        level: Level = Level.L1C,
        modified_since: datetime | None = None,
        unsupported: Callable[[Unsupported], None] | None = None,
    ) -> Iterator[Product]:
        """All products of the tile sensed in ``month``, in sensing order, over all pages, each once.

        A product that comes online again counts as not modified. An entry that does not parse, or is of another tile
        or level, is logged and left out. Raises BadSetting where the login is refused, ProviderUnavailable where the
        hub does not answer as it should.
        """
        what = f"the search for {month}"
        try:
            with translated(what):
                listed = self._listed(_question(month, level, modified_since), what)
        except (AccessDenied, NotFound) as cause:  # of a product it would be for ever
            raise ProviderUnavailable(str(cause)) from cause
        found: dict[str, Product] = {}
        for facts in listed:
            product = self._wanted(facts, month, level, unsupported)
            if product is not None and (modified_since is None or product.published > modified_since):
                found[product.id] = product
        yield from sorted(found.values(), key=lambda product: (product.name.sensing, str(product.name), product.id))

    def deleted(self, month: TileMonth) -> Iterator[Deletion]:  # noqa: ARG002 - the port names it
        """Nothing: the hub does not tell."""
        return iter(())

    def entry(self, product_id: str) -> Product | None:
        """The entry of one product as it is now, None where the hub has none (any more)."""
        what = f"the entry of {_checked(product_id)}"
        try:
            with translated(what):
                odata = self._api.get_product_odata(product_id, full=True)
            return product_of(odata, None)
        except NotFound:
            return None
        except (BadName, ValueError) as cause:
            raise ProviderUnavailable(f"{WHO} answers {what} with no product: {shown(cause)}.") from cause

    def retrieve(self, product_id: str) -> Retrieval:
        """Ask for an offline product to be brought back; of one that is online, nothing is asked.

        Raises NotFound where the hub no longer has it, ProviderUnavailable where it does not answer as it should.
        """
        what = f"the return of {_checked(product_id)}"
        with translated(what):
            # sentinelsat would fetch a product that is online, into memory.
            if not self._api.is_online(product_id):
                try:
                    self._api.trigger_offline_retrieval(product_id)
                except LTAError as refusal:
                    if refusal.response.status_code == requests.codes.forbidden:
                        return Retrieval.OVER_QUOTA
                    raise
        return Retrieval.ACCEPTED

    @contextmanager
    def download(self, product_id: str) -> Iterator[Download]:
        """Open the zip of a product; of one that is offline, its return is asked for.

        Raises Offline then, and what `shared.adapters.provider_answers.RULES` says of each answer; BadSetting where
        the login is refused; the chunks raise ProviderUnavailable where the connection breaks off, crawls or ends
        before the announced length.
        """
        what = f"the download of {_checked(product_id)}"
        with translated(what):
            # A zip must arrive as it is: no compression on the way, so that the length can be checked.
            response = self._api.get_stream(product_id, headers={"Accept-Encoding": "identity"})
        try:
            _check(response, what)
            size = announced(response.headers.get("Content-Length"))
            chunks = received(_raw(response), size=size, who=WHO, what=what, patience=self._patience, broken=BROKEN)
            yield Download(size, chunks)
        finally:
            response.close()

    def _listed(self, question: dict[str, Any], what: str) -> list[dict[str, Any]]:
        """What the index says about all products, though it changes while its pages are read."""
        for _ in range(_PASSES):
            before = self._api.count(**question)
            found = self._api.query(**question, order_by="beginposition") if before else {}
            if before <= self._api.page_size or before == len(found) == self._api.count(**question):
                return [facts | {"id": each} for each, facts in found.items()]
        raise ProviderUnavailable(f"{WHO} changed during each of {_PASSES} tries of {what}.")

    def _wanted(
        self, facts: dict[str, Any], month: TileMonth, level: Level, unsupported: Callable[[Unsupported], None] | None
    ) -> Product | None:
        """The product of an index entry, with what OData adds; None where it was not asked for or is gone by now."""
        try:
            name = _asked_for(str(facts.get("title")), month, level)
            with translated(f"the entry of {name}"):
                odata = self._api.get_product_odata(_checked(str(facts["id"])))
            return product_of(odata, facts)
        except LongProductName as fault:
            if unsupported is not None:
                unsupported(Unsupported(str(facts["id"]), str(facts["title"]), None, str(fault)))
        except (BadName, NotFound, ValueError) as fault:
            _log.warning("A catalogue entry for %s is left out: %s", month, shown(fault, 300))
        return None


def _asked_for(title: str, month: TileMonth, level: Level) -> ProductName:
    name = ProductName.parse(title)
    if name.tile != month.tile or name.level is not level or not month.start <= name.sensing < month.end:
        raise BadName(f"{name} was not asked for.")
    return name


def _question(month: TileMonth, level: Level, modified_since: datetime | None) -> dict[str, Any]:
    question: dict[str, Any] = {"date": (month.start, month.end), "producttype": _TYPES[level]}  # with both ends
    if month.start < _TILES_SINCE:
        question["filename"] = f"*_T{month.tile}_*"
    else:
        question["tileid"] = month.tile.name
    if modified_since is not None:
        question["ingestiondate"] = (modified_since.astimezone(UTC), None)
    return question


def _checked(product_id: str) -> str:
    if not re.fullmatch(_PRODUCT_ID, product_id):
        raise BadName(f"'{shown(product_id)}' is no product identifier of a DHuS hub.")
    return product_id


def _check(response: requests.Response, what: str) -> None:
    if response.status_code == requests.codes.accepted:  # it went to the archive a moment ago
        raise Offline(f"{WHO} has the product of {what} in its archive; its return was asked for.")
    if response.status_code != requests.codes.ok:
        raise failure(WHO, what, response.status_code, response.headers.get("Retry-After"))


def _raw(response: requests.Response) -> Iterator[bytes]:
    """The bytes as they come: ``read1`` waits for one packet, ``read`` would wait for a whole chunk."""
    while chunk := response.raw.read1(_CHUNK):
        yield chunk
