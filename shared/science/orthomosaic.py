"""A drone's orthomosaic: where it lies, how its reflectances are held, and one window of it to all result layers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.science.albedo import knap
from shared.science.classes import Quality
from shared.science.drone import DRONE_BANDS
from shared.science.drone_ground import Ground
from shared.science.forest import Voter
from shared.science.layers import ALBEDO, CLASS, CONFIDENCE, MARGIN, QUALITY, Stored
from shared.science.reflectance import Radiometry, implausible
from shared.science.windows import Window

DRONE_ALBEDO = replace(ALBEDO, description="Shortwave broadband albedo (Knap et al. 1999)")
DRONE_LAYERS = (CLASS, DRONE_ALBEDO, CONFIDENCE, MARGIN, QUALITY)  # no algae index: 717 nm is not B05's 705 nm
# Whatever the file holds, reflectances are held as numbers like those of Sentinel-2, in steps of 0.0001, which is far
# finer than a camera's calibration: so one evaluation serves both.
NODATA, NO_REFLECTANCE = 0, 65535
_UNEVEN = 1.0  # percent; UTM stays below 0.1 within its zone and any drone's reach, Mercator at 67 N for 13 km
RADIOMETRY = Radiometry((-1000,) * len(DRONE_BANDS), 10000.0, NODATA, NO_REFLECTANCE)


class Placed(Protocol):
    """What a raster needs to know about its place."""

    @property
    def crs(self) -> str:
        """The coordinate system: authority and code, or WKT."""
        ...

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine coefficients (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f."""
        ...

    @property
    def rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def columns(self) -> int:
        """Number of columns."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where an orthomosaic lies: north-up, in whatever coordinate system it came with."""

    crs: str  # authority and code where there is one, else WKT
    transform: tuple[float, float, float, float, float, float]
    rows: int
    columns: int
    ground: Ground  # what its pixels measure
    outline: tuple[tuple[float, float], ...]  # closed ring of longitude, latitude in degrees

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.rows, self.columns

    @property
    def metres(self) -> float:
        """Side of a square on the ground that is as large as a pixel."""
        return math.sqrt(self.ground.pixel_m2)

    @property
    def pixel_km2(self) -> float:
        """Area of one pixel in square kilometres: the mean of all."""
        return self.ground.pixel_m2 / 1e6

    @property
    def note(self) -> str:
        """A sentence where pixels are too unlike in size to be counted with one area, else nothing."""
        if self.ground.spread < _UNEVEN:
            return ""
        return (
            f"The coordinate system draws this place unevenly: its largest pixel covers {self.ground.spread:.1f} % "
            "more ground than its smallest, and areas are counted with the mean."
        )

    def part(self, window: Window) -> Place:
        """The place of a window, without an outline of its own."""
        a, b, c, d, e, f = self.transform
        left, top = c + a * window.column, f + e * window.row
        return replace(self, transform=(a, b, left, d, e, top), rows=window.height, columns=window.width, outline=())


def numbers_of(reflectance: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16]:
    """Reflectances (bands, rows, columns) as numbers of RADIOMETRY; nodata where ``valid`` (rows, columns) is False.

    What is no finite number in a band has no data either; what is far beyond any reflectance is marked as such.
    """
    finite = np.isfinite(reflectance)
    scaled = np.rint(np.where(finite, reflectance, 0.0).astype(np.float64) * 10000) + 1000
    fits = (scaled > NODATA) & (scaled < NO_REFLECTANCE)
    numbers = np.where(fits, scaled, NO_REFLECTANCE).astype(np.uint16)
    numbers[:, ~(valid & finite.all(axis=0))] = NODATA
    return np.asarray(numbers)


def classify_orthomosaic_window(numbers: npt.NDArray[np.uint16], vote: Voter) -> Mapping[str, Stored]:
    """All layers of a window from its numbers (DRONE_BANDS, rows, columns); ``vote`` is for RADIOMETRY.

    There is no rule for what is not ice: without short-wave infrared rock cannot be told from dirty ice.
    """
    shape = numbers.shape[1:]
    flat = np.ascontiguousarray(numbers.reshape(len(numbers), -1))
    quality = np.zeros(flat.shape[1], np.uint8)
    quality[implausible(RADIOMETRY.reflectance(flat)) | RADIOMETRY.is_saturated(flat)] = Quality.IMPLAUSIBLE
    quality[RADIOMETRY.lacks_data(flat)] = Quality.NODATA
    usable = quality == Quality.CLASSIFIED
    layers: dict[str, Stored] = {layer.name: layer.empty(quality.shape) for layer in DRONE_LAYERS}
    layers[QUALITY.name] = quality
    if usable.any():
        picked = np.ascontiguousarray(flat[:, usable])
        votes = vote(picked)
        reflectance = dict(zip(DRONE_BANDS, RADIOMETRY.reflectance(picked), strict=True))
        layers[CLASS.name][usable] = votes.codes
        layers[CONFIDENCE.name][usable] = CONFIDENCE.store(votes.confidence)
        layers[MARGIN.name][usable] = MARGIN.store(votes.margin)
        layers[ALBEDO.name][usable] = ALBEDO.store(knap(reflectance["Green"], reflectance["NIR"]))
    return {name: layer.reshape(shape) for name, layer in layers.items()}
