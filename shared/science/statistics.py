"""Statistics of a whole tile, gathered window by window from the numbers that are written to the layers.

All sums are of whole numbers and exact, so the result is the same for any windows in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.science.classes import ALGAL_ICE, Quality, SurfaceClass
from shared.science.layers import ALBEDO, ALGAE, CLASS, QUALITY, Layer
from shared.science.surface import Surface

_CODES = 1 + max(SurfaceClass)  # 0 is "no class"


def percents(counts: Sequence[int], digits: int = 3) -> list[float]:
    """Shares of the whole in percent, so rounded that they still add up to 100; all 0 where there is nothing.

    All are rounded down; then those that lost most get what is missing (the method of largest remainders).
    """
    whole, unit = sum(counts), 10**digits
    if not whole:
        return [0.0] * len(counts)
    parts, lost = zip(*(divmod(100 * unit * count, whole) for count in counts), strict=True)
    most_lost = sorted(range(len(counts)), key=lambda place: -lost[place])
    raised = set(most_lost[: 100 * unit - sum(parts)])
    return [(part + (place in raised)) / unit for place, part in enumerate(parts)]


def _zeros() -> npt.NDArray[np.int64]:
    return np.zeros(_CODES, np.int64)


@dataclass(slots=True)
class Sums:
    """Count, sum and sum of squares of one layer's stored numbers, per class code."""

    layer: Layer
    count: npt.NDArray[np.int64] = field(default_factory=_zeros)
    total: npt.NDArray[np.int64] = field(default_factory=_zeros)
    squares: npt.NDArray[np.int64] = field(default_factory=_zeros)

    def add(self, window: Surface) -> None:
        """Take in one window."""
        valid = window[self.layer.name] != self.layer.nodata
        classes = window[CLASS.name][valid]
        values = window[self.layer.name][valid].astype(np.float64)  # whole numbers far below 2**53: exact
        self.count += np.bincount(classes, minlength=_CODES)
        self.total += np.bincount(classes, values, _CODES).astype(np.int64)
        self.squares += np.bincount(classes, values * values, _CODES).astype(np.int64)

    def moments(self, *classes: SurfaceClass) -> Moments | None:
        """Mean and standard deviation over the pixels of ``classes``; None where there are none."""
        codes = list(classes)
        count, total, squares = (int(sums[codes].sum()) for sums in (self.count, self.total, self.squares))
        if not count:
            return None
        variance = (squares * count - total * total) / (count * count)
        return Moments(count, total / count * self.layer.scale, math.sqrt(variance) * self.layer.scale)


@dataclass(frozen=True, slots=True)
class Moments:
    """Of a population, in the layer's unit."""

    count: int  # pixels
    mean: float
    sd: float


@dataclass(slots=True)
class Tally:
    """What the windows seen so far add up to."""

    classes: npt.NDArray[np.int64] = field(default_factory=_zeros)  # pixels per class code
    quality: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(Quality), np.int64))
    albedo: Sums = field(default_factory=lambda: Sums(ALBEDO))
    index: Sums = field(default_factory=lambda: Sums(ALGAE))

    def add(self, window: Surface) -> None:
        """Take in the layers of one window; a drone's has no algae index."""
        self.classes += [np.count_nonzero(window[CLASS.name] == code) for code in range(_CODES)]
        self.quality += [np.count_nonzero(window[QUALITY.name] == code) for code in Quality]
        self.albedo.add(window)
        if ALGAE.name in window:
            self.index.add(window)

    @property
    def classified(self) -> int:
        """Pixels that have a class."""
        return int(self.classes[1:].sum())

    @property
    def pixels_in_all(self) -> int:
        """Pixels seen."""
        return int(self.classes.sum())

    def pixels(self, surface: SurfaceClass) -> int:
        """Pixels of one class."""
        return int(self.classes[surface])

    def percent(self, surface: SurfaceClass) -> float:
        """Share of one class in the classified pixels, percent; 0 where nothing is classified."""
        return 100 * self.pixels(surface) / self.classified if self.classified else 0.0

    def percents(self) -> dict[SurfaceClass, float]:
        """The shares of all classes as results show them: to 0.001, 100 in all; 0 where nothing is classified."""
        return dict(zip(SurfaceClass, percents([self.pixels(one) for one in SurfaceClass]), strict=True))

    def quality_counts(self) -> dict[Quality, int]:
        """Pixels per quality code."""
        return {code: int(self.quality[code]) for code in Quality}

    def albedo_moments(self, *classes: SurfaceClass) -> Moments | None:
        """Albedo over ``classes``, or over all where none is named."""
        return self.albedo.moments(*(classes or tuple(SurfaceClass)))

    def index_moments(self) -> Moments | None:
        """The 2DBA index over clean ice, light and heavy algae: snow, water and cryoconite are left out."""
        return self.index.moments(*ALGAL_ICE)
