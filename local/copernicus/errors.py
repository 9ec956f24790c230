"""The refusals of the simulated Copernicus; each carries the body that the real one would send."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """``body`` goes out as JSON, a text as a page."""
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers


def bad_query(message: str) -> Refusal:
    """What the catalogue says to a query it does not understand."""
    return Refusal(400, {"detail": {"message": message, "request_id": str(uuid.uuid4())}})


def out_of_range(name: str, value: str, most: int) -> Refusal:
    """What the catalogue says to a page size or offset beyond its limit, or to one that is no number."""
    number = value.isascii() and value.lstrip("-").isdigit()
    kind, text = (
        (("less_than_equal", f"Input should be less than or equal to {most}") if int(value) > most
         else ("greater_than_equal", "Input should be greater than or equal to 0"))
        if number
        else ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
    )  # fmt: skip
    return Refusal(422, {"detail": [{"type": kind, "loc": ["query", name], "msg": text, "input": value}]})


def download_refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """What the download service says, such as DAT-ZIP-604."""
    return Refusal(status, {"trace-id": uuid.uuid4().hex, "code": code, "message": message}, headers)


def login_refusal(status: int, error: str, description: str) -> Refusal:
    """What Keycloak says."""
    return Refusal(status, {"error": error, "error_description": description})


def dhus_refusal(status: int, message: str) -> Refusal:
    """What DHuS says about a product; the cause stands in a header too."""
    body = {"error": {"code": None, "message": {"lang": "en", "value": message}}}
    return Refusal(status, body, {"cause-message": message})


def dhus_login_refusal() -> Refusal:
    """What the servlet container before DHuS says to a wrong password."""
    page = "<!doctype html><html><body><h1>HTTP Status 401 - Unauthorized</h1></body></html>"
    return Refusal(401, page, {"WWW-Authenticate": 'Basic realm="DHuS"'})
