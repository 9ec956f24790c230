"""How large pixels are on the ground, whatever their coordinate system does to lengths.

Mercator stretches lengths by 2.6 at 67 degrees north, polar stereographic by a percent, UTM by less than a thousandth:
a pixel's side in a projection is no measure of the ground. So places a little beside a pixel are brought onto the
ellipsoid of WGS 84, and what their differences span there is its size. Heights are left out, as maps do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
_AXIS, _FLATTENING = 6_378_137.0, 1 / 298.257223563  # WGS 84: metres of the half axis
_GRID = 9  # places per axis at which pixels are measured; the mean over them is exact to 1e-4 for hundreds of km
_REACH = 50.0  # metres, about: far above what inverse projections leave undecided, far below the ellipsoid's bends
_DEGREES = 5e-4  # the same in degrees


@dataclass(frozen=True, slots=True)
class Ground:
    """The pixels of one raster on the ground."""

    pixel_m2: float  # mean area
    across: float  # mean length along a row, metres
    spread: float  # by how much the largest pixel is larger than the smallest, percent


@dataclass(frozen=True, slots=True)
class Probe:
    """Places to bring into longitude and latitude, so that the pixels can be measured there."""

    x: Numbers  # in the raster's coordinate system: right, left, and twice the middle of (_GRID * _GRID) places
    y: Numbers  # the middle twice, above, below
    reach: float  # between a middle and its neighbours, in units of the coordinate system

    @classmethod
    def of(cls, bounds: tuple[float, float, float, float], metres_per_unit: float | None) -> Probe:
        """For a raster within ``bounds`` (west, south, east, north); none: its unit is the degree."""
        west, south, east, north = bounds
        inner = (np.arange(_GRID) + 0.5) / _GRID
        x, y = (axis.ravel() for axis in np.meshgrid(west + (east - west) * inner, south + (north - south) * inner))
        reach = _REACH / metres_per_unit if metres_per_unit else _DEGREES
        return cls(np.concatenate([x + reach, x - reach, x, x]), np.concatenate([y, y, y + reach, y - reach]), reach)

    def ground(self, longitudes: Numbers, latitudes: Numbers, pixel: tuple[float, float]) -> Ground:
        """What the places, in degrees of WGS 84, say of pixels of ``pixel`` width and height in the raster's units."""
        right, left, above, below = np.split(_on_ellipsoid(longitudes, latitudes), 4)
        width, height = pixel
        along = (right - left) * (width / (2 * self.reach))
        up = (above - below) * (height / (2 * self.reach))
        areas = np.linalg.norm(np.cross(along, up), axis=1)
        return Ground(
            pixel_m2=float(areas.mean()),
            across=float(np.linalg.norm(along, axis=1).mean()),
            spread=float(100 * (areas.max() / areas.min() - 1)) if areas.min() > 0 else 0.0,
        )


def _on_ellipsoid(longitudes: Numbers, latitudes: Numbers) -> Numbers:
    """Places in degrees as (n, 3) metres from the middle of the earth: no date line, no poles."""
    longitude, latitude = np.radians(longitudes), np.radians(latitudes)
    eccentricity2 = _FLATTENING * (2 - _FLATTENING)
    vertical = _AXIS / np.sqrt(1 - eccentricity2 * np.sin(latitude) ** 2)  # radius of curvature
    return np.stack(
        [
            vertical * np.cos(latitude) * np.cos(longitude),
            vertical * np.cos(latitude) * np.sin(longitude),
            vertical * (1 - eccentricity2) * np.sin(latitude),
        ],
        axis=1,
    )
