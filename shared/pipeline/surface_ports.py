"""What mapping a surface asks of the outside: the product's members, rasters, an ice mask, a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.science.layers import Layer, Stored
from shared.science.orthomosaic import Placed
from shared.science.picture import Picture
from shared.science.windows import Georeference, Grid, Window


class Members(Protocol):
    """The files of one SAFE folder, wherever it is."""

    def names(self) -> Iterable[str]:
        """Paths relative to the SAFE folder, with "/" between folders."""
        ...

    def read(self, name: str) -> bytes:
        """One whole file; NotFound where there is none."""
        ...


class Raster(Protocol):
    """An open single-band raster; used by one thread at a time."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        ...

    @property
    def block(self) -> tuple[int, int]:
        """Rows, columns of the blocks that are decoded as a whole."""
        ...

    @property
    def georeference(self) -> Georeference | None:
        """Where the file says that it lies; none: it says nothing of that."""
        ...

    def read(self, window: Window) -> npt.NDArray[np.uint16]:
        """The digital numbers of a window; BadProduct naming the raster where it is damaged."""
        ...


class LayerWriter(Protocol):
    """A layer in the making."""

    def write(self, window: Window, numbers: Stored) -> None:
        """Fill one window; each pixel is written once."""
        ...

    def finish(self) -> bytes:
        """The layer as a Cloud-Optimized GeoTIFF."""
        ...


class Rasters(Protocol):
    """Reading and writing raster files held in memory."""

    def open(self, data: bytes, label: str) -> AbstractContextManager[Raster]:
        """Open a product's image; BadProduct beginning with ``label`` where it is damaged or cut short."""
        ...

    def create(self, layer: Layer, grid: Placed, *, block: tuple[int, int]) -> AbstractContextManager[LayerWriter]:
        """Begin a layer that is written in windows aligned to ``block`` (rows, columns); memory holds it compressed."""
        ...

    def longitudes_latitudes(self, epsg: int, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Points (easting, northing in metres) as (longitude, latitude) in degrees, WGS 84."""
        ...


class IceMask(Protocol):
    """Where the ice is."""

    @property
    def name(self) -> str:
        """What the summary calls the mask."""
        ...

    def on(self, grid: Grid) -> npt.NDArray[np.bool_]:
        """True on ice, (rows, columns), nowhere where the mask is of another region; BadSetting where unreadable."""
        ...


class Quicklook(Protocol):
    """Draws the class map for people."""

    def __call__(
        self, picture: Picture, *, title: str, lines: Sequence[str], shares: Sequence[tuple[str, str]]
    ) -> bytes:
        """A PNG of the class map beside true colour; ``shares`` are class label and text for the legend."""
        ...


Emit = Callable[[str, bytes, str], None]  # file name, content, content type; called in order of publication
Progress = Callable[[int, int], None]  # windows done, windows in all
