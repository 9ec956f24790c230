"""The addresses of the pages. Looking is here; signing in and orders are in `doing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from functions.api.depths import depths
from functions.api.links import result_link
from functions.api.ordering import orders
from functions.api.outside import OfProduct, OfTile, Outside
from functions.api.snapshot import Snapshot, snapshot
from functions.pages import doing, pictures, views
from functions.pages.charts import chart_data, in_words
from functions.pages.rendering import HEADERS, KeptPage, PageRoute, page, static_file
from shared.errors import NotFound
from shared.messages import TILE_MONTHS
from shared.models import MANIFEST, BlobPath, ProductName, State, l2a_folder, shown
from shared.pipeline.lookup import partition_of
from shared.pipeline.metrics_orbits import missing
from shared.pipeline.orders import Orders
from shared.pipeline.overview import Filter, chosen, orthomosaics, tiles
from shared.pipeline.overview_alarms import Situation, alarms, awaited
from shared.pipeline.overview_calendar import calendar, years
from shared.pipeline.overview_failures import failures
from shared.pipeline.overview_series import series
from shared.pipeline.overview_summers import months_of, summers
from shared.pipeline.runs import all_runs
from shared.pipeline.watching import watchlist
from shared.records import DRONE, REFUSED, Record

_LATELY, _WEEK = timedelta(minutes=5), timedelta(days=7)
HAPPENINGS = 5  # of the overview
PER_PAGE = 100  # products of one page of the list
_PICTURE_HEADERS = {**HEADERS, "Cache-Control": "private, max-age=3600"}
router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.include_router(doing.router)
lists = APIRouter(route_class=KeptPage, include_in_schema=False)

Seen = Annotated[Snapshot, Depends(snapshot)]
Taking = Annotated[Orders, Depends(orders)]
Year = Annotated[int | None, Query(ge=2015, le=2100)]
Count = Annotated[int, Query(ge=0, le=10_000_000)]


@router.get("/static/{name:path}")
def static(name: str) -> Response:
    """Style sheet, scripts and icon; they need no key."""
    return static_file(name)


@lists.get("/")
def overview(request: Request, seen: Seen, outside: Outside) -> Response:
    """Is it alive, what came in, and what ought somebody to look at."""
    watched = watchlist(outside.store)
    situation = Situation(
        records=seen.records,
        months=seen.months,
        depths=depths(outside.queues),
        runs=all_runs(outside.store, outside.first_due),
        watched=watched,
        now=outside.clock(),
    )
    found, drone = tiles(seen.records, watched), orthomosaics(seen.records)
    return page(
        request,
        "overview.html",
        tiles=found,
        orthomosaics=drone,
        totals=views.sums([*(tile.states for tile in found), drone]),
        alarms=[(alarm, views.alarm_page(alarm)) for alarm in alarms(situation)],
        awaited=awaited(situation),
        lately=views.lately((row for row in seen.records if row.partition != REFUSED), HAPPENINGS),
        came_in=views.came_in(seen.records, situation.now - _WEEK),
        resting=views.resting(watched, situation.now),
        depths=situation.depths,
        runs=situation.runs,
        seen=seen,
        now=situation.now,
    )


@lists.get("/tiles/{tile}/calendar")
def calendar_of_tile(
    request: Request, *, tile: OfTile, seen: Seen, outside: Outside, year: Year = None, ordered: str = ""
) -> Response:
    """Every acquisition of a year on its day, and which months were never searched."""
    now = outside.clock()
    known, watched = years(seen.records, tile.name), watchlist(outside.store)
    shown_year = year or (known[0] if known else now.year)
    months = calendar(seen.records, seen.months, tile.name, shown_year)
    mine = [record for record in seen.records if record.partition == tile.name]
    missed = [one for one in missing(mine, now, watched=watched) if one.at.year == shown_year]
    return page(
        request,
        "calendar.html",
        tile=tile,
        year=shown_year,
        years=sorted({*known, now.year, shown_year}, reverse=True),
        waiting=outside.queues.depth(TILE_MONTHS) if ordered else None,
        rows=views.rows(months, missed, now, watched),
        missed=missed,
        ends=views.ends_of(shown_year, now),
        now=now,
        totals=views.sums(month.states for month in months),
        records=[record for month in months for records in month.days.values() for record in records],
        seen=seen,
    )


@lists.get("/tiles/{tile}/series")
def series_of_tile(request: Request, tile: OfTile, seen: Seen, year: Year = None) -> Response:
    """How the ice changed: albedo, classes and algae of every classified acquisition."""
    first, last = views.year_span(year) if year else (None, None)
    points = series(seen.records, tile.name, first, last)
    return page(
        request,
        "series.html",
        tile=tile,
        year=year,
        years=years(seen.records, tile.name),
        points=points,
        summers=[] if year else summers(points, tile.name),
        summer=months_of(tile.name),
        data=chart_data(points),
        summary=in_words(points),
        csv=views.link(f"/api/tiles/{tile}/series.csv", **{"from": first, "to": last}),
        seen=seen,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the list's form; what is empty does not narrow, nor does a day that is none."""

    tile: Annotated[str, Query(max_length=20)] = ""
    state: Annotated[str, Query(max_length=20)] = ""
    reason: Annotated[str, Query(max_length=200)] = ""
    since: Annotated[str, Query(alias="from", max_length=20)] = ""
    until: Annotated[str, Query(alias="to", max_length=20)] = ""

    def query(self) -> dict[str, str]:
        """The fields as the form and the address call them."""
        return {"tile": self.tile, "state": self.state, "reason": self.reason, "from": self.since, "to": self.until}

    def wanted(self) -> Filter:
        """The same as the read model knows it; BadName for a tile that is none."""
        tile = self.tile.strip()
        return Filter(
            tile=partition_of(tile if tile in {DRONE, REFUSED} else tile.upper()) if tile else None,
            since=_day(self.since),
            until=_day(self.until),
            states=frozenset({State(self.state)} if self.state in set(State) else ()),
            reason=self.reason,
        )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


