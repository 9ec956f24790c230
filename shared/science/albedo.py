"""Broadband albedo from narrow bands."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

# Liang (2001), Remote Sensing of Environment 76, 213-238; used for Sentinel-2 by Naegeli et al. (2017).
_WEIGHTS = {"B02": 0.356, "B04": 0.130, "B8A": 0.373, "B11": 0.085, "B12": 0.072}
_CONSTANT = -0.0018


def broadband(reflectance: Mapping[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Shortwave albedo (0-1 and a little beyond) from surface reflectance by band name, one shape."""
    total = sum(np.float32(weight) * reflectance[band] for band, weight in _WEIGHTS.items())
    return np.asarray(total + np.float32(_CONSTANT), np.float32)


def knap(green: npt.NDArray[np.float32], infrared: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Shortwave albedo (0-1 and a little beyond) from green and near-infrared reflectance, one shape.

    Knap, Reijmer and Oerlemans (1999), International Journal of Remote Sensing 20, 2091-2111: for two-band sensors such
    as drones carry, which have no short-wave infrared.
    """
    albedo = 0.726 * green - 0.322 * green**2 - 0.051 * infrared + 0.581 * infrared**2
    return np.asarray(albedo, np.float32)
