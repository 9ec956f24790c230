"""The Copernicus Data Space Ecosystem: searching without a login, downloading with one.

Source: Copernicus Data Space Ecosystem documentation, "OData" and "Quotas and limitations".
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
from pydantic import ValidationError

from shared.adapters.cdse_connection import Connection, check, joined, origin, size_of
from shared.adapters.cdse_entries import (
    PRODUCT_ID,
    deleted_query,
    deletion_of,
    product_of,
    products_query,
    unsupported_of,
)
from shared.adapters.cdse_login import Login
from shared.adapters.cdse_search import Listing, Window
from shared.adapters.cdse_sessions import OwnSession, SessionStore
from shared.adapters.provider_answers import Patience
from shared.errors import BadName, LongProductName, NotFound, Offline, ProviderUnavailable
from shared.models import Level, Product, ProductName, TileMonth, shown
from shared.ports import Deletion, Download, Retrieval, Unsupported
from shared.refusals import first_fault
from shared.settings import Copernicus

_log = logging.getLogger("icewatch")
_MOST_REDIRECTS = 5
_PATIENCE = Patience()


class Cdse:
    """Catalogue of the Copernicus Data Space Ecosystem; safe to use from several threads."""

    def __init__(
        self,
        copernicus: Copernicus,
        *,
        sessions: SessionStore | None = None,
        patience: Patience = _PATIENCE,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``sessions`` is where the login is shared with other instances; ``transport`` replaces the network."""
        self._catalogue = copernicus.catalogue_url
        self._downloads = f"{copernicus.download_url}/Products"
        self._connection = Connection(patience=patience, transport=transport)
        self._login = Login(self._connection.client, copernicus, sessions=sessions or OwnSession())

    def close(self) -> None:
        """Give the connections back."""
        self._connection.close()

    def search(
        self,
        month: TileMonth,
        *,
        level: Level = Level.L1C,
        modified_since: datetime | None = None,
        unsupported: Callable[[Unsupported], None] | None = None,
    ) -> Iterator[Product]:
        """All products of the tile sensed in ``month``, in sensing order, over all pages, each once.

        Nothing comes before the listing is complete. An entry that does not parse, or is of another tile or level, is
        logged and left out. Raises ProviderUnavailable where the catalogue does not answer as it should, or changes
        all the time.
        """
        listing = Listing(
            self._connection,
            f"{self._catalogue}/Products",
            lambda w: products_query(month.tile, level, w.start, w.end, modified_since=modified_since),
            f"the search for {month}",
        )
        entries = listing.entries(Window(month.start, month.end))
        found = [p for entry in entries if (p := _wanted(entry, month, level, unsupported)) is not None]
        # The catalogue leaves open how those sensed at the same instant are ordered; here it is by name.
        yield from sorted(found, key=lambda product: (product.name.sensing, str(product.name), product.id))

    def deleted(self, month: TileMonth) -> Iterator[Deletion]:
        """Products of the tile sensed in ``month`` that were deleted, with the provider's cause.

        Raises ProviderUnavailable as ``search`` does.
        """
        listing = Listing(
            self._connection,
            f"{self._catalogue}/DeletedProducts",
            lambda w: deleted_query(month.tile, w.start, w.end),
            f"the deleted products of {month}",
        )
        for entry in listing.entries(Window(month.start, month.end)):
            try:
                yield deletion_of(entry)
            except ValidationError as fault:
                _left_out(month, fault)

    def entry(self, product_id: str) -> Product | None:
        """The entry of one product as it is now, None where the catalogue has none (any more).

        Raises ProviderUnavailable where the answer is none, or is not of a product.
        """
        url = httpx.URL(f"{self._catalogue}/Products({_checked(product_id)})", params={"$expand": "Attributes"})
        what = f"the entry of {product_id}"
        try:
            return product_of(json.loads(self._connection.read(url, what)))
        except NotFound:
            return None
        except (BadName, ValueError) as cause:
            raise ProviderUnavailable(f"Copernicus answers {what} with no product: {shown(cause)}.") from cause

    def retrieve(self, product_id: str) -> Retrieval:  # noqa: ARG002 - the port names it
        """Nothing can be ordered here: an offline product is looked at again later."""
        return Retrieval.UNSUPPORTED

    @contextmanager
    def download(self, product_id: str) -> Iterator[Download]:
        """Open the zip of a product.

        Raises what `shared.adapters.provider_answers.RULES` says of each answer, Offline of a product that is in the
        archive, BadSetting where the login is
        refused; the chunks raise ProviderUnavailable where the connection breaks off, crawls or ends before the
        announced length.
        """
        what = f"the download of {_checked(product_id)}"
        response = self._authorized(httpx.URL(f"{self._downloads}({product_id})/$value"), what)
        try:
            if response.status_code == httpx.codes.NOT_FOUND:
                self._raise_if_offline(product_id)
            check(response, what)
            yield Download(size_of(response), self._connection.chunks(response, what))
        finally:
            response.close()

    def _raise_if_offline(self, product_id: str) -> None:
        """The download service does not tell a product in the archive from one that is gone; the catalogue does."""
        entry = self.entry(product_id)
        if entry is not None and not entry.online:
            raise Offline(f"Copernicus has {entry.name} in its long-term archive.")

    def _authorized(self, url: httpx.URL, what: str) -> httpx.Response:
        """The answer to ``url``, asked again once with a fresh token where the first is refused."""
        token = self._login.token()
        response = self._following(url, token, what)
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        response.close()
        return self._following(url, self._login.token(refused=token), what)

    def _following(self, url: httpx.URL, token: str, what: str) -> httpx.Response:
        """The answer after redirects; the token goes to the download host and to no other."""
        trusted = origin(httpx.URL(self._downloads))
        for _ in range(_MOST_REDIRECTS + 1):
            headers = {"Authorization": f"Bearer {token}"} if origin(url) == trusted else {}
            response = self._connection.send(url, headers, what)
            if not response.has_redirect_location:
                return response
            response.close()
            location = response.headers["Location"]
            target = joined(url, location)
            if target is None or not target.host or target.scheme not in {"https", url.scheme}:
                raise ProviderUnavailable(
                    f"Copernicus sends {what} on to '{shown(location.partition('?')[0])}', which is no safe address."
                )
            url = target
        raise ProviderUnavailable(f"Copernicus sends {what} on more than {_MOST_REDIRECTS} times.")


