"""Layers in the making: a TIFF in memory that grows window by window and becomes a Cloud-Optimized GeoTIFF.

Compressed fast meanwhile: of a tile, uncompressed layers were 0.1 GB more, and hardly sooner.
Overviews are made here (`shared.science.pyramid`): GDAL's own take longer than all of its deflating.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from shared.science.layers import Layer, Stored
from shared.science.orthomosaic import Placed
from shared.science.pyramid import halved, pairs, sizes
from shared.science.windows import Window, windows

# MB of cache: a row of blocks of a tile takes 7. Whatever the environment says, overviews are looked for beside a file.
_ENV = {"GDAL_CACHEMAX": 32, "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE"}
_BLOCK = 512  # pixels, side of a file's blocks and the most of its smallest overview


@dataclass(frozen=True, slots=True)
class CogWriter:
    """The LayerWriter of `shared.pipeline.surface_ports`."""

    layer: Layer
    dataset: Any
    memory: Any

    def write(self, window: Window, numbers: Stored) -> None:
        """Fill one window."""
        self.dataset.write(numbers, 1, window=_rectangle(window))

    def finish(self) -> bytes:
        """The layer as a Cloud-Optimized GeoTIFF; what it grew in is given up."""
        import rasterio
        from rasterio.io import MemoryFile
        from rasterio.shutil import copy

        self.dataset.close()
        options = {
            "driver": "COG",
            "compress": "DEFLATE",
            # Noise of the last digits is most of a layer of values: higher levels take twice as long for 1 %.
            "level": 6 if self.layer.categories else 1,
            "predictor": "NO" if self.layer.categories else "YES",
            "blocksize": _BLOCK,
            "overviews": "FORCE_USE_EXISTING",
            "num_threads": 1,  # several layers are finished at a time
        }
        with rasterio.Env(**_ENV), MemoryFile(ext=".tif") as target:
            with _overviews(self.layer, self.memory) as count, self.memory.open() as source:
                if len(source.overviews(1)) != count:
                    raise RuntimeError(
                        f"GDAL sees {len(source.overviews(1))} of {count} overviews of {self.layer.name}."
                    )
                copy(source, target.name, **options)
            self.memory.close()
            return bytes(target.read())


@contextmanager
def growing(layer: Layer, grid: Placed, block: tuple[int, int]) -> Iterator[CogWriter]:
    """Begin ``layer`` on ``grid``, with blocks like those of the windows: ``block`` (rows, columns)."""
    import rasterio
    from rasterio.io import MemoryFile

    place = rasterio.Affine(*grid.transform)
    profile = _profile(layer, (grid.rows, grid.columns), place, block) | {"nodata": layer.nodata, "crs": grid.crs}
    with MemoryFile(dirname=str(uuid4()), filename=f"{layer.name}.tif") as memory, memory.open(**profile) as dataset:
        _describe(dataset, layer)
        yield CogWriter(layer, dataset, memory)


def _profile(layer: Layer, shape: tuple[int, int], place: Any, block: tuple[int, int]) -> dict[str, Any]:
    rows, columns = (side if side % 16 == 0 else 256 for side in block)  # TIFF tiles are multiples of 16
    return {
        "driver": "GTiff",
        "width": shape[1],
        "height": shape[0],
        "count": 1,
        "dtype": layer.dtype,
        "transform": place,
        "tiled": True,
        "blockxsize": columns,
        "blockysize": rows,
        "compress": "ZSTD",  # read twice and then thrown away
        "zstd_level": 1,
    }


@contextmanager
def _overviews(layer: Layer, memory: Any) -> Iterator[int]:
    """Overviews of the raster in ``memory``, there inside the ``with`` block: x.tif.ovr, x.tif.ovr.ovr and so on.

    Yields how many. GDAL takes each of these files for the overview of the one whose name it continues.
    """
    from rasterio.io import MemoryFile

    with memory.open() as whole:
        shapes = sizes(whole.shape, _BLOCK)
    _, _, folder, name = memory.name.split("/")
    with ExitStack() as stack:
        finer = memory
        for shape in shapes:
            name += ".ovr"
            coarser = stack.enter_context(MemoryFile(dirname=folder, filename=name))
            _halve(layer, finer, coarser, shape)
            finer = coarser
        yield len(shapes)


def _halve(layer: Layer, finer: Any, coarser: Any, shape: tuple[int, int]) -> None:
    """Write the overview of ``finer``, which has ``shape`` (rows, columns), into ``coarser``."""
    from rasterio import Affine

    with finer.open() as source:
        place = source.transform * Affine.scale(source.width / shape[1], source.height / shape[0])
        rows, columns = pairs(source.height), pairs(source.width)
        with coarser.open(**_profile(layer, shape, place, (_BLOCK, _BLOCK))) as target:
            for window in windows(shape, (_BLOCK, _BLOCK)):
                above, left = rows[window.slices[0]], columns[window.slices[1]]
                stored = source.read(1, window=_rectangle(_under(above, left, source.shape)))
                half = halved(layer, stored, above - above[0], left - left[0])
                target.write(half, 1, window=_rectangle(window))


def _under(rows: Any, columns: Any, shape: tuple[int, int]) -> Window:
    """What the pairs that begin at ``rows`` and ``columns`` lie on, in a raster of ``shape``."""
    row, column = int(rows[0]), int(columns[0])
    height, width = min(int(rows[-1]) + 2, shape[0]) - row, min(int(columns[-1]) + 2, shape[1]) - column
    return Window(row, column, height, width)


def _rectangle(window: Window) -> Any:
    from rasterio.windows import Window as Rectangle

    return Rectangle(window.column, window.row, window.width, window.height)


def _describe(dataset: Any, layer: Layer) -> None:
    dataset.set_band_description(1, layer.description)
    dataset.units = (layer.unit,)
    if layer.scale != 1:
        dataset.scales, dataset.offsets = (layer.scale,), (0.0,)
    if layer.categories:
        dataset.write_colormap(1, {code: (*colour, 255) for code, (_, colour) in layer.categories.items()})
        dataset.update_tags(1, **{f"CODE_{code}": label for code, (label, _) in layer.categories.items()})
