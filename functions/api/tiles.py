"""Tiles over HTTP: what each has, its completeness calendar, its time series."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from functions.api.answers import CalendarAnswer, MonthAnswer, PointAnswer, SeriesAnswer, TileAnswer, Tiles
from functions.api.kept_route import KeptRoute
from functions.api.outside import FromDay, OfTile, Outside, ToDay
from functions.api.problems import ALWAYS, answers
from functions.api.snapshot import snapshot
from shared.errors import BadName
from shared.models import Tile
from shared.pipeline.overview import tiles as overview
from shared.pipeline.overview_calendar import calendar as calendar_of
from shared.pipeline.overview_calendar import years
from shared.pipeline.overview_series import Point, as_csv
from shared.pipeline.overview_series import series as series_of
from shared.pipeline.watching import watchlist
from shared.science.classes import SurfaceClass

router = APIRouter(route_class=KeptRoute, tags=["tiles"], responses=answers(*ALWAYS))
ClassName = Literal["SN", "WAT", "CC", "CI", "LA", "HA"]  # as `shared.science.classes` has them; a test compares
Year = Annotated[
    int | None, Query(ge=2015, le=2100, description="Year; left out: the newest with acquisitions", examples=[2021])
]
OfClass = Annotated[
    list[ClassName] | None,
    Query(alias="class", description="Only these classes, by short name", max_length=6, examples=[["LA", "HA"]]),
]


@router.get("/api/tiles")
def tiles(outside: Outside) -> Tiles:
    """All tiles that are watched or have products, with the newest picture of each."""
    found = overview(snapshot().records, watchlist(outside.store))
    return Tiles(tiles=[TileAnswer.of(tile) for tile in found])


@router.get("/api/tiles/{tile}/calendar", responses=answers(404))
def calendar(tile: OfTile, outside: Outside, year: Year = None) -> CalendarAnswer:
    """Every acquisition of one year on its day, with its state and reason, and when each month was searched."""
    seen = snapshot()
    known = years(seen.records, tile.name)
    wanted = year or (known[0] if known else outside.clock().year)
    months = calendar_of(seen.records, seen.months, tile.name, wanted)
    return CalendarAnswer(tile=tile.name, year=wanted, years=known, months=[MonthAnswer.of(month) for month in months])


@router.get("/api/tiles/{tile}/series", responses=answers(404))
def series(tile: OfTile, since: FromDay = None, until: ToDay = None, classes: OfClass = None) -> SeriesAnswer:
    """Albedo, class shares and algae index of every classified acquisition, oldest first."""
    shorts = frozenset(classes or ())
    return SeriesAnswer(tile=tile.name, points=[PointAnswer.of(point, shorts) for point in _points(tile, since, until)])


@router.get(
    "/api/tiles/{tile}/series.csv",
    response_class=Response,
    responses={
        200: {"description": "One line per acquisition", "content": {"text/csv": {"schema": {"type": "string"}}}},
        **answers(404),
    },
)
def series_csv(tile: OfTile, since: FromDay = None, until: ToDay = None, classes: OfClass = None) -> Response:
    """The same as CSV, for spreadsheets and scripts; shares in percent, areas in km2."""
    chosen = [surface for surface in SurfaceClass if not classes or surface.short in classes]
    text = as_csv(_points(tile, since, until), chosen)
    headers = {"content-disposition": f'attachment; filename="icewatch_{tile}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _points(tile: Tile, since: date | None, until: date | None) -> tuple[Point, ...]:
    if since and until and since > until:
        raise BadName(f"The first day {since} lies after the last, {until}.")
    return series_of(snapshot().records, tile.name, since, until)
