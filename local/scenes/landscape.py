"""The ice margin: where rock, the six classes, clouds and the edge of the swath lie.

All of it is a function of place, so that any rows can be made alone and the halves of a split granule fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.scenes.fractal import Fractal
from local.scenes.spec import SceneSpec, Swath, Truth

Pixels = NDArray[np.float32]
Places = NDArray[np.float64]

METRES = 20
CLOUD_HEIGHT = 700.0  # metres above the ice: low summer stratocumulus
_SOFT_EDGE = 0.18  # standard deviations of the cloud field from nothing to thick cloud
_SHADE = 0.85  # share of direct light that a thick cloud takes away
_SLANT = 0.12  # how far, in tile widths, the edge of a swath leans
_ROCK_LINE = 0.06  # height below which rock begins, 0 (west) to 1 (east)


@dataclass(frozen=True, slots=True)
class Landscape:
    """The fields of one scene. ``rows`` and ``columns`` below are indices of 20 m pixels."""

    spec: SceneSpec
    sun_zenith: float  # degrees
    sun_azimuth: float  # degrees clockwise from north
    cloud_level: float  # value of the cloud field where clouds begin

    @classmethod
    def of(cls, spec: SceneSpec, sun_zenith: float, sun_azimuth: float) -> Landscape:
        """The landscape of ``spec`` under that sun, both in degrees."""
        if spec.cloud <= 0:
            return cls(spec, sun_zenith, sun_azimuth, np.inf)
        coarse = (np.arange(256) + 0.5) / 256
        level = float(np.quantile(_clouds(spec).at(coarse, coarse), 1 - spec.cloud))
        return cls(spec, sun_zenith, sun_azimuth, level)

    def _places(self, rows: NDArray[np.intp]) -> tuple[Places, Places]:
        size = self.spec.size
        return (rows + 0.5) / size, (np.arange(size) + 0.5) / size

    def surface(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Class of the ground under the clouds, codes 1 to 7 of Truth."""
        y, x = self._places(rows)

        def field(number: int, *, coarsest: int, octaves: int) -> Pixels:
            return Fractal((_terrain_seed(self.spec), number), coarsest, octaves).at(y, x)

        height = x[np.newaxis, :] + 0.07 * field(0, coarsest=3, octaves=7)
        zone = height + 0.07 * field(1, coarsest=5, octaves=6) - 0.10 * (self._season() - 0.5)
        classes = np.full(height.shape, Truth.SNOW, np.uint8)
        for limit, truth in ((0.88, Truth.CLEAN_ICE), (0.62, Truth.LIGHT_ALGAE), (0.36, Truth.HEAVY_ALGAE)):
            classes[zone < limit] = truth
        dark = (classes == Truth.LIGHT_ALGAE) | (classes == Truth.HEAVY_ALGAE)
        classes[dark & (field(2, coarsest=12, octaves=5) > 1.55)] = Truth.CRYOCONITE
        ponds = field(3, coarsest=14, octaves=4) > 1.9
        streams = (np.abs(field(4, coarsest=6, octaves=5)) < 0.03) & (field(5, coarsest=4, octaves=3) > 0.3)
        classes[(zone < 0.95) & (ponds | streams)] = Truth.WATER
        classes[height < _ROCK_LINE] = Truth.ROCK
        return classes

    def _season(self) -> float:
        """How far the melt season has come: 0 on 1 June, 1 on 31 August."""
        day = self.spec.name.sensing.timetuple().tm_yday
        return float(np.clip((day - 152) / 91, 0, 1))

    def smooth(self, rows: NDArray[np.intp], number: int) -> Pixels:
        """A smooth field, standard normal, that belongs to this acquisition: brightness, haze, tundra."""
        y, x = self._places(rows)
        return Fractal((self.spec.seed, 20 + number), 8, 6).at(y, x)

    def cloud(self, rows: NDArray[np.intp]) -> Pixels:
        """Opacity of the clouds seen from above, 0 (none) to 1 (thick)."""
        return self._opacity(*self._places(rows))

    def shade(self, rows: NDArray[np.intp]) -> Pixels:
        """Share of the direct sunlight that clouds keep from the ground, 0 to 1."""
        y, x = self._places(rows)
        away = CLOUD_HEIGHT * np.tan(np.radians(self.sun_zenith)) / (METRES * self.spec.size)
        azimuth = np.radians(self.sun_azimuth)  # the cloud that shades a place lies toward the sun
        return np.asarray(_SHADE * self._opacity(y - away * np.cos(azimuth), x + away * np.sin(azimuth)))

    def _opacity(self, y: Places, x: Places) -> Pixels:
        if not np.isfinite(self.cloud_level):
            return np.zeros((len(y), len(x)), np.float32)
        excess = (_clouds(self.spec).at(y, x) - self.cloud_level) / _SOFT_EDGE
        return np.asarray(np.clip(excess, 0, 1), dtype=np.float32)

    def has_data(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """True inside the swath."""
        y, x = self._places(rows)
        along, across = np.meshgrid(x, y)
        inside = {
            Swath.FULL: np.ones_like(along, dtype=np.bool_),
            Swath.WEST: along < _line(self.spec.west_share, across),
            Swath.EAST: along >= _line(self.spec.west_share, across),
            Swath.NORTH: across < _line(self.spec.west_share, along),
            Swath.SOUTH: across >= _line(self.spec.west_share, along),
        }
        return inside[self.spec.swath]


def footprint(spec: SceneSpec) -> list[tuple[float, float]]:
    """The corners of the part with data as (x, y) in fractions of the tile from its upper left, closed."""
    top, bottom = _line(spec.west_share, np.array([0.0, 1.0])).tolist()
    ring: list[tuple[float, float]] = {
        Swath.FULL: [(0, 0), (1, 0), (1, 1), (0, 1)],
        Swath.WEST: [(0, 0), (top, 0), (bottom, 1), (0, 1)],
        Swath.EAST: [(top, 0), (1, 0), (1, 1), (bottom, 1)],
        Swath.NORTH: [(0, 0), (1, 0), (1, bottom), (0, top)],
        Swath.SOUTH: [(0, top), (1, bottom), (1, 1), (0, 1)],
    }[spec.swath]
    return [*ring, ring[0]]


def _line(share: float, place: Places) -> Places:
    """Where the edge of the swath crosses, 0 to 1; it leans, and leaves ``share`` of the tile before it."""
    lean = min(_SLANT, 2 * share, 2 * (1 - share))
    return np.asarray(share + lean * (0.5 - place))


def _clouds(spec: SceneSpec) -> Fractal:
    return Fractal((spec.seed, 10), 3, 5, gain=0.5)


def _terrain_seed(spec: SceneSpec) -> int:
    return int.from_bytes(spec.name.tile.name.encode(), "big")
