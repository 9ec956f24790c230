"""The time series of a tile: what the ledger keeps of every classified acquisition, as values and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.pipeline.overview import Filter, order
from shared.pipeline.surface_results import instant, is_approximate
from shared.records import Record
from shared.science.classes import SurfaceClass


@dataclass(frozen=True, slots=True)
class Point:
    """One classified acquisition."""

    product: str
    l2a: str
    sensing: datetime
    usable_percent: float | None  # of the whole tile
    class_percent: Mapping[str, float]  # class short name -> % of what is classified
    class_km2: Mapping[str, float]
    albedo_mean: float | None  # broadband, 0-1, over what is classified
    albedo_sd: float | None
    index_mean: float | None  # 2DBA over clean ice, light and heavy algae
    index_sd: float | None
    processor: str
    approximate: bool  # by the stand-in for Sen2Cor, good for trying out only
    results: str  # path of the result folder


def series(
    records: Iterable[Record], tile: str, since: date | None = None, until: date | None = None
) -> tuple[Point, ...]:
    """The acquisitions of ``tile`` that have results, from day to day (both included), oldest first."""
    wanted = Filter(tile=tile, since=since, until=until)
    rows = sorted((record for record in records if record.has_results and wanted.takes(record)), key=order)
    return tuple(_point(record, record.times["sensing"]) for record in rows if "sensing" in record.times)


def _point(record: Record, sensing: datetime) -> Point:
    return Point(
        product=record.name,
        l2a=record.l2a,
        sensing=sensing,
        usable_percent=record.usable_percent,
        class_percent=record.class_percent,
        class_km2=record.class_km2,
        albedo_mean=record.albedo_mean,
        albedo_sd=record.albedo_sd,
        index_mean=record.index_mean,
        index_sd=record.index_sd,
        processor=record.processor,
        approximate=is_approximate(record.processor),
        results=record.results,
    )


def as_csv(points: Sequence[Point], classes: Sequence[SurfaceClass] = tuple(SurfaceClass)) -> str:
    """The points as CSV (RFC 4180) with one line of names; shares in percent, areas in km2, empty where unknown."""
    out = io.StringIO()
    writer = csv.writer(out)
    shares = [f"{surface.short}_{unit}" for surface in classes for unit in ("percent", "km2")]
    names = ("usable_percent", "albedo_mean", "albedo_sd", "index_2dba_mean", "index_2dba_sd")
    writer.writerow(["sensing", "product", "l2a", "processor", "approximate", *names, *shares])
    for point in points:
        numbers = (point.usable_percent, point.albedo_mean, point.albedo_sd, point.index_mean, point.index_sd)
        areas = [part.get(surface.short) for surface in classes for part in (point.class_percent, point.class_km2)]
        words = [instant(point.sensing), point.product, point.l2a, point.processor, str(point.approximate).lower()]
        writer.writerow([*words, *("" if number is None else f"{number:.6g}" for number in (*numbers, *areas))])
    return out.getvalue()