@lists.get("/products")
def products(request: Request, seen: Seen, asked: Annotated[Asked, Depends()], skip: Count = 0) -> Response:
    """The products that a person looks for, newest acquisition first."""
    found, query = chosen(seen.records, asked.wanted()), asked.query()
    return page(
        request,
        "products.html",
        total=len(found),
        records=found[skip : skip + PER_PAGE],
        first=skip,
        query=query,
        before=views.link("/products", **query, skip=max(0, skip - PER_PAGE)) if skip else "",
        after=views.link("/products", **query, skip=skip + PER_PAGE) if skip + PER_PAGE < len(found) else "",
        seen=seen,
    )


@router.get("/products/{product}")
def product(
    request: Request, *, product: OfProduct, seen: Seen, taking: Taking, outside: Outside, ordered: str = ""
) -> Response:
    """One product: its maps, its numbers, its whole history, and what can be done."""
    return _product(request, taking.known(product), seen, outside, ordered)


@router.get("/refused")
def refused(
    request: Request,
    name: Annotated[str, Query(max_length=1500)],
    seen: Seen,
    outside: Outside,
    ordered: str = "",
) -> Response:
    """Something that could not be used: a name, a message, a watchlist."""
    record = outside.ledger.get(REFUSED, name)
    if record is None:
        raise NotFound(f"Nothing of the name {shown(name)} was refused.")
    return _product(request, record, seen, outside, ordered)


def _product(request: Request, record: Record, seen: Snapshot, outside: Outside, ordered: str) -> Response:
    folder = views.folder_of(record)
    files = views.result_files(outside.store.list(folder)) if folder else []
    base = str(request.base_url).rstrip("/")
    earlier, later = views.neighbours(seen.records, record)
    return page(
        request,
        "product.html",
        record=record,
        events=views.history(record),
        stuck=views.open_attempts(record),
        files=[(file, result_link(file.path)) for file in files],
        links=[(file, base + result_link(file.path, signed=True)) for file in files if file.description],
        has_l2a=bool(record.l2a) and outside.store.info(_l2a(record) / MANIFEST) is not None,
        orders=views.orders_for(record),
        ordered=doing.DONE.get(ordered, "") if views.is_under_way(ordered, record) else "",
        earlier=earlier,
        later=later,
        seen=seen,
    )


@router.get("/products/{product}/true-colour.jpg")
def true_colour(product: OfProduct, taking: Taking, outside: Outside) -> Response:
    """The corrected acquisition as the eye would see it, small; made when first asked for."""
    record = taking.known(product)
    if not record.l2a:
        raise NotFound(f"{record.name} is not corrected.")
    picture = pictures.true_colour(outside.store, _l2a(record))
    return Response(picture, media_type="image/jpeg", headers=_PICTURE_HEADERS)


def _l2a(record: Record) -> BlobPath:
    return l2a_folder(ProductName.parse(record.l2a))


@lists.get("/failures")
def failed(request: Request, seen: Seen, outside: Outside, ordered: str = "") -> Response:
    """What failed, grouped by reason, with a button to try again."""
    put_back = views.put_back_since(seen.records, outside.clock() - _LATELY) if ordered else None
    return page(request, "failures.html", groups=failures(seen.records), put_back=put_back, seen=seen)


router.include_router(lists)
