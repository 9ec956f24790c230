"""The result layers: what each holds, how its numbers are stored and what a reader needs to know about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.science.classes import Colour, Quality, SurfaceClass

Stored = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Layer:
    """One single-band raster; value = stored x scale."""

    name: str  # as in file names
    dtype: str
    nodata: int | None  # stored number
    description: str
    scale: float = 1.0
    unit: str = "1"  # UDUNITS
    categories: Mapping[int, tuple[str, Colour]] = field(default_factory=dict)  # code -> label, colour

    def file_name(self, tile: str, stamp: str, resolution: int) -> str:
        """The file's name in the manner of Sentinel-2; ``tile`` without T, ``stamp`` as 20190716T151911."""
        return f"T{tile}_{stamp}_{self.name}_{resolution}m.tif"

    def empty(self, shape: tuple[int, ...]) -> Stored:
        """An array that holds nodata everywhere."""
        return np.full(shape, self.nodata or 0, self.dtype)

    def store(self, values: npt.NDArray[np.float32]) -> Stored:
        """Values as stored numbers; nodata where they are not finite or do not fit."""
        limits = np.iinfo(self.dtype)
        scaled = np.rint(values.astype(np.float64) / self.scale)
        fits = (scaled >= limits.min) & (scaled <= limits.max)  # NaN compares as False
        return np.asarray(np.where(fits, scaled, self.nodata or 0).astype(self.dtype))


CLASS = Layer(
    "CLASS",
    "uint8",
    0,
    "Ice-surface class (0: none, see QUALITY)",
    categories={0: ("no class", (0, 0, 0))} | {c.value: (c.label, c.colour) for c in SurfaceClass},
)
ALBEDO = Layer("ALBEDO", "int16", -32768, "Shortwave broadband albedo (Liang 2001)", scale=0.0001)
ALGAE = Layer(
    "ALGAE",
    "uint16",
    65535,
    "Algae index 2DBA = B05 / B04 (Wang et al. 2018), on clean ice, light and heavy algae only",
    scale=0.0001,
)
CONFIDENCE = Layer("CONFIDENCE", "uint8", 255, "Share of the forest's vote for the class", scale=0.01)
MARGIN = Layer("MARGIN", "uint8", 255, "Share of the forest's vote for the class less that for the next", scale=0.01)
QUALITY = Layer(
    "QUALITY",
    "uint8",
    None,
    "Why a pixel has no class",
    categories={q.value: (q.label, q.colour) for q in Quality},
)
LAYERS = (CLASS, ALBEDO, ALGAE, CONFIDENCE, MARGIN, QUALITY)
