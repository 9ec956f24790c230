"""HEAD wherever there is GET: the same status and headers, without the body (RFC 9110, 9.1 and 9.3.2).

Result files answer HEAD themselves; in Azure small ones too by a redirect, see `results`.
"""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.api.links import RESULTS

_READ = b"GET"


class Heads:
    """ASGI middleware, in front of all others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for what GET answers; result files tell their length themselves, without being read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [_allowed(name, value) for name, value in message["headers"]]}
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        if is_head and not str(scope["path"]).startswith(RESULTS):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, sending)


def _allowed(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """The header, with HEAD among the methods that an address takes where GET is."""
    if name.lower() != b"allow":
        return name, value
    methods = [method.strip() for method in value.split(b",")]
    return name, b", ".join([*methods, b"HEAD"] if _READ in methods and b"HEAD" not in methods else methods)


def with_heads(paths: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The paths of an OpenAPI document, with HEAD beside each GET that stands alone."""
    return {
        path: methods if "head" in methods or "get" not in methods else {**methods, "head": _head_of(methods["get"])}
        for path, methods in paths.items()
    }


def _head_of(get: dict[str, Any]) -> dict[str, Any]:
    responses = {
        status: {name: told for name, told in answer.items() if name != "content"}
        for status, answer in get["responses"].items()
    }
    return {
        **get,
        "operationId": f"{get['operationId']}_head",
        "summary": f"{get['summary']}, the headers alone",
        "description": "Status and headers of what GET answers, without the body.",
        "responses": responses,
    }
