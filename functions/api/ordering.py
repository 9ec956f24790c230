"""Orders over HTTP: backfill, retry, reclassify, cancel, and a link to drop a product into."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from functions.api.outside import Outside
from functions.api.problems import ALWAYS, Refusal, answers
from functions.api.snapshot import forget
from shared.models import DROP, BlobPath, State, Tile, TileMonth
from shared.pipeline.drone_drop import is_orthomosaic, name_of
from shared.pipeline.drop import parse_dropped
from shared.pipeline.orders import Ordered, Orders
from shared.wiring import Services, services

router = APIRouter(prefix="/api/orders", tags=["orders"], responses=answers(*ALWAYS, 403, 413))
_LINK_WORKS = timedelta(hours=2)
_EXAMPLE = "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"
_Tile = Annotated[str, Field(description="Tile", examples=["22WEV"], min_length=5, max_length=6)]
_Product = Annotated[
    str, Field(description="Name of the product, L1C or L2A", examples=[_EXAMPLE], min_length=1, max_length=1000)
]
_Month = Annotated[str, Field(examples=["2021-07"], min_length=7, max_length=7)]


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BackfillOrder(_Order):
    """Search older months of one tile."""

    tile: _Tile
    first: _Month = Field(description="First month, YYYY-MM")
    last: _Month | None = Field(default=None, description="Last month, YYYY-MM; left out: the first alone")


class RetryOrder(_Order):
    """Put back one product, or all that failed, narrowed by the key of their kind or by tile."""

    product: _Product | None = None
    failed: bool = Field(default=False, description="All that failed")
    key: str | None = Field(
        default=None,
        description="Only the kind of failure with this key",
        examples=["4b1f0c9a77de"],
        pattern="^[0-9a-f]{12}$",
    )
    tile: _Tile | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.product is None) != self.failed:
            raise ValueError("name one product, or say failed, not both.")
        if self.product is not None and (self.key, self.tile) != (None, None):
            raise ValueError("key and tile narrow what failed, not one product.")
        return self


class ReclassifyOrder(_Order):
    """Classify again: one product, or those of a tile."""

    product: _Product | None = None
    tile: _Tile | None = None
    only_other_model: bool = Field(
        default=False, description="Of the tile, only what another model has made; what was rejected names none"
    )
    state: list[Literal[State.CLASSIFIED, State.REJECTED]] = Field(
        default=[State.CLASSIFIED],
        description="Of the tile, only in these states: REJECTED after a rule or a mask has been changed",
        examples=[["REJECTED"]],
        min_length=1,
        max_length=2,
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.product is None) == (self.tile is None):
            raise ValueError("name a product or a tile, not both.")
        if self.product is not None and (self.only_other_model or self.state != [State.CLASSIFIED]):
            raise ValueError("only_other_model and state narrow a tile, not one product.")
        return self


class CancelOrder(_Order):
    """Take a waiting product off."""

    product: _Product


class DropOrder(_Order):
    """Ask for a link to which a product or an orthomosaic can be uploaded."""

    name: str = Field(
        description="File name of the product's zip, or of an orthomosaic (.tif); folders may stand before it",
        examples=[f"{_EXAMPLE}.SAFE.zip", "2024-07/drone.tif"],
        min_length=1,
        max_length=300,
    )


class OrderAnswer(BaseModel):
    """What became of an order."""

    sentence: str = Field(examples=["3 of 3 that failed are put back."])
    accepted: list[str] = Field(description="Products or tile-months that go on their way now")
    left: dict[str, str] = Field(description="What was left as it is -> why")


class DropLink(BaseModel):
    """Where to put a product."""

    url: str = Field(description="PUT the file to this address")
    method: str = Field(examples=["PUT"])
    headers: dict[str, str] = Field(description="Headers to send", examples=[{"x-ms-blob-type": "BlockBlob"}])
    expires: datetime = Field(description="Until when the address works")


def orders() -> Orders:
    """Takes orders, with the outside as the app settings have it."""
    outside = services()
    return Orders(outside.store, outside.ledger, outside.queues, outside.clock, partial(_model, outside))


@router.post("/backfill", status_code=202)
def backfill(order: BackfillOrder) -> OrderAnswer:
    """Have older months of a tile searched; what is found there already is not fetched twice."""
    tile = Tile.parse(order.tile)
    first, last = (TileMonth.parse(tile.name, month) for month in (order.first, order.last or order.first))
    return _answer(orders().backfill(tile, first, last))


@router.post("/retry", status_code=202, responses=answers(404, 409))
def retry(order: RetryOrder) -> OrderAnswer:
    """Put what failed, was rejected or cancelled back to the first step whose input is still there."""
    if order.product is not None:
        return _answer(orders().retry(order.product))
    tile = Tile.parse(order.tile).name if order.tile is not None else ""
    return _answer(orders().retry_failed(order.key or "", tile))


@router.post("/reclassify", status_code=202, responses=answers(404, 409))
def reclassify(order: ReclassifyOrder) -> OrderAnswer:
    """Classify a product or a tile again, with the model and the settings that are in force now."""
    if order.product is not None:
        return _answer(orders().reclassify(order.product))
    tile = Tile.parse(order.tile or "")
    states = frozenset(order.state)
    return _answer(orders().reclassify_tile(tile, only_other_model=order.only_other_model, states=states))


@router.post("/cancel", status_code=202, responses=answers(404, 409))
def cancel(order: CancelOrder) -> OrderAnswer:
    """Take off what waits, until it is retried, or put away what failed or was refused."""
    return _answer(orders().cancel(order.product))


@router.post("/drop-link", status_code=201)
def drop_link(order: DropOrder, outside: Outside) -> DropLink:
    """An address to which one file can be uploaded for two hours; it joins the pipeline by itself.

    It takes the zip of a product or an orthomosaic. A file of that name in the inbox is replaced.
    """
    path = BlobPath(DROP, order.name)
    _check_droppable(path)
    until = outside.clock() + _LINK_WORKS
    url = outside.links.upload(path, until=until)
    return DropLink(url=url, method="PUT", headers={"x-ms-blob-type": "BlockBlob"}, expires=until)


def _check_droppable(path: BlobPath) -> None:
    """BadName, BadProduct or Refusal where the inbox could not take a single file of that name."""
    if is_orthomosaic(path):
        name_of(path.name.rpartition("/")[2])
    elif parse_dropped(path).member:
        raise Refusal(422, "The name lies in a .SAFE folder; expected the folder as one zip.")


def _model(outside: Services, tile: Tile) -> str:
    """The classifier in force for ``tile``, as the ledger names it."""
    from shared.pipeline.watching import settings_of, watchlist

    in_force = settings_of(tile, watchlist(outside.store), outside.settings.defaults)
    classifier = outside.load_classifier(in_force.model)
    return f"{classifier.name} {classifier.version}"


def _answer(ordered: Ordered) -> OrderAnswer:
    forget()
    return OrderAnswer(sentence=ordered.sentence, accepted=list(ordered.accepted), left=dict(ordered.left))
