"""What the surfaces of a synthetic scene reflect.

The six classes: mean and standard deviation per Sentinel-2A band, from the field spectra and the published
training spectra of Cook et al. (2020), "Glacier algae accelerate melt rates on the south-western Greenland Ice
Sheet", The Cryosphere 14, 309-330, doi 10.5194/tc-14-309-2020, and its data archive (SN, CI, LA, HA: spectra of
2017 under the S2A band response; CC and WAT: read off the figure of all training spectra, sd a quarter of the range).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local.scenes.spec import Truth
from shared.safe import BANDS, ICE_BANDS

Pixels = NDArray[np.float32]

VISIBLE = ICE_BANDS[:7]  # B02 to B8A: brightness moves them together
SHORT_WAVE = ICE_BANDS[7:]  # B11, B12
_COMMON = 0.9  # correlation of two visible or near-infrared bands within a class
_SMOOTH = 0.5  # share of the brightness variance that neighbours have in common
_CLIP = 2.5  # standard deviations
_DARKEST = 0.003  # no natural surface reflects less

# (mean per band of ICE_BANDS), (standard deviation per band of ICE_BANDS)
_STATISTICS: Mapping[Truth, tuple[tuple[float, ...], tuple[float, ...]]] = {
    Truth.SNOW: (
        (0.8060, 0.8014, 0.7752, 0.7594, 0.7331, 0.6822, 0.6344, 0.0362, 0.0433),
        (0.0857, 0.0894, 0.1096, 0.1214, 0.1359, 0.1647, 0.1863, 0.0492, 0.0651),
    ),
    Truth.WATER: (
        (0.2400, 0.2300, 0.2000, 0.1800, 0.1400, 0.1200, 0.0800, 0.0080, 0.0060),
        (0.0500, 0.0525, 0.0550, 0.0525, 0.0500, 0.0500, 0.0475, 0.0030, 0.0020),
    ),
    Truth.CRYOCONITE: (
        (0.1300, 0.1300, 0.1250, 0.1250, 0.1200, 0.1150, 0.0900, 0.0130, 0.0120),
        (0.0550, 0.0525, 0.0512, 0.0500, 0.0488, 0.0475, 0.0400, 0.0030, 0.0030),
    ),
    Truth.CLEAN_ICE: (
        (0.6580, 0.6484, 0.6250, 0.6120, 0.5872, 0.5431, 0.4926, 0.0134, 0.0118),
        (0.0728, 0.0735, 0.0717, 0.0696, 0.0690, 0.0655, 0.0636, 0.0059, 0.0041),
    ),
    Truth.LIGHT_ALGAE: (
        (0.4120, 0.4044, 0.4044, 0.4075, 0.3902, 0.3617, 0.3206, 0.0082, 0.0078),
        (0.0510, 0.0492, 0.0505, 0.0570, 0.0696, 0.0717, 0.0773, 0.0035, 0.0029),
    ),
    Truth.HEAVY_ALGAE: (
        (0.2277, 0.2247, 0.2433, 0.2616, 0.2573, 0.2408, 0.2135, 0.0093, 0.0087),
        (0.0498, 0.0486, 0.0482, 0.0481, 0.0500, 0.0531, 0.0580, 0.0041, 0.0043),
    ),
}
# Typical of weathered gneiss and of arctic tundra; only their shape matters: no ice looks like it (NDSI below 0).
_GNEISS = (0.09, 0.11, 0.13, 0.14, 0.16, 0.17, 0.19, 0.25, 0.21)
_TUNDRA = (0.04, 0.07, 0.06, 0.11, 0.20, 0.24, 0.27, 0.19, 0.10)
_ROCK_SPREAD = 0.15  # relative
# Top-of-atmosphere reflectance of a thick water cloud with ice on top, per band of BANDS.
CLOUD_TOP: Mapping[str, float] = dict(
    zip(BANDS, (0.78, 0.76, 0.75, 0.76, 0.77, 0.77, 0.76, 0.75, 0.75, 0.48, 0.06, 0.46, 0.34), strict=True)
)


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of one strip, all standard normal, (rows, columns) each."""

    smooth: Pixels  # shared by neighbours
    pixel: Pixels  # of each pixel alone
    short_wave: Pixels  # of B11 and B12
    bands: Mapping[str, Pixels]  # of each band alone
    tundra: Pixels  # share of vegetation on rock, 0-1


def draw(classes: NDArray[np.uint8], draws: Draws, noise: float) -> dict[str, Pixels]:
    """Surface reflectance (0-1) of the nine ICE_BANDS, each of the shape of ``classes`` (codes of Truth)."""
    brightness = np.clip(np.sqrt(_SMOOTH) * draws.smooth + np.sqrt(1 - _SMOOTH) * draws.pixel, -_CLIP, _CLIP)
    surface = {}
    for index, band in enumerate(ICE_BANDS):
        mean, sd = _look_up(index, classes)
        common = draws.short_wave if band in SHORT_WAVE else brightness
        own = np.clip(draws.bands[band], -_CLIP, _CLIP)
        spread = noise * (np.sqrt(_COMMON) * common + np.sqrt(1 - _COMMON) * own)
        drawn = _lognormal(mean, sd, spread) if band in SHORT_WAVE else mean + sd * spread
        rock = _rock(index, draws.tundra) * (1 + _ROCK_SPREAD * noise * brightness)
        surface[band] = np.maximum(np.where(classes == Truth.ROCK, rock, drawn), _DARKEST).astype(np.float32)
    return surface


def other_bands(surface: Mapping[str, Pixels]) -> dict[str, Pixels]:
    """The four bands outside ICE_BANDS from their neighbours; B10 never sees the ground."""
    near, red_edge = surface["B8A"], surface["B07"]
    return {
        "B01": surface["B02"],
        "B08": np.asarray(0.6 * near + 0.4 * red_edge, dtype=np.float32),
        "B09": np.asarray(0.8 * near, dtype=np.float32),
        "B10": np.zeros_like(near),
    }


def _look_up(index: int, classes: NDArray[np.uint8]) -> tuple[Pixels, Pixels]:
    mean, sd = np.zeros(len(Truth), np.float32), np.zeros(len(Truth), np.float32)
    for truth, (means, sds) in _STATISTICS.items():
        mean[truth], sd[truth] = means[index], sds[index]
    return mean[classes], sd[classes]


def _lognormal(mean: Pixels, sd: Pixels, spread: Pixels) -> Pixels:
    """Values with about that mean and sd that never turn negative: the sd of snow exceeds its mean in B11."""
    variance = np.log1p(np.square(np.divide(sd, mean, out=np.zeros_like(sd), where=mean > 0)))
    drawn = mean * np.exp(np.sqrt(variance) * np.clip(spread, -_CLIP, _CLIP) - variance / 2)
    return np.asarray(drawn, dtype=np.float32)


def _rock(index: int, tundra: Pixels) -> Pixels:
    return np.asarray(_GNEISS[index] + (_TUNDRA[index] - _GNEISS[index]) * tundra, dtype=np.float32)
