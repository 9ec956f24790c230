"""What the layers of one result say at a point, and within a polygon: decoding and counting of small windows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.errors import BadName
from shared.science.classes import Quality, SurfaceClass
from shared.science.indices import cells_per_ml
from shared.science.layers import ALBEDO, ALGAE, CLASS, CONFIDENCE, LAYERS, QUALITY, Layer

Stored = Mapping[str, npt.NDArray[np.generic]]  # layer name -> stored numbers, all of one shape
MOST_PIXELS = 4_000_000  # of one polygon's bounding window: 1,600 km2 at 20 m


@dataclass(frozen=True, slots=True)
class AtPoint:
    """One pixel."""

    surface: SurfaceClass | None
    quality: Quality  # why it has no class
    albedo: float | None
    index: float | None  # 2DBA
    cells_per_ml: float | None  # of algae, by the index
    confidence: float | None  # share of the forest's vote


@dataclass(frozen=True, slots=True)
class WithinArea:
    """All pixels whose centres lie in a polygon."""

    pixels: int
    km2: float
    classified: int  # pixels
    class_percent: Mapping[str, float]  # short name -> % of what is classified
    class_km2: Mapping[str, float]
    quality_percent: Mapping[str, float]  # label -> % of all pixels
    albedo_mean: float | None
    albedo_sd: float | None
    index_mean: float | None
    index_sd: float | None


def values(layer: Layer, stored: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Stored numbers as values, NaN where there are none."""
    numbers = stored.astype(np.float64)
    numbers[stored == layer.nodata] = np.nan
    return numbers * layer.scale


def at_point(stored: Stored) -> AtPoint:
    """What the layers, windows of one pixel, say."""
    code, reason = int(stored[CLASS.name].flat[0]), int(stored[QUALITY.name].flat[0])
    numbers = {layer.name: float(values(layer, stored[layer.name]).flat[0]) for layer in LAYERS}
    found = {name: None if np.isnan(number) else round(number, 4) for name, number in numbers.items()}
    index = found[ALGAE.name]
    return AtPoint(
        surface=SurfaceClass(code) if code else None,
        quality=Quality(reason),
        albedo=found[ALBEDO.name],
        index=index,
        cells_per_ml=round(cells_per_ml(index)) if index is not None else None,
        confidence=found[CONFIDENCE.name],
    )


def within(stored: Stored, inside: npt.NDArray[np.bool_], pixel_km2: float) -> WithinArea:
    """Count the pixels where ``inside`` (rows, columns) is true; ``pixel_km2`` is the area of one.

    Raises BadName where it is true nowhere: shares of nothing are no numbers.
    """
    classes = stored[CLASS.name][inside]
    reasons = stored[QUALITY.name][inside]
    pixels, classified = int(inside.sum()), int(np.count_nonzero(classes))
    if not pixels:
        metres = 1000 * math.sqrt(pixel_km2)
        raise BadName(f"The polygon holds the centre of no pixel; pixels are {metres:g} m wide, a point has one.")
    counts = {surface: int(np.count_nonzero(classes == surface.value)) for surface in SurfaceClass}
    why = {reason: int(np.count_nonzero(reasons == reason.value)) for reason in Quality}
    albedo, index = (_moments(values(layer, stored[layer.name])[inside]) for layer in (ALBEDO, ALGAE))
    return WithinArea(
        pixels=pixels,
        km2=round(pixels * pixel_km2, 6),
        classified=classified,
        class_percent={s.short: round(100 * count / max(classified, 1), 3) for s, count in counts.items()},
        class_km2={s.short: round(count * pixel_km2, 6) for s, count in counts.items()},
        quality_percent={q.label: round(100 * count / pixels, 3) for q, count in why.items()},
        albedo_mean=albedo[0],
        albedo_sd=albedo[1],
        index_mean=index[0],
        index_sd=index[1],
    )


def _moments(numbers: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    known = numbers[np.isfinite(numbers)]
    return (round(float(known.mean()), 4), round(float(known.std()), 4)) if known.size else (None, None)
