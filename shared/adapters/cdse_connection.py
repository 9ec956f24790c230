"""HTTP with the Copernicus Data Space Ecosystem: one request, its answer checked, its body bounded."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import httpx

from shared.adapters.provider_answers import Patience, announced, failure, received
from shared.errors import ProviderUnavailable

_WHO = "Copernicus"
_MOST_BODY = 64 * 1024 * 1024  # bytes of an answer that is no product
_LOOPBACK: Mapping[str, None] = {"all://127.0.0.1": None, "all://localhost": None}  # never through a proxy

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs whole addresses, and some are signed


class Connection:
    """A pool of connections; safe to use from several threads."""

    def __init__(self, *, patience: Patience, transport: httpx.BaseTransport | None = None) -> None:
        """``transport`` replaces the network in tests."""
        self._patience = patience
        self.client = httpx.Client(
            timeout=httpx.Timeout(patience.read, connect=patience.connect),
            transport=transport,
            mounts=dict(_LOOPBACK) if transport is None else None,
        )

    def close(self) -> None:
        """Give the connections back."""
        self.client.close()

    def send(self, url: httpx.URL, headers: Mapping[str, str], what: str) -> httpx.Response:
        """The open answer to a GET; the caller closes it. Raises ProviderUnavailable where there is none."""
        # A zip must arrive as it is: no compression on the way, so that the length can be checked.
        request = self.client.build_request("GET", url, headers={"Accept-Encoding": "identity", **headers})
        try:
            return self.client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL) as cause:  # the latter: an unreadable redirect
            raise ProviderUnavailable(f"Copernicus does not answer {what}: {type(cause).__name__}.") from cause

    def read(self, url: httpx.URL, what: str) -> bytes:
        """The whole body of a successful answer that fits memory; raises what the rules say of any other."""
        response = self.send(url, {}, what)
        body = bytearray()
        try:
            check(response, what)
            for chunk in self.chunks(response, what):
                body += chunk
                if len(body) > _MOST_BODY:
                    raise ProviderUnavailable(f"Copernicus answers {what} with more than {_MOST_BODY} bytes.")
        finally:
            response.close()
        return bytes(body)

    def chunks(self, response: httpx.Response, what: str) -> Iterator[bytes]:
        """The body as it comes; raises ProviderUnavailable where it stops, crawls or ends too early."""
        return received(
            response.iter_raw(),
            size=size_of(response),
            who=_WHO,
            what=what,
            patience=self._patience,
            broken=(httpx.HTTPError,),
        )


def check(response: httpx.Response, what: str) -> None:
    """Raise what the rules say about any answer but 200."""
    if response.status_code != httpx.codes.OK:
        raise failure(_WHO, what, response.status_code, response.headers.get("Retry-After"))


def size_of(response: httpx.Response) -> int | None:
    """The length in bytes that the server announced, None where it did not."""
    return announced(response.headers.get("Content-Length"))


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """What tells one server from another."""
    return (url.scheme, url.host, url.port)


def joined(base: httpx.URL, link: str) -> httpx.URL | None:
    """``link`` seen from ``base``, None where it is no address."""
    try:
        return base.join(link)
    except (httpx.InvalidURL, ValueError):
        return None
