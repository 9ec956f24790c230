"""Push notifications of the Copernicus Data Space: a product was published."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from functions.api.links import NOTIFICATIONS, notifications_link
from functions.api.outside import Outside
from functions.api.problems import ALWAYS, answers
from shared.messages import TILE_MONTHS
from shared.pipeline.notified import notified
from shared.pipeline.watching import watchlist
from shared.wiring import Services

router = APIRouter(tags=["notifications"])


class Notified(BaseModel):
    """What became of a notification."""

    product: str
    search: str | None = Field(
        description="The tile-month that is searched now; null where it is not watched", examples=["22WEV 2021-07"]
    )


class Subscription(BaseModel):
    """Where to have notifications sent."""

    address: str = Field(examples=["https://icewatch.example.org/api/notifications?token=Zm9y..."])


@router.get(NOTIFICATIONS, responses=answers(*ALWAYS))
def subscription(request: Request) -> Subscription:
    """The address to subscribe with at the Copernicus Data Space; its token is good for notifications only."""
    return Subscription(address=str(request.base_url).rstrip("/") + notifications_link())


@router.post(
    NOTIFICATIONS,
    responses=answers(*ALWAYS, 403, 413),
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def notification(request: Request, outside: Outside) -> Notified:
    """Take a push notification of the Copernicus Data Space: the product's month is searched at once, if watched."""
    return await run_in_threadpool(_take, await request.body(), outside)


def _take(body: bytes, outside: Services) -> Notified:
    from shared.adapters.cdse_entries import parse_push

    product = parse_push(body)
    message = notified(product, watchlist(outside.store), outside.clock())
    if message is not None:
        outside.queues.send(TILE_MONTHS, message.encode())
    return Notified(product=str(product.name), search=str(message.value()) if message else None)
