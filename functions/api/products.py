"""Products over HTTP: lists with filters, one with its whole history, and what failed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from functions.api.access import QUERY
from functions.api.answers import FailureKind, FailuresAnswer, FileAnswer, ProductDetail, Products, facts, product
from functions.api.cursors import after as rows_after
from functions.api.cursors import cursor
from functions.api.kept_route import KeptRoute
from functions.api.links import result_link
from functions.api.ordering import orders
from functions.api.outside import FromDay, OfProduct, Outside, ToDay
from functions.api.problems import ALWAYS, answers
from functions.api.snapshot import snapshot
from shared.errors import BadName
from shared.models import BlobPath, State
from shared.pipeline.lookup import partition_of
from shared.pipeline.metrics import cost
from shared.pipeline.overview import Filter, chosen
from shared.pipeline.overview_failures import failures as kinds_of
from shared.records import DRONE, REFUSED, Record
from shared.wiring import Services

lists = APIRouter(route_class=KeptRoute, tags=["products"], responses=answers(*ALWAYS))
router = APIRouter(tags=["products"], responses=answers(*ALWAYS))
OfTileQuery = Annotated[
    str | None,
    Query(
        description="Tile, 'drone' for orthomosaics, or 'refused' for what is no product",
        max_length=10,
        examples=["22WEV"],
    ),
]


@lists.get("/api/products")
def products(
    request: Request,
    *,
    tile: OfTileQuery = None,
    since: FromDay = None,
    until: ToDay = None,
    state: Annotated[
        list[State] | None, Query(description="Only in these states", max_length=8, examples=[["FAILED"]])
    ] = None,
    reason: Annotated[
        str, Query(description="Only where the reason contains this", max_length=200, examples=["is damaged"])
    ] = "",
    limit: Annotated[int, Query(ge=1, le=1000, description="Products of one page", examples=[100])] = 100,
    after: Annotated[
        str, Query(description="As the address of the next page has it", max_length=400, examples=[""])
    ] = "",
) -> Products:
    """The products in the ledger, newest acquisition first; ``next`` is the address of the next page."""
    if since and until and since > until:
        raise BadName(f"The first day {since} lies after the last, {until}.")
    partition = None if tile is None else partition_of(tile)
    seen = snapshot()
    found = chosen(seen.records, Filter(partition, since, until, frozenset(state or ()), reason))
    rest = rows_after(found, after)
    page = rest[:limit]
    following = None
    if len(rest) > limit:
        url = request.url.include_query_params(after=cursor(page[-1])).remove_query_params(QUERY)  # never the key
        following = f"{url.path}?{url.query}"
    return Products(total=len(found), products=[product(record) for record in page], next=following, at=seen.at)


@router.get("/api/products/{product:path}", responses=answers(404))
def one_product(product: OfProduct, outside: Outside) -> ProductDetail:
    """One product with its whole history, by the name of its L1C or L2A product, and its files."""
    record = orders().known(product)
    detail = {
        name: getattr(record, name)
        for name in ProductDetail.model_fields
        if name not in {"state"} and hasattr(record, name)
    }
    more = {"files": _files(record, outside), "links": _links(record), "cost_usd": _cost(record, outside)}
    return ProductDetail(**{**detail, **facts(record), **more})


@lists.get("/api/failures")
def failures(tile: OfTileQuery = None) -> FailuresAnswer:
    """What failed, grouped by reason, the most frequent first; ``key`` retries a whole group."""
    partition = None if tile is None else partition_of(tile)
    kinds = kinds_of(chosen(snapshot().records, Filter(partition)))
    return FailuresAnswer(
        total=sum(len(kind.records) for kind in kinds), kinds=[FailureKind.of(kind) for kind in kinds]
    )


def _cost(record: Record, outside: Services) -> dict[str, float]:
    return {step: round(dollars, 6) for step, dollars in cost(record, outside.settings.prices).items()}


def _files(record: Record, outside: Services) -> list[FileAnswer]:
    if not record.results:
        return []
    folder = BlobPath.parse(record.results)
    return [
        FileAnswer(
            name=info.path.name.removeprefix(f"{folder.name}/"),
            bytes=info.size,
            href=result_link(str(info.path), signed=True),
        )
        for info in outside.store.list(folder)
    ]


def _links(record: Record) -> dict[str, str]:
    """Only what leads somewhere: an orthomosaic lies on no tile and is no Item."""
    if record.partition in {DRONE, REFUSED}:
        return {"list": f"/api/products?tile={record.partition}"}
    links = {
        "calendar": f"/api/tiles/{record.partition}/calendar",
        "series": f"/api/tiles/{record.partition}/series",
    }
    if record.results and record.l2a:
        links["stac"] = f"/stac/collections/icewatch-surface/items/{record.l2a}"
    return links


router.include_router(lists)
