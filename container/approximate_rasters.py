"""Rasters of Sentinel-2 products written by strips, then turned into lossless JPEG 2000 in one go.

GDAL can write JPEG 2000 only from a complete raster. So a band is first laid down, strip by strip, in an
uncompressed file beside its target: memory does not grow with the size of the product, disk does (240 MB for a
10 m band of a full tile).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

JP2_BLOCKS = {10: 1024, 20: 640, 60: 192, 320: 64}  # pixels per side of ESA's internal tiles, by pixel size in metres


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of a raster lie."""

    epsg: int
    left: float  # easting of the outer left edge, metres
    top: float  # northing of the outer upper edge, metres
    metres: float  # side of a pixel
    rows: int
    columns: int

    def profile(self) -> dict[str, Any]:
        """What rasterio needs to create a raster on this grid."""
        from affine import Affine

        return {
            "width": self.columns,
            "height": self.rows,
            "crs": f"EPSG:{self.epsg}",
            "transform": Affine(self.metres, 0, self.left, 0, -self.metres, self.top),
        }


class Strips(Protocol):
    """A raster that takes its rows strip by strip."""

    def write(self, rows: slice, pixels: NDArray[Any]) -> None:
        """Write whole rows; ``pixels`` is (rows, columns) or (bands, rows, columns)."""


class _Open:
    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def write(self, rows: slice, pixels: NDArray[Any]) -> None:
        from rasterio.windows import Window

        stack = pixels[np.newaxis] if pixels.ndim == 2 else pixels
        self._dataset.write(stack, window=Window(0, rows.start, self._dataset.width, stack.shape[1]))


@contextmanager
def lay_down(path: Path, grid: Grid, dtype: str, *, bands: int = 1) -> Iterator[Strips]:
    """Open an uncompressed raster at ``path`` for writing by strips."""
    import rasterio

    profile = grid.profile() | {"driver": "GTiff", "count": bands, "dtype": dtype, "BIGTIFF": "IF_SAFER"}
    if bands > 1:
        profile["interleave"] = "band"
    with rasterio.open(path, "w", **profile) as dataset:
        yield _Open(dataset)


def to_jp2(source: Path, target: Path, *, metres: int) -> None:
    """Write the raster ``source`` as lossless JPEG 2000, tiled as ESA tiles bands of ``metres``; delete ``source``."""
    import rasterio.shutil

    block = str(JP2_BLOCKS[metres])
    rasterio.shutil.copy(
        source,
        target,
        driver="JP2OpenJPEG",
        QUALITY="100",
        REVERSIBLE="YES",
        YCBCR420="NO",
        BLOCKXSIZE=block,
        BLOCKYSIZE=block,
    )
    source.unlink()


def strips(rows: int, height: int) -> Iterator[slice]:
    """Cut ``rows`` into slices of ``height`` rows; the last may be shorter."""
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def mean_of_blocks(pixels: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean over blocks of ``factor`` x ``factor`` pixels; NaN where any pixel of the block is NaN."""
    if factor == 1:
        return pixels
    rows, columns = pixels.shape[0] // factor, pixels.shape[1] // factor
    blocks = pixels.reshape(rows, factor, columns, factor)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))
