"""What the charts of a time series draw: plain numbers for the browser, and nothing that was not measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.pipeline.overview_series import Point
from shared.science.classes import SurfaceClass


def chart_data(points: Sequence[Point]) -> dict[str, Any]:
    """The series as JSON, one list per quantity, all of the length of ``times``; unknown numbers are null.

    ``times`` are seconds since 1970, strictly rising as the chart needs it.
    """
    return {
        "times": _rising([point.sensing.timestamp() for point in points]),
        "names": [point.product for point in points],
        "approximate": [point.approximate for point in points],
        "usable": [_rounded(point.usable_percent, 2) for point in points],
        "albedo": _with_spread([(point.albedo_mean, point.albedo_sd) for point in points]),
        "algae": _with_spread([(point.index_mean, point.index_sd) for point in points]),
        "classes": [
            {
                "label": surface.label,
                "colour": "#{:02x}{:02x}{:02x}".format(*surface.colour),
                "percent": [_rounded(point.class_percent.get(surface.short), 3) for point in points],
            }
            for surface in SurfaceClass
        ],
    }


def _with_spread(pairs: Sequence[tuple[float | None, float | None]]) -> dict[str, list[float | None]]:
    return {"mean": [_rounded(mean, 4) for mean, _ in pairs], "sd": [_rounded(sd, 4) for _, sd in pairs]}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _rising(times: list[float]) -> list[float]:
    """Two halves of a split granule have one sensing time; a second keeps them apart on the axis."""
    for place in range(1, len(times)):
        times[place] = max(times[place], times[place - 1] + 1)
    return times


def in_words(points: Sequence[Point]) -> str:
    """What the charts show, for who does not see them."""
    if not points:
        return "No acquisition is classified."
    known = [point.albedo_mean for point in points if point.albedo_mean is not None]
    text = f"{len(points)} classified acquisitions from {points[0].sensing:%Y-%m-%d} to {points[-1].sensing:%Y-%m-%d}"
    return f"{text}; mean albedo between {min(known):.2f} and {max(known):.2f}." if known else f"{text}."
