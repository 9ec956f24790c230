"""The results as a STAC API (1.0.0, items 1.1): landing page, conformance, one collection and its items.

https://github.com/radiantearth/stac-api-spec
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse, Response

from functions.api.outside import Outside
from functions.api.problems import ALWAYS, answers
from functions.api.snapshot import snapshot
from functions.api.stac_items import COLLECTION, GEO, GEOJSON, Links, item_of
from functions.api.stac_search import ITEM, Box, Limit, Search, Token, When, page_of
from shared.errors import BadName, NotFound
from shared.models import ProductName, Tile
from shared.pipeline.overview import order
from shared.pipeline.surface_results import instant
from shared.records import DRONE, Record

router = APIRouter(tags=["stac"], responses=answers(*ALWAYS))
_CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/item-search",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
]
_JSON = "application/json"
_OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
_LICENCE = "https://sentinels.copernicus.eu/documents/247904/690755/Sentinel_Data_Legal_Notice"
OfCollection = Annotated[str, Path(max_length=100, examples=[COLLECTION])]


@router.get("/stac")
def landing_page(request: Request) -> dict[str, Any]:
    """Where a STAC client begins."""
    links = Links.of(request)
    return {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": "icewatch",
        "title": "IceWatch",
        "description": "Ice surface classes, albedo and algae of glaciers and ice sheets, from Sentinel-2.",
        "conformsTo": _CONFORMS,
        "links": [
            links.to("self", "", _JSON),
            links.to("root", "", _JSON),
            links.to("conformance", "/conformance", _JSON),
            links.to("data", "/collections", _JSON),
            links.to("child", f"/collections/{COLLECTION}", _JSON),
            links.to("search", "/search", GEOJSON) | {"method": "GET"},
            links.to("search", "/search", GEOJSON) | {"method": "POST"},
            {"rel": "service-desc", "href": f"{links.site}/api/openapi.json", "type": _OPENAPI},
            {"rel": "service-doc", "href": f"{links.site}/", "type": "text/html"},
        ],
    }


@router.get("/stac/conformance")
def conformance() -> dict[str, list[str]]:
    """Which parts of the specification hold."""
    return {"conformsTo": _CONFORMS}


@router.get("/stac/collections")
def collections(request: Request) -> dict[str, Any]:
    """The one collection."""
    links = Links.of(request)
    return {
        "collections": [_collection(links)],
        "links": [links.to("self", "/collections", _JSON), links.to("root", "", _JSON)],
    }


@router.get("/stac/collections/{collection}", responses=answers(404))
def collection(collection: OfCollection, request: Request) -> dict[str, Any]:
    """The collection of all results, with where and when they are."""
    _check(collection)
    return _collection(Links.of(request))


@router.get("/stac/collections/{collection}/items", response_class=Response, responses={**GEO, **answers(404)})
def items(
    collection: OfCollection,
    request: Request,
    outside: Outside,
    *,
    bbox: Box = "",
    datetime: When = "",
    limit: Limit = 10,
    token: Token = "",
) -> JSONResponse:
    """The results page by page, newest first."""
    _check(collection)
    search = Search.of(bbox=bbox, datetime=datetime, limit=limit, token=token)
    return page_of(search, Links.of(request), outside, f"/collections/{COLLECTION}/items")


@router.get("/stac/collections/{collection}/items/{item}", response_class=Response, responses={**GEO, **answers(404)})
def item(
    collection: OfCollection,
    item: Annotated[str, Path(max_length=200, description="Name of the L2A product", examples=[ITEM])],
    request: Request,
    outside: Outside,
) -> JSONResponse:
    """One result as a STAC Item; its assets are links that open for an hour without the key."""
    _check(collection)
    try:
        product = ProductName.parse(item)
    except BadName as error:
        raise NotFound(str(error)) from error
    record = outside.ledger.by_l2a(product.tile, str(product))
    found = None
    if record is not None and record.has_results:
        found = item_of(record, Links.of(request), outside)
    if found is None:
        raise NotFound(f"There is no result of {product}.")
    return JSONResponse(found, media_type=GEOJSON)


def _check(collection: str) -> None:
    if collection != COLLECTION:
        raise NotFound(f"There is no such collection; the one there is is {COLLECTION}.")


def _collection(links: Links) -> dict[str, Any]:
    records = [record for record in snapshot().records if record.has_results]
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": COLLECTION,
        "title": "Ice surface",
        "description": "One item per classified acquisition: ice surface class, albedo, algae index, confidence "
        "and quality as cloud-optimized GeoTIFF in the tile's UTM zone.",
        "keywords": ["ice", "glacier", "albedo", "algae", "Sentinel-2"],
        "license": "other",
        "extent": {"spatial": {"bbox": _boxes(records)}, "temporal": {"interval": [_interval(records)]}},
        "links": [
            links.to("self", f"/collections/{COLLECTION}", _JSON),
            links.to("root", "", _JSON),
            links.to("parent", "", _JSON),
            links.to("items", f"/collections/{COLLECTION}/items", GEOJSON),
            {"rel": "license", "href": _LICENCE, "title": "Contains modified Copernicus Sentinel data"},
        ],
    }


def _boxes(records: Iterable[Record]) -> list[list[float]]:
    """The box around everything first, then that of each tile, as the specification asks."""
    from shared.science.tilegrid import extent

    tiles = sorted({record.partition for record in records} - {DRONE})  # an orthomosaic is no item of the collection
    boxes = [[round(side, 5) for side in part.bounds] for tile in tiles for part in extent(Tile(tile))]
    if not boxes:
        return [[-180.0, -90.0, 180.0, 90.0]]
    west, south, east, north = zip(*boxes, strict=True)
    whole = [min(west), min(south), max(east), max(north)]
    return [whole, *boxes] if len(boxes) > 1 else [whole]


def _interval(records: list[Record]) -> list[str | None]:
    instants = [order(record)[0] for record in records if "sensing" in record.times]
    return [instant(min(instants)), instant(max(instants))] if instants else [None, None]
