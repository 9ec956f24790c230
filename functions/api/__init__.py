"""api: everything a person asks. One function answers all HTTP; FastAPI is loaded by the first request."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import azure.functions as func


async def _on_demand(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    from functions.api.application import application

    await application()(scope, receive, send)


app = func.AsgiFunctionApp(app=_on_demand, http_auth_level=func.AuthLevel.ANONYMOUS, function_name="api")
