"""How well a class map agrees with the truth of a simulated scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from local.scenes import Truth
from shared.science.classes import Quality

Codes = npt.NDArray[np.uint8]


def agreement(classes: Codes, quality: Codes, truth: Codes) -> float:
    """Percent of the usable pixels whose verdict equals the truth; arrays of one shape (rows, columns).

    Usable is what the pipeline took for usable: pixels with a class, and pixels it found not to be ice,
    which are right where the truth is rock. A cloud that it missed counts against it.
    """
    not_ice = quality == Quality.NOT_ICE
    usable = (quality == Quality.CLASSIFIED) | not_ice
    right = np.where(not_ice, truth == Truth.ROCK, classes == truth) & usable
    return float(100.0 * right.sum() / usable.sum()) if usable.any() else float("nan")


def agreement_of_files(results: Path, truth: Path) -> float:
    """The same for a folder of results and a truth raster on disk."""
    import rasterio

    def read(path: Path) -> Codes:
        with rasterio.open(path) as raster:
            codes: Codes = raster.read(1)
        return codes

    (classes,), (quality,) = results.glob("*_CLASS_20m.tif"), results.glob("*_QUALITY_20m.tif")
    return agreement(read(classes), read(quality), read(truth))
