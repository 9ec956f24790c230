"""The Copernicus Data Space Ecosystem: searching without a login, downloading with one.

Source: Copernicus Data Space Ecosystem documentation, "OData" and "Quotas and limitations".
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
from pydantic import ValidationError

from shared.adapters.cdse_entries import PRODUCT_ID, Page, product_of, query
from shared.adapters.cdse_login import Login
from shared.errors import AccessDenied, BadName, IceWatchError, NotFound, ProviderUnavailable
from shared.models import Level, Product, TileMonth, shown
from shared.ports import Download
from shared.settings import Copernicus

_log = logging.getLogger("icewatch")
_TIMEOUT = httpx.Timeout(60, connect=15)  # seconds; reading: without a single byte
_MOST_PAGE = 64 * 1024 * 1024  # bytes
_MOST_REDIRECTS = 5
_LOOPBACK: Mapping[str, None] = {"all://127.0.0.1": None, "all://localhost": None}  # never through a proxy

# What an answer means. 401 has been answered with a fresh token once before it comes here.
_RULES: Mapping[int, tuple[type[IceWatchError], str]] = {
    401: (ProviderUnavailable, "it refuses the token, a fresh one too"),
    403: (AccessDenied, "the account lacks the permission, or its quota is used up"),
    404: (NotFound, "it is not there (any more): deleted, or replaced by a reprocessing"),
    422: (ProviderUnavailable, "it cannot process the request, which may reach beyond its paging limit"),
    429: (ProviderUnavailable, "it limits the number of connections or requests"),
}
_ANY_OTHER = (ProviderUnavailable, "expected 200")


class Cdse:
    """Catalogue of the Copernicus Data Space Ecosystem; safe to use from several threads."""

    def __init__(self, copernicus: Copernicus, *, transport: httpx.BaseTransport | None = None) -> None:
        """``transport`` replaces the network in tests."""
        self._catalogue = f"{copernicus.catalogue_url}/Products"
        self._downloads = f"{copernicus.download_url}/Products"
        mounts = dict(_LOOPBACK) if transport is None else None
        self._client = httpx.Client(timeout=_TIMEOUT, transport=transport, mounts=mounts)
        self._login = Login(self._client, copernicus)

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def search(self, month: TileMonth) -> Iterator[Product]:
        """All L1C products of the tile sensed in ``month``, in sensing order, over all pages, each once.

        An entry that does not parse, or is of another tile or level, is logged and left out. Raises
        ProviderUnavailable where the catalogue does not answer as it should or its pages go round in circles.
        """
        url: httpx.URL | None = httpx.URL(self._catalogue, params=query(month))
        seen: set[str] = set()
        while url is not None:
            page = self._page(url, month)
            fresh = {_identifier(entry): entry for entry in page.entries if _identifier(entry) not in seen}
            if page.next_link is not None and not fresh:
                raise ProviderUnavailable(f"The catalogue's pages for {month} go on without anything new.")
            seen |= fresh.keys()
            for entry in fresh.values():
                if (product := _wanted(entry, month)) is not None:
                    yield product
            url = self._next(url, page, month)

    @contextmanager
    def download(self, product_id: str) -> Iterator[Download]:
        """Open the zip of a product.

        Raises NotFound where the provider no longer has it, AccessDenied where the account may not have it,
        BadSetting where the login is refused, ProviderUnavailable for all that may pass; the chunks raise
        ProviderUnavailable where the connection breaks off or ends before the announced length.
        """
        if not re.fullmatch(PRODUCT_ID, product_id):
            raise BadName(f"'{shown(product_id)}' is no product identifier of the Copernicus Data Space Ecosystem.")
        what = f"the download of {product_id}"
        response = self._authorized(httpx.URL(f"{self._downloads}({product_id})/$value"), what)
        try:
            _check(response, what)
            size = _announced(response)
            yield Download(size, _chunks(response, size, what))
        finally:
            response.close()

    def _page(self, url: httpx.URL, month: TileMonth) -> Page:
        what = f"the search for {month}"
        response = self._send(url, {}, what)
        try:
            _check(response, what)
            return Page.parse(_body(response, what))
        finally:
            response.close()

    def _next(self, url: httpx.URL, page: Page, month: TileMonth) -> httpx.URL | None:
        """The address of the page after ``page``; a link to anywhere but the catalogue is refused."""
        if page.next_link is None:
            return None
        link = _joined(url, page.next_link)
        if link is None or _origin(link) != _origin(httpx.URL(self._catalogue)):
            raise ProviderUnavailable(
                f"The catalogue's next page for {month} is '{shown(page.next_link)}', outside the catalogue."
            )
        return link

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
        trusted = _origin(httpx.URL(self._downloads))
        for _ in range(_MOST_REDIRECTS + 1):
            headers = {"Authorization": f"Bearer {token}"} if _origin(url) == trusted else {}
            response = self._send(url, headers, what)
            if not response.has_redirect_location:
                return response
            response.close()
            location = response.headers["Location"]
            target = _joined(url, location)
            if target is None or not target.host or target.scheme not in {"https", url.scheme}:
                raise ProviderUnavailable(
                    f"Copernicus sends {what} on to '{shown(location)}', which is no safe address."
                )
            url = target
        raise ProviderUnavailable(f"Copernicus sends {what} on more than {_MOST_REDIRECTS} times.")

    def _send(self, url: httpx.URL, headers: Mapping[str, str], what: str) -> httpx.Response:
        # A zip must arrive as it is: no compression on the way, so that the length can be checked.
        request = self._client.build_request("GET", url, headers={"Accept-Encoding": "identity", **headers})
        try:
            return self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as cause:  # the latter: an unreadable redirect
            raise ProviderUnavailable(f"Copernicus does not answer {what}: {type(cause).__name__}.") from cause


def _check(response: httpx.Response, what: str) -> None:
    """Raise what ``_RULES`` says about any answer but 200."""
    if response.status_code == httpx.codes.OK:
        return
    kind, meaning = _RULES.get(response.status_code, _ANY_OTHER)
    raise kind(f"Copernicus answers {what} with {response.status_code}: {meaning}.")


def _announced(response: httpx.Response) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _chunks(response: httpx.Response, size: int | None, what: str) -> Iterator[bytes]:
    received = 0
    announced = "an unknown number of" if size is None else str(size)
    try:
        for chunk in response.iter_raw():
            received += len(chunk)
            yield chunk
    except httpx.HTTPError as cause:
        raise ProviderUnavailable(
            f"Copernicus broke off {what} after {received} of {announced} bytes: {type(cause).__name__}."
        ) from cause
    if size is not None and received != size:
        raise ProviderUnavailable(f"Copernicus ended {what} after {received} of {size} bytes.")


def _body(response: httpx.Response, what: str) -> bytes:
    body = bytearray()
    for chunk in _chunks(response, _announced(response), what):
        body += chunk
        if len(body) > _MOST_PAGE:
            raise ProviderUnavailable(f"Copernicus answers {what} with more than {_MOST_PAGE} bytes.")
    return bytes(body)


def _identifier(entry: Any) -> str:
    return str(entry.get("Id")) if isinstance(entry, dict) else str(entry)


def _wanted(entry: Any, month: TileMonth) -> Product | None:
    """The product of ``entry``; None, with a log line, where it does not parse or was not asked for."""
    try:
        product = product_of(entry)
    except (BadName, ValidationError) as fault:
        _log.warning("A catalogue entry for %s is left out: %s", month, shown(fault, 300))
        return None
    if product.name.tile != month.tile or product.name.level is not Level.L1C:
        _log.warning("A catalogue entry for %s is left out: %s was not asked for.", month, product.name)
        return None
    return product


def _joined(base: httpx.URL, link: str) -> httpx.URL | None:
    try:
        return base.join(link)
    except (httpx.InvalidURL, ValueError):
        return None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return (url.scheme, url.host, url.port)
