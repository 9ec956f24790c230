"""Simple published tests for cloud, shadow, snow and water: arrays and numbers only.

Over ice the visible bands tell nothing about clouds: both are bright. The short-wave infrared does, as ice absorbs
there and clouds of droplets do not (Dozier 1989, "Spectral signature of alpine snow cover", Remote Sens. Environ. 28).
Fresh fine snow is brighter in B11 than old snow or ice and may be taken for thin cloud; a real correction does better.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]

_CLOUD_B11 = (0.06, 0.20)  # top-of-atmosphere reflectance: from no cloud to certain cloud
_CLOUD_B03 = (0.18, 0.34)  # the same; keeps bare ground, bright in B11 but dark here, from being cloud
_CIRRUS_B10 = 0.012  # threshold of the thin cirrus test in Sen2Cor's algorithm description
_SHADOW_B8A = 0.30  # top-of-atmosphere reflectance; sunlit bright ice lies above
_CLOUD_HEIGHTS = (400.0, 1000.0)  # metres above ground: low clouds only; shadows of higher ones are missed
_NDSI_ICE = 0.4  # Hall et al. (1995), Remote Sens. Environ. 54
_NDVI_VEGETATION = 0.4
_NDWI_WATER = 0.3  # (B03 - B8A) / (B03 + B8A), McFeeters (1996); dark ice lies below
MEDIUM, HIGH = 50, 80  # cloud probability in percent from which SCL says 8 and 9


class Scl(IntEnum):
    """Codes of the scene classification, as Sen2Cor's."""

    NODATA = 0
    SATURATED = 1
    SHADOW = 3
    VEGETATION = 4
    SOIL = 5
    WATER = 6
    CLOUD_MEDIUM = 8
    CLOUD_HIGH = 9
    CIRRUS = 10
    SNOW = 11


@dataclass(frozen=True, slots=True)
class Sky:
    """What lies over the ground, on the 60 m grid."""

    probability: NDArray[np.uint8]  # of cloud, percent
    cirrus: Mask
    shadow: Mask


def sky(toa: dict[str, Pixels], *, sun_zenith: float, sun_azimuth: float) -> Sky:
    """Find clouds and their shadows from the 60 m top-of-atmosphere reflectance of B03, B8A, B10 and B11.

    Nodata is NaN. Angles in degrees, azimuth clockwise from north.
    """
    chance = _ramp(toa["B11"], *_CLOUD_B11) * _ramp(toa["B03"], *_CLOUD_B03)
    chance = np.nan_to_num(_largest_around(np.nan_to_num(chance)))
    clouds = chance * 100 >= MEDIUM
    with np.errstate(invalid="ignore"):
        cirrus = toa["B10"] > _CIRRUS_B10
        dark = toa["B8A"] < _SHADOW_B8A
    shadow = _grown(_cast(clouds, sun_zenith, sun_azimuth) & dark) & ~clouds
    return Sky(np.rint(100 * chance).astype(np.uint8), cirrus, shadow)


def _ramp(values: Pixels, low: float, high: float) -> Pixels:
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), dtype=np.float32)


def _largest_around(values: Pixels) -> Pixels:
    """Largest of each pixel and its eight neighbours: the thin rims of clouds are cloud as well."""
    padded = np.pad(values, 1, mode="edge")
    rows, columns = values.shape
    around = [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)]
    return np.asarray(np.maximum.reduce(around))


def _grown(mask: Mask) -> Mask:
    return np.asarray(_largest_around(mask.astype(np.float32)) > 0)


def _cast(clouds: Mask, sun_zenith: float, sun_azimuth: float) -> Mask:
    """Where clouds of all the heights considered would throw their shadow."""
    shadow = np.zeros_like(clouds)
    tangent, azimuth = np.tan(np.radians(sun_zenith)), np.radians(sun_azimuth)
    low, high = (height * tangent / 60 for height in _CLOUD_HEIGHTS)  # in pixels
    for away in np.arange(low, high + 1):
        shadow |= _shifted(clouds, round(away * np.cos(azimuth)), round(-away * np.sin(azimuth)))
    return shadow


def _shifted(mask: Mask, down: int, right: int) -> Mask:
    """``mask`` moved; what comes in from outside is False."""
    moved = np.zeros_like(mask)
    rows, columns = mask.shape
    if abs(down) < rows and abs(right) < columns:
        moved[max(down, 0) : rows + min(down, 0), max(right, 0) : columns + min(right, 0)] = mask[
            max(-down, 0) : rows - max(down, 0), max(-right, 0) : columns - max(right, 0)
        ]
    return moved


def scene_classes(surface: dict[str, Pixels], over: Sky, *, nodata: Mask, saturated: Mask) -> NDArray[np.uint8]:
    """Scene classification of some pixels from the surface reflectance of B03, B04, B8A, B11 and the sky over them.

    All arrays have one shape.
    """
    vegetation = _normalised(surface["B8A"], surface["B04"]) > _NDVI_VEGETATION
    water = _normalised(surface["B03"], surface["B8A"]) > _NDWI_WATER
    ice = ndsi(surface) > _NDSI_ICE
    classes = np.full(nodata.shape, Scl.SOIL, np.uint8)
    for where, code in (
        (vegetation, Scl.VEGETATION),
        (ice, Scl.SNOW),
        (water, Scl.WATER),
        (over.shadow, Scl.SHADOW),
        (over.cirrus, Scl.CIRRUS),
        (over.probability >= MEDIUM, Scl.CLOUD_MEDIUM),
        (over.probability >= HIGH, Scl.CLOUD_HIGH),
        (saturated, Scl.SATURATED),
        (nodata, Scl.NODATA),
    ):
        classes[where] = code
    return classes


def snow_probability(surface: dict[str, Pixels], over: Sky) -> NDArray[np.uint8]:
    """Probability of snow or ice in percent: how far the NDSI lies above bare ground, where no cloud covers it."""
    chance = np.nan_to_num(_ramp(ndsi(surface), 0.2, 0.6))
    return np.where(over.probability >= MEDIUM, 0, np.rint(100 * chance)).astype(np.uint8)


def ndsi(surface: dict[str, Pixels]) -> Pixels:
    """Normalised difference snow index, (B03 - B11) / (B03 + B11)."""
    return _normalised(surface["B03"], surface["B11"])


def _normalised(first: Pixels, second: Pixels) -> Pixels:
    total = first + second
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, (first - second) / total, 0), dtype=np.float32)
