"""The search of the STAC API: which results touch a place and a time, page by page."""

from __future__ import annotations

import datetime as time
import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import JSONResponse, Response

from functions.api.cursors import after, cursor
from functions.api.outside import Outside
from functions.api.problems import ALWAYS, answers
from functions.api.snapshot import snapshot
from functions.api.stac_items import COLLECTION, GEO, GEOJSON, Links, feature_collection, item_of
from shared.errors import BadName
from shared.models import Tile, shown
from shared.records import Record
from shared.wiring import Services

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

router = APIRouter(tags=["stac"], responses=answers(*ALWAYS))
_POINT = '{"type":"Point","coordinates":[-49.1,67.0]}'
ITEM = "S2A_MSIL2A_20210702T150911_N0511_R025_T22WEV_20240612T101500"
_AT_ONCE = 8  # items read from the store at the same time
MOST = 250  # items of one page; who asks for more gets these (OGC API Features 1.0, 7.15.2)
Limit = Annotated[
    int,
    Field(ge=1, description=f"Items of one page; more than {MOST} are taken as {MOST}", examples=[100]),
    AfterValidator(lambda asked: min(asked, MOST)),
]
Box = Annotated[str, Query(max_length=200, description="West,south,east,north in degrees", examples=["-51,66,-48,68"])]
When = Annotated[
    str,
    Query(
        max_length=100,
        description="An instant (RFC 3339; without an offset in UTC) or a whole day, or two with / between; .. is open",
        examples=["2021-06-01T00:00:00Z/.."],
    ),
]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(rf"{_DAY.pattern}[Tt ]\d{{2}}:\d{{2}}:\d{{2}}(\.\d+)?([Zz]|[+-]\d{{2}}:\d{{2}})?", re.ASCII)
Token = Annotated[str, Query(max_length=400, description="As the link to the next page has it", examples=[""])]


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for; what is left out does not narrow."""

    place: BaseGeometry | None  # degrees longitude and latitude
    since: time.datetime | None
    until: time.datetime | None
    ids: frozenset[str]
    collections: frozenset[str]
    limit: int
    token: str
    asked: tuple[tuple[str, str], ...]  # what the client said, for the link to the next page

    @classmethod
    def of(
        cls,
        *,
        bbox: str = "",
        intersects: dict[str, Any] | None = None,
        datetime: str = "",
        ids: str = "",
        collections: str = "",
        limit: int = 10,
        token: str = "",
    ) -> Search:
        """Read the parameters as texts; BadName where one does not parse."""
        if bbox and intersects:
            raise BadName("Both bbox and intersects are given; one search takes one of them.")
        since, until = _interval(datetime)
        shape = json.dumps(intersects, separators=(",", ":")) if intersects else ""
        said = {"bbox": bbox, "intersects": shape, "datetime": datetime, "ids": ids, "collections": collections}
        return cls(
            place=_box(bbox) if bbox else _shape(intersects) if intersects is not None else None,
            since=since,
            until=until,
            ids=frozenset(filter(None, ids.split(","))),
            collections=frozenset(filter(None, collections.split(","))),
            limit=limit,
            token=token,
            asked=(*((name, value) for name, value in said.items() if value), ("limit", str(limit))),
        )

    def takes(self, record: Record) -> bool:
        """Whether the result of ``record`` is searched for."""
        at = record.times.get("sensing")
        if at is None or not record.has_results:
            return False
        if (self.ids and record.l2a not in self.ids) or (self.collections and COLLECTION not in self.collections):
            return False
        return not ((self.since and at < self.since) or (self.until and at > self.until))


class SearchBody(BaseModel):
    """The body of a search by POST."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    bbox: list[float] | None = Field(default=None, min_length=4, max_length=6, examples=[[-51, 66, -48, 68]])
    intersects: dict[str, JsonValue] | None = Field(
        default=None, description="A GeoJSON geometry", examples=[{"type": "Point", "coordinates": [-49.1, 67.0]}]
    )
    datetime: str | None = Field(default=None, max_length=100, examples=["2021-06-01T00:00:00Z/.."])
    ids: list[str] | None = Field(default=None, max_length=250, examples=[[ITEM]])
    collections: list[str] | None = Field(default=None, max_length=20, examples=[[COLLECTION]])
    limit: Limit = 10
    token: str = Field(default="", max_length=400, examples=[""])


@router.get("/stac/search", response_class=Response, responses=GEO)
def search(
    request: Request,
    outside: Outside,
    *,
    bbox: Box = "",
    intersects: Annotated[str, Query(max_length=20_000, description="A GeoJSON geometry", examples=[_POINT])] = "",
    datetime: When = "",
    ids: Annotated[str, Query(max_length=20_000, description="Item names, with commas between", examples=[ITEM])] = "",
    collections: Annotated[str, Query(max_length=1000, examples=[COLLECTION])] = "",
    limit: Limit = 10,
    token: Token = "",
) -> JSONResponse:
    """Results by place, time and name, newest first."""
    wanted = Search.of(
        bbox=bbox,
        intersects=_geometry(intersects) if intersects else None,
        datetime=datetime,
        ids=ids,
        collections=collections,
        limit=limit,
        token=token,
    )
    return page_of(wanted, Links.of(request), outside, "/search")


