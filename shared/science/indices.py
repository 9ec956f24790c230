"""Spectral indices that stay finite whatever the reflectances are."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Reflectance = npt.NDArray[np.float32]
_T = TypeVar("_T", Reflectance, np.float32)

# The limits of `not_ice`: reflectances and their ratios, from the training figures (docs/model.md). In single
# precision as reflectances are, so that compiled code, which widens other numbers, decides as numpy does.
NDSI_OF_ICE = np.float32(0.4)  # bare rock and soil lie below almost without exception, ice and snow above
DARKEST_VISIBLE = np.float32(0.03)  # mean of B02 to B04; the darkest cryoconite measured
OPEN_WATER_BLUE, OPEN_WATER_INFRARED = np.float32(0.10), np.float32(0.025)
SILT_INFRARED = np.float32(0.05)  # B8A
WATER_EDGE = np.float32(1.25)  # B03 to B05 over B06 to B8A; 1.15 in the steepest cryoconite, 3 in turbid water
BRIGHT_SHORT_WAVE = np.float32(0.025)  # B11 of cryoconite, water and algae on ice stays below
GLINT = np.float32(0.4)
BESIDE_RED = np.float32(1.05)  # the least of the bands on both sides over B04; at most 0.96 in the field spectra
SHORT_WAVE_OF_LAND = np.float32(0.12)  # B11 / B8A; dusty ice reaches it, and reddens
RED_DIP = np.float32(2.1)  # (B03 + B06) / B04; 2 were a straight line
BRIGHT = np.float32(0.5)  # B8A; above it only snow and ice are left, and slopes of snow that face the sun look odd
# Predecessor's linear conversion (RemoteIceSurfaceAnalyser): cells/mL = slope x 2DBA + intercept.
CELLS_SLOPE, CELLS_INTERCEPT = 201_100.0, -194_500.0


def algae_index(red: Reflectance, red_edge: Reflectance) -> Reflectance:
    """2DBA = B05 / B04 (Wang et al. 2018); NaN where B04 is not positive."""
    index = np.full(red.shape, np.nan, np.float32)
    np.divide(red_edge, red, out=index, where=red > 0)
    return index


def cells_per_ml(index: float) -> float:
    """Algal cells per millilitre of melted ice for a 2DBA index; linear, so a mean converts to a mean."""
    return CELLS_SLOPE * index + CELLS_INTERCEPT


def not_ice(b02: _T, b03: _T, b04: _T, b05: _T, b06: _T, b07: _T, b8a: _T, b11: _T, b12: _T) -> Any:  # noqa: PLR0917, ARG001
    """Where a spectrum is none of the six classes: rock, soil, vegetation, open water, glint, low cloud.

    Reflectances (0-1) of the nine bands in the order of ICE_BANDS, as arrays of one shape or as single numbers; the
    result is an array of bool of that shape, or one bool. Only arithmetic, comparisons, ``&`` and ``|``: compiled code
    runs the same rules. Each rests on what ice and the water in it cannot do; docs/model.md has the reasons and the
    measured shares of the six classes that are lost to each.
    """
    # Ice and water absorb at 1.6 um what they reflect in the green; rock, soil, leaves and water droplets do not.
    bare = b03 - b11 < NDSI_OF_ICE * (b03 + b11)
    # Darker in the near infrared than any cryoconite and in the blue than any water on ice: sea and lakes.
    open_water = (b02 < OPEN_WATER_BLUE) & (b8a < OPEN_WATER_INFRARED)
    # Darker than any cryoconite in all the visible: the same, and wet mud.
    black = b02 + b03 + b04 < 3 * DARKEST_VISIBLE
    # Silt brightens the sea, but from 740 nm on water itself absorbs three times as much as at 704 nm and more. What is
    # that dark on ice is cryoconite, and flat.
    at_740, at_780, at_865 = WATER_EDGE * b06, WATER_EDGE * b07, WATER_EDGE * b8a
    silt = (b02 < OPEN_WATER_BLUE) & (b8a < SILT_INFRARED) & (b03 > at_740) & (b04 > at_740) & (b05 > at_740)
    silt = silt & (b03 > at_780) & (b04 > at_780) & (b05 > at_780) & (b03 > at_865) & (b04 > at_865) & (b05 > at_865)
    # Sunlight mirrored by waves, haze and low cloud reflect 1.6 um nearly as well as the near infrared.
    glint = (b11 > GLINT * b8a) & (b11 > BRIGHT_SHORT_WAVE)
    # Leaves are darkest in the red. Clean ice is not: the longer the wave the more it absorbs. Dusty ice brightens
    # toward the near infrared, but then its blue is darker than its red.
    red, edge = BESIDE_RED * b04, BESIDE_RED * b05
    leaves = (b02 > red) & (b03 > red) & (b07 > red) & (b8a > red) & (b07 > edge) & (b8a > edge)
    # Land seen through thin cloud: ice darkens from 740 to 865 nm, and is dark at 1.6 um where it does not.
    dull = (b11 > SHORT_WAVE_OF_LAND * b8a) & (b11 > BRIGHT_SHORT_WAVE)
    rising = (b8a > b06) | ((b03 + b06 > RED_DIP * b04) & (b02 > b04))
    land = (leaves | (dull & rising)) & (b8a < BRIGHT)
    return bare | open_water | black | silt | glint | land
