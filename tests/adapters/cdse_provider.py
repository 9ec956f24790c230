"""A Copernicus Data Space Ecosystem in memory: answers as told, and writes down what it was asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx

from shared.models import Tile, TileMonth
from shared.ports import Catalogue
from shared.settings import Copernicus

IDENTITY, CATALOGUE, DOWNLOAD = (
    "https://identity.test/token",
    "https://catalogue.test/odata",
    "https://download.test/odata",
)
SETTINGS = Copernicus("someone@example.org", "pa55word-secret", IDENTITY, CATALOGUE, DOWNLOAD)
MONTH = TileMonth(Tile("22WEV"), 2024, 7)
ZIP = bytes(range(256)) * 1000

Answer = Callable[[httpx.Request], httpx.Response]


def entry(day: int, **changes: Any) -> dict[str, Any]:
    return {
        "Id": f"id-{day:02d}",
        "Name": f"S2B_MSIL1C_202407{day:02d}T151809_N0510_R068_T22WEV_202407{day:02d}T184612.SAFE",
        "ContentLength": 500_000_000 + day,
        "PublicationDate": f"2024-07-{day:02d}T20:00:00.123Z",
        "Online": True,
        "Checksum": [{"Algorithm": "MD5", "Value": "EF0E036AF119ACF95A8D79C0A27AA1D7"}, {}],
        "Attributes": [{"Name": "cloudCover", "Value": 12.5}, {"Name": "tileId", "Value": "22WEV"}],
        **changes,
    }


def page(*entries: Any, after: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"value": list(entries), **({"@odata.nextLink": after} if after else {})})


class Provider:
    """Answers by host; every list of answers is used up one by one, its last for ever. Writes down what came in."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.tokens = 0
        self.pages: list[httpx.Response | Exception] = [httpx.Response(404)]
        self.downloads: list[Answer | Exception] = [lambda _: httpx.Response(200, content=ZIP)]
        self.logins: list[Answer] = [self.grant]
        self.elsewhere: Answer = lambda _: httpx.Response(200, content=ZIP)
        self.expires_in = 600.0
        self.refresh_expires_in = 3600.0

    def grant(self, _: httpx.Request) -> httpx.Response:
        self.tokens += 1
        return httpx.Response(
            200,
            json={
                "access_token": f"token-{self.tokens}-secret",
                "expires_in": self.expires_in,
                "refresh_token": f"refresh-{self.tokens}-secret",
                "refresh_expires_in": self.refresh_expires_in,
            },
        )

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        host = request.url.host
        if host == "catalogue.test":
            return raised_or(self.pages.pop(0) if len(self.pages) > 1 else self.pages[0])
        if host == "identity.test":
            return (self.logins.pop(0) if len(self.logins) > 1 else self.logins[0])(request)
        if host == "download.test":
            answer = self.downloads.pop(0) if len(self.downloads) > 1 else self.downloads[0]
            return raised_or(answer if isinstance(answer, Exception) else answer(request))
        return self.elsewhere(request)

    def grants(self) -> list[str]:
        forms = [parse_qs(r.content.decode()) for r in self.requests if r.url.host == "identity.test"]
        return [form["grant_type"][0] for form in forms]

    def sent_to(self, host: str) -> list[httpx.Request]:
        return [request for request in self.requests if request.url.host == host]


def raised_or(answer: httpx.Response | Exception) -> httpx.Response:
    if isinstance(answer, Exception):
        raise answer
    return answer


class Wire(httpx.BaseTransport):
    """Hands requests to a function; what it answers arrives as a stream, as from a network."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.answer(request)
        if not answer.is_stream_consumed:
            return answer
        return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))


def fetched(cdse: Catalogue, product_id: str = "id-01") -> bytes:
    with cdse.download(product_id) as download:
        return b"".join(download.chunks)


def always(status: int) -> Answer:
    return lambda _: httpx.Response(status, json={"code": "DAT-ZIP-100", "message": "no"})
