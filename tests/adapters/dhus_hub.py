"""A DHuS hub in memory behind the real sentinelsat: answers as told, and writes down what it was asked."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from shared.adapters.dhus import Dhus
from shared.models import Tile, TileMonth
from shared.settings import Dhus as Settings

HUB = "https://hub.test/dhus"
SETTINGS = Settings(HUB, "someone", "pa55word-secret")
MONTH = TileMonth(Tile("22WEV"), 2021, 7)
PRODUCT = "63b9e6c2-bac5-47d3-a4d4-bc57be31e6cd"

Answer = Callable[[requests.PreparedRequest], tuple[int, bytes, dict[str, str]]]


def answered(status: int, body: bytes = b"", **headers: str) -> Answer:
    return lambda _: (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


class Hub(BaseAdapter):
    """Answers by a part of the address, and writes down what came in."""

    def __init__(self, answers: dict[str, Answer | Exception]) -> None:
        super().__init__()
        self.answers = answers
        self.requests: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.requests.append(request)
        address = unquote(request.url or "")
        answer = next(answer for part, answer in self.answers.items() if part in address)
        if isinstance(answer, Exception):
            raise answer
        status, body, headers = answer(request)
        raw = HTTPResponse(io.BytesIO(body), status=status, headers=headers, preload_content=False)
        return requests.adapters.HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Nothing is open."""


def before(answers: dict[str, Answer | Exception]) -> tuple[Dhus, Hub]:
    dhus, hub = Dhus(SETTINGS), Hub(answers)
    dhus._api.session.mount("https://", hub)
    return dhus, hub


def fetched(dhus: Dhus, product_id: str = PRODUCT) -> bytes:
    with dhus.download(product_id) as download:
        return b"".join(download.chunks)
