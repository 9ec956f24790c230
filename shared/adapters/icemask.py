"""Ice masks: a raster (GeoTIFF) or a vector file in any coordinate system, brought onto a tile's grid.

Vectors are GeoJSON, GeoPackage or a zipped Shapefile; a pixel is ice where its centre lies in a polygon. Rasters are
taken by nearest neighbour; a pixel is ice where the raster holds a number other than 0 that is not its nodata.
"""

from __future__ import annotations

import glob
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.adapters import geojson, geopackage, shapefile
from shared.adapters.icemask_near import Near, turns
from shared.adapters.outlines import FARTHEST, NO_CRS, Layer, Unfit
from shared.archive import DAMAGE
from shared.errors import BadSetting
from shared.models import shown
from shared.science.windows import Grid

_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_AT_ONCE = 100_000
_BESIDE_LEAP = 100  # pixels of a raster mask, which are more than one of the grid


@dataclass(frozen=True, slots=True)
class IceMaskFile:
    """An ice mask by the content of its file."""

    name: str  # file name, for errors and the summary
    data: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> IceMaskFile:
        """Take the mask in a local file; a Shapefile's companions are taken from beside it. Raises BadSetting."""
        try:
            data = _zipped(path) if path.suffix.lower() == ".shp" else path.read_bytes()
        except OSError as cause:
            raise BadSetting(f"The ice mask {shown(path)} cannot be read: {cause.strerror}.") from cause
        return cls(path.name, data)

    def on(self, grid: Grid) -> npt.NDArray[np.bool_]:
        """True on ice, (rows, columns); BadSetting where the mask is unreadable or has no coordinate system."""
        return self._from_raster(grid) if self.data.startswith(_TIFF) else self._from_vector(grid)

    def _from_raster(self, grid: Grid) -> npt.NDArray[np.bool_]:
        import rasterio
        from rasterio._err import CPLE_BaseError  # what GDAL and PROJ refuse comes as one, and under no public name
        from rasterio.enums import Resampling
        from rasterio.errors import RasterioError
        from rasterio.io import MemoryFile
        from rasterio.vrt import WarpedVRT

        onto = {
            "crs": f"EPSG:{grid.epsg}",
            "transform": rasterio.Affine(*grid.transform),
            "height": grid.rows,
            "width": grid.columns,
            "resampling": Resampling.nearest,
            "tolerance": 0.001,  # pixels that a place may be off; 0 is refused
            # What to read follows from the edges of each block. Where longitudes leap, some of these would not do.
            "SAMPLE_STEPS": "ALL",
            "SOURCE_EXTRA": _BESIDE_LEAP,
        }
        refusing = self._refusing(RasterioError, CPLE_BaseError)
        with refusing, MemoryFile(self.data) as memory, memory.open(driver="GTiff") as source:
            _check_raster(source)
            ice = np.zeros(grid.shape, bool)
            for turn in turns(source.crs.units_factor[1] if source.crs.is_geographic else None):
                moved = rasterio.Affine.translation(turn, 0) * source.transform
                # Only the blocks near the grid are read: a mask of a whole ice sheet would not fit the memory.
                with WarpedVRT(source, src_transform=moved, **onto) as warped:
                    values = warped.read(1)
                    # NaN means "nothing known" to whoever wrote floats without a nodata tag; it is unequal to 0, too.
                    ice |= (warped.dataset_mask() > 0) & (values != 0) & ~np.isnan(values)
            return ice

    def _from_vector(self, grid: Grid) -> npt.NDArray[np.bool_]:
        import rasterio
        from rasterio.features import rasterize

        burnt = np.zeros(grid.shape, np.uint8)
        for few in _batches(self._shapes(grid)):
            rasterize(few, out=burnt, transform=rasterio.Affine(*grid.transform))
        return np.asarray(burnt, bool)

    def _shapes(self, grid: Grid) -> list[Any]:
        """The mask's polygons near the grid, in the grid's coordinates."""
        import shapely
        from pyproj.exceptions import ProjError

        with self._refusing(*DAMAGE, sqlite3.Error, shapely.errors.ShapelyError):
            layer = _layer(self.data)
            if not (layer.crs.is_geographic or layer.crs.is_projected):
                raise Unfit(NO_CRS)  # numbers of a plane that lies nowhere on Earth
            try:
                near = Near.of(grid, layer.crs)
            except ProjError as cause:
                name = shown(layer.crs.name, 60)
                raise Unfit(f"is in a coordinate system that cannot be led to the tile's ({name})") from cause
            return near.moved(near.polygons(layer.outlines))

    @contextmanager
    def _refusing(self, *errors: type[Exception]) -> Iterator[None]:
        try:
            yield
        except Unfit as cause:
            raise BadSetting(f"The ice mask {shown(self.name)} {cause}.") from cause
        except errors as cause:
            logging.getLogger("icewatch").info("ice mask %s: %s", shown(self.name), shown(cause))
            raise BadSetting(
                f"The ice mask {shown(self.name)} is unreadable; expected a GeoTIFF, GeoJSON, GeoPackage or zipped "
                f"Shapefile ({shown(cause)})."
            ) from cause


def _batches(shapes: list[Any]) -> Iterator[list[Any]]:
    """The shapes in turn, some `_AT_ONCE` corners at a time: burning takes more than 100 bytes for each."""
    import shapely

    batches = np.cumsum(shapely.get_num_coordinates(shapes)) // _AT_ONCE
    for _, few in groupby(zip(batches, shapes, strict=True), key=lambda one: one[0]):
        yield [shape for _, shape in few]


def _check_raster(source: Any) -> None:
    """Refuse what GDAL would warp to somewhere, or to something."""
    if source.crs is None:
        raise Unfit(NO_CRS)
    if not all(abs(number) <= FARTHEST for number in source.transform):  # so does NaN fail
        raise Unfit("is placed by numbers that lie nowhere on Earth")
    if source.dtypes[0].startswith("complex"):
        raise Unfit(f"holds complex numbers ({source.dtypes[0]})")


def _layer(data: bytes) -> Layer:
    """A vector file by the reader of its format, which its first bytes tell."""
    if data.startswith(geopackage.MAGIC):
        return geopackage.read(data)
    return shapefile.read(data) if data.startswith(shapefile.MAGIC) else geojson.read(data)


def _zipped(path: Path) -> bytes:
    """A Shapefile with its companions as one zip, which is how a single file can carry it."""
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        path.stat()  # OSError where there is none
        for part in sorted(path.parent.glob(f"{glob.escape(path.stem)}.*")):
            archive.write(part, part.name)
    return out.getvalue()
