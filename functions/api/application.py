"""The FastAPI application: routes only; what they answer comes from the ledger and the queues."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Annotated

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse

from functions.api.answers import Health, Notified, ProductAnswer, Products
from shared.errors import BadMessage, BadName, BadSetting, IceWatchError, NotFound, TransientError
from shared.messages import QUEUES, TILE_MONTHS, poison_of
from shared.models import State, Tile
from shared.wiring import services

_MOST_BODY = 1024 * 1024  # bytes
STATUS: dict[type[IceWatchError], int] = {
    BadMessage: 422,
    BadName: 422,
    NotFound: 404,
    BadSetting: 500,
    TransientError: 503,
    IceWatchError: 500,
}


@cache
def application() -> FastAPI:
    """Build the application once per process."""
    app = FastAPI(title="IceWatch", summary="What the pipeline has done and holds.", docs_url=None, redoc_url=None)
    app.add_api_route("/api/health", health, response_model=Health)
    app.add_api_route("/api/products", products, response_model=Products)
    app.add_api_route("/api/notifications", notification, methods=["POST"], response_model=Notified)
    app.add_exception_handler(IceWatchError, _refused)
    return app


async def _refused(_: Request, error: Exception) -> JSONResponse:
    """An error as problem details (RFC 9457); the status by the table above, the nearest class first."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    body = {"type": "about:blank", "title": type(error).__name__, "status": status, "detail": str(error)}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


def health() -> Health:
    """Whether storage answers, how many messages wait in each queue, and how many products are in each state."""
    outside = services()
    names = [name for queue in QUEUES for name in (queue, poison_of(queue))]
    states = Counter(record.state for record in outside.ledger.records())
    return Health(queues={name: outside.queues.depth(name) for name in names}, products=dict(states))


def products(
    tile: Annotated[str | None, Query(description="Tile, such as 22WEV", max_length=10)] = None,
    state: Annotated[State | None, Query(description="Only products in this state")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    skip: Annotated[int, Query(ge=0)] = 0,
) -> Products:
    """The products in the ledger, newest acquisition first."""
    partition = Tile.parse(tile).name if tile else None
    found = [record for record in services().ledger.records(partition) if state in {None, record.state}]
    found.sort(key=lambda record: (record.times.get("sensing") is not None, record.times.get("sensing"), record.name))
    found.reverse()
    return Products(total=len(found), products=[ProductAnswer.of(record) for record in found[skip : skip + limit]])


async def _body(request: Request) -> bytes:
    """The body as it came, refused as soon as it is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            raise BadMessage(f"The body is longer than {_MOST_BODY} bytes.")
    return body


def notification(body: Annotated[bytes, Depends(_body)]) -> Notified:
    """Take a push notification of the Copernicus Data Space: the product's month is searched at once, if watched."""
    from shared.adapters.cdse_entries import parse_push
    from shared.pipeline.notified import notified
    from shared.pipeline.watching import watchlist

    outside, product = services(), parse_push(body)
    message = notified(product, watchlist(outside.store), outside.clock())
    if message is not None:
        outside.queues.send(TILE_MONTHS, message.encode())
    return Notified(product=str(product.name), search=str(message.value()) if message else None)
