"""Spectral indices that stay finite whatever the reflectances are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Reflectance = npt.NDArray[np.float32]

NDSI_OF_ICE = 0.4  # bare rock and soil lie below almost without exception, ice and snow above
# Darker than the darkest water on ice (B02 0.13) and cryoconite (B8A 0.03) of the training figures: sea and lakes.
OPEN_WATER_BLUE, OPEN_WATER_INFRARED = 0.10, 0.025
# Predecessor's linear conversion (RemoteIceSurfaceAnalyser): cells/mL = slope x 2DBA + intercept.
CELLS_SLOPE, CELLS_INTERCEPT = 201_100.0, -194_500.0


def _ratio(over: Reflectance, under: Reflectance, *, undefined: float) -> Reflectance:
    """``over / under``; ``undefined`` where the divisor is not positive."""
    result = np.full(over.shape, undefined, np.float32)
    np.divide(over, under, out=result, where=under > 0)
    return result


def snow_index(green: Reflectance, swir: Reflectance) -> Reflectance:
    """NDSI = (B03 - B11) / (B03 + B11); -1, which no ice has, where the sum is not positive."""
    return _ratio(green - swir, green + swir, undefined=-1.0)


def algae_index(red: Reflectance, red_edge: Reflectance) -> Reflectance:
    """2DBA = B05 / B04 (Wang et al. 2018); NaN where B04 is not positive."""
    return _ratio(red_edge, red, undefined=float("nan"))


def cells_per_ml(index: float) -> float:
    """Algal cells per millilitre of melted ice for a 2DBA index; linear, so a mean converts to a mean."""
    return CELLS_SLOPE * index + CELLS_INTERCEPT


def not_ice(blue: Reflectance, green: Reflectance, infrared: Reflectance, swir: Reflectance) -> npt.NDArray[np.bool_]:
    """Where B02, B03, B8A, B11 say rock, soil, vegetation or open water: none of the six classes."""
    open_water = (blue < OPEN_WATER_BLUE) & (infrared < OPEN_WATER_INFRARED)
    return np.asarray((snow_index(green, swir) < NDSI_OF_ICE) | open_water)