@router.post("/stac/search", response_class=Response, responses={**GEO, **answers(403, 413)})
def search_by_body(body: SearchBody, request: Request, outside: Outside) -> JSONResponse:
    """The same with a body, which may hold a geometry."""
    wanted = Search.of(
        bbox=",".join(map(str, body.bbox or [])),
        intersects=body.intersects,
        datetime=body.datetime or "",
        ids=",".join(body.ids or []),
        collections=",".join(body.collections or []),
        limit=body.limit,
        token=body.token,
    )
    return page_of(wanted, Links.of(request), outside, "/search", body=body)


def page_of(
    wanted: Search, links: Links, outside: Services, path: str, *, body: SearchBody | None = None
) -> JSONResponse:
    """One page of results as GeoJSON, with the link to the next."""
    found = [record for record in snapshot().records if wanted.takes(record)]
    if wanted.place is not None:
        near = {tile for tile in {record.partition for record in found} if _touches(tile, wanted.place)}
        found = [record for record in found if record.partition in near]
    rest = after(found, wanted.token)
    page = rest[: wanted.limit]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        items = [item for item in pool.map(lambda record: item_of(record, links, outside), page) if item]
    told = [links.to("root", "", "application/json"), links.to("self", path, GEOJSON)]
    if len(rest) > wanted.limit:
        told.append(_next(wanted, links, path, cursor(page[-1]), body))
    return JSONResponse(feature_collection(items, len(found), told), media_type=GEOJSON)


def _next(wanted: Search, links: Links, path: str, token: str, body: SearchBody | None) -> dict[str, Any]:
    if body is not None:
        again = body.model_dump(exclude_none=True) | {"token": token}
        return links.to("next", path, GEOJSON) | {"method": "POST", "body": again}
    query = urlencode([*wanted.asked, ("token", token)])
    return links.to("next", f"{path}?{query}", GEOJSON) | {"method": "GET"}


def _touches(tile: str, place: BaseGeometry) -> bool:
    from shared.science.tilegrid import extent

    return any(place.intersects(part) for part in extent(Tile(tile)))


def _box(text: str) -> BaseGeometry:
    """A box as GeoJSON has it (RFC 7946, 5): where its west is larger than its east it crosses the 180th meridian."""
    import shapely

    try:
        sides = [float(part) for part in text.split(",")]
    except ValueError as cause:
        raise BadName(f"'{shown(text)}' is no box; expected west,south,east,north in degrees.") from cause
    if len(sides) == 6 and all(map(math.isfinite, (sides[2], sides[5]))):  # heights
        del sides[5], sides[2]
    is_box = len(sides) == 4 and -90 <= sides[1] <= sides[3] <= 90
    if not is_box or not all(-180 <= sides[side] <= 180 for side in (0, 2)):  # which NaN is not either
        raise BadName(f"'{shown(text)}' is no box; expected west,south,east,north in degrees.")
    west, south, east, north = sides
    if west <= east:
        return shapely.box(west, south, east, north)
    return shapely.union(shapely.box(west, south, 180, north), shapely.box(-180, south, east, north))


def _geometry(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise BadName(f"intersects is '{shown(text)}', which is no JSON; expected a GeoJSON geometry.") from cause
    if not isinstance(found, dict):
        raise BadName(f"intersects is '{shown(text)}'; expected a GeoJSON geometry.")
    return found


def _shape(geometry: dict[str, Any]) -> BaseGeometry:
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        json.dumps(geometry, allow_nan=False)  # Python's reader takes NaN for a number
        found = shape(geometry)
        usable = found.is_valid and not found.is_empty
    except (ShapelyError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as cause:
        raise BadName(f"intersects is no GeoJSON geometry: {shown(cause)}.") from cause
    if not usable:
        raise BadName("intersects is no valid GeoJSON geometry.")
    return found


def _interval(text: str) -> tuple[time.datetime | None, time.datetime | None]:
    """What a datetime parameter means, both ends included; ".." or nothing on one side leaves it open."""
    if not text:
        return None, None
    first, slash, last = text.partition("/")
    if not slash:
        return _ends(first)
    since = None if first in {"", ".."} else _ends(first)[0]
    until = None if last in {"", ".."} else _ends(last)[1]
    if (since is None and until is None) or (since and until and since > until):
        raise BadName(f"'{shown(text)}' is no interval; expected two instants in order, one of them may be '..'.")
    return since, until


def _ends(text: str) -> tuple[time.datetime, time.datetime]:
    """The first and the last moment of an instant, or of a day: who names a day means all of it."""
    try:
        if _DAY.fullmatch(text):
            day = time.date.fromisoformat(text)
            first, last = (time.datetime.combine(day, of, time.UTC) for of in (time.time.min, time.time.max))
            return first, last
        if _INSTANT.fullmatch(text):
            at = time.datetime.fromisoformat(text.upper())
            at = at.astimezone(time.UTC) if at.tzinfo else at.replace(tzinfo=time.UTC)
            return at, at
    except (ValueError, OverflowError) as cause:
        raise BadName(f"'{shown(text)}' is no day or time of day: {shown(cause)}.") from cause
    raise BadName(f"'{shown(text)}' is no instant; expected one such as 2021-07-02T15:09:11Z, or a day.")
