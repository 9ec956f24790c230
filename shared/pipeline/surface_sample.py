"""Every n-th pixel of both axes of a tile, gathered while the windows pass: for the picture and the self-test.

It costs no decoding: only windows that were decoded anyway have numbers in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.errors import BadProduct
from shared.models import ProductName
from shared.science.classes import Quality
from shared.science.layers import CLASS, QUALITY
from shared.science.picture import Picture, true_colour
from shared.science.reflectance import Radiometry
from shared.science.selftest import fault
from shared.science.surface import Surface
from shared.science.windows import Thinning, Window

_LONGEST = 1100  # pixels of the picture's longer side
_SPECTRAL = (Quality.CLASSIFIED, Quality.NOT_ICE, Quality.IMPLAUSIBLE)  # what only a decoded pixel can be


@dataclass(frozen=True, slots=True)
class Sample:
    """The thinned tile; arrays are filled in place, each window by one thread."""

    thinning: Thinning
    metres: float  # from one pixel of the sample to the next
    bands: tuple[str, ...]
    radiometry: Radiometry
    classes: npt.NDArray[np.uint8]  # codes of SurfaceClass, (rows, columns)
    quality: npt.NDArray[np.uint8]  # codes of Quality, (rows, columns)
    numbers: npt.NDArray[np.uint16]  # digital numbers, (bands, rows, columns); nodata where nothing was decoded
    true_colour: tuple[str, str, str]  # bands of red, green and blue

    @classmethod
    def of(
        cls,
        shape: tuple[int, int],
        metres: float,
        bands: tuple[str, ...],
        radiometry: Radiometry,
        *,
        true_colour: tuple[str, str, str] = ("B04", "B03", "B02"),
    ) -> Sample:
        """An empty sample of a raster of ``shape`` (rows, columns) whose pixels have a side of ``metres``."""
        thinning = Thinning.to_fit(shape, _LONGEST)
        small = thinning.shape(shape)
        return cls(
            thinning=thinning,
            metres=metres * thinning.step,
            bands=bands,
            radiometry=radiometry,
            classes=np.zeros(small, np.uint8),
            quality=np.zeros(small, np.uint8),
            numbers=np.full((len(bands), *small), radiometry.nodata, np.uint16),
            true_colour=true_colour,
        )

    def decoded(self, window: Window, numbers: npt.NDArray[np.uint16]) -> None:
        """Take the digital numbers (bands, rows, columns) of a window."""
        pick, place = self.thinning.pick(window), self.thinning.place(window)
        self.numbers[:, *place] = numbers[:, *pick]

    def take(self, window: Window, surface: Surface) -> None:
        """Take the layers of a window."""
        pick, place = self.thinning.pick(window), self.thinning.place(window)
        self.classes[place] = surface[CLASS.name][pick]
        self.quality[place] = surface[QUALITY.name][pick]

    def reflectance(self) -> dict[str, npt.NDArray[np.float32]]:
        """Reflectance by band (pixels,) where there are data and no mask."""
        usable = np.isin(self.quality, _SPECTRAL)
        return dict(zip(self.bands, self.radiometry.reflectance(self.numbers[:, usable]), strict=True))

    def check(self, product: ProductName) -> None:
        """BadProduct where the reflectances cannot be what the metadata of ``product`` makes of them."""
        if found := fault(self.reflectance(), stated_offset=all(self.radiometry.offsets)):
            raise BadProduct(f"{product} contradicts its own metadata: {found}.")

    def picture(self) -> Picture:
        """What the quicklook shows."""
        missing = self.radiometry.lacks_data(self.numbers)
        at = [self.bands.index(band) for band in self.true_colour if band in self.bands]
        if len(at) < len(self.true_colour):  # a model of few bands
            return Picture(self.classes, self.quality, None, self.metres)
        reflectance = self.radiometry.reflectance(self.numbers)[at]
        colour = true_colour(reflectance, missing)
        colour[self.quality == Quality.NODATA] = Quality.NODATA.colour  # as on the map beside it
        return Picture(self.classes, self.quality, colour, self.metres)
