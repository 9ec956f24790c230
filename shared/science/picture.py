"""What a quicklook shows: a small picture of a big raster, with true colour, as the surface looks to the eye."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.science.classes import Colour

WHITE = 1.0  # reflectance that becomes white: fresh snow just reaches it
GAMMA = 1.5  # so that rock and dark ice show beside snow
STRETCH = f"reflectance 0 to {WHITE:g}, gamma {GAMMA:g}"
NOT_SEEN: Colour = (205, 208, 214)  # where nothing was decoded


@dataclass(frozen=True, slots=True)
class Picture:
    """All arrays have one number of rows and columns."""

    classes: npt.NDArray[np.uint8]  # codes of SurfaceClass
    quality: npt.NDArray[np.uint8]  # codes of Quality
    colour: npt.NDArray[np.uint8] | None  # true colour (rows, columns, 3); none: the bands are not at hand
    metres: float  # side of a pixel


def true_colour(reflectance: npt.NDArray[np.float32], missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Colours (rows, columns, 3) of reflectances (3, rows, columns) in the order red, green, blue.

    ``missing`` (rows, columns) is True where there is none.
    """
    stretched = np.clip(reflectance / WHITE, 0, 1) ** (1 / GAMMA)
    picture = np.rint(255 * np.moveaxis(stretched, 0, -1)).astype(np.uint8)
    picture[missing] = NOT_SEEN
    return np.asarray(picture)
