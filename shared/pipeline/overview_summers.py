"""The summers of a tile side by side: how the ice changed from year to year. Pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from shared.pipeline.overview_series import Point
from shared.science.classes import SurfaceClass

_FIRST_NORTHERN_BAND = "N"  # of the military grid: bands C to M lie south of the equator
NORTH, SOUTH = "June to August", "December to February"
_ALGAE = (SurfaceClass.LIGHT_ALGAE.short, SurfaceClass.HEAVY_ALGAE.short)


@dataclass(frozen=True, slots=True)
class Summer:
    """One summer of a tile; means are over acquisitions, each of which counts alike."""

    year: int  # in which it ended
    acquisitions: int  # classified ones
    usable_percent: float | None  # mean share of the tile that could be classified
    albedo_mean: float | None
    darkest: Point | None  # the acquisition with the lowest mean albedo
    algae_percent: float | None  # mean share of light and heavy algae in what is classified


def months_of(tile: str) -> str:
    """What counts as summer at ``tile``."""
    return NORTH if tile[2] >= _FIRST_NORTHERN_BAND else SOUTH


def summers(points: Iterable[Point], tile: str) -> list[Summer]:
    """The summers in which ``tile`` has classified acquisitions, newest first."""
    found: dict[int, list[Point]] = defaultdict(list)
    for point in points:
        if year := _summer(point.sensing, is_north=months_of(tile) == NORTH):
            found[year].append(point)
    return [_of(year, found[year]) for year in sorted(found, reverse=True)]


def _summer(at: datetime, *, is_north: bool) -> int:
    """The year of the summer that ``at`` lies in; 0 where it lies in none."""
    if is_north:
        return at.year if 6 <= at.month <= 8 else 0
    return at.year + (at.month == 12) if at.month in {12, 1, 2} else 0


def _of(year: int, points: Sequence[Point]) -> Summer:
    dark = [(point.albedo_mean, number) for number, point in enumerate(points) if point.albedo_mean is not None]
    return Summer(
        year=year,
        acquisitions=len(points),
        usable_percent=_mean([point.usable_percent for point in points]),
        albedo_mean=_mean([point.albedo_mean for point in points]),
        darkest=points[min(dark)[1]] if dark else None,
        algae_percent=_mean([_algae(point) for point in points]),
    )


def _algae(point: Point) -> float | None:
    return sum(point.class_percent.get(name, 0.0) for name in _ALGAE) if point.class_percent else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