def _checked(product_id: str) -> str:
    if not re.fullmatch(PRODUCT_ID, product_id):
        raise BadName(f"'{shown(product_id)}' is no product identifier of the Copernicus Data Space Ecosystem.")
    return product_id


def _wanted(
    entry: Any, month: TileMonth, level: Level, unsupported: Callable[[Unsupported], None] | None
) -> Product | None:
    """The product of ``entry``; None, with a log line or a call, where it does not parse or was not asked for."""
    try:
        product = product_of(entry)
    except LongProductName as fault:
        _report_long(entry, month, fault, unsupported)
        return None
    except BadName as fault:
        _left_out(month, fault)
        return None
    except ValidationError as fault:
        _report_broken(entry, month, level, fault, unsupported)
        return None
    if product.name.tile != month.tile or product.name.level is not level:
        _left_out(month, f"{product.name} was not asked for.")
        return None
    return product


def _report_broken(
    entry: Any,
    month: TileMonth,
    level: Level,
    fault: ValidationError,
    unsupported: Callable[[Unsupported], None] | None,
) -> None:
    """Hand over what can be said of an entry that does not parse, so that its product is missed by somebody."""
    reason = f"The catalogue's entry does not parse at {first_fault(fault, 'the whole entry')}."
    try:
        found = unsupported_of(entry, reason)
        name = ProductName.parse(found.name)
    except (BadName, ValidationError):
        _left_out(month, reason)
        return
    if unsupported is None or name.tile != month.tile or name.level is not level:
        _left_out(month, f"{name}: {reason}")
    else:
        unsupported(replace(found, sensing=name.sensing))


def _report_long(
    entry: Any, month: TileMonth, fault: LongProductName, unsupported: Callable[[Unsupported], None] | None
) -> None:
    try:
        found = unsupported_of(entry, str(fault))
    except ValidationError as broken:
        _left_out(month, broken)
        return
    if unsupported is None:
        _left_out(month, fault)
    else:
        unsupported(found)


def _left_out(month: TileMonth, fault: object) -> None:
    _log.warning("A catalogue entry for %s is left out: %s", month, shown(fault, 300))
