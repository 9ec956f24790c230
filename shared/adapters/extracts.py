"""Small windows of result layers, read by ranges from where they lie; nothing is fetched whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from shared.errors import BadName, BadProduct
from shared.models import shown

_ENV = {"GDAL_NUM_THREADS": "1", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
Geometry = Mapping[str, Any]  # GeoJSON polygon or multipolygon, degrees longitude and latitude (WGS 84)
Opens = Callable[[], BinaryIO]  # opens a layer's file for reading by ranges
Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Extract:
    """The same window of all layers."""

    layers: Arrays  # layer name -> stored numbers (rows, columns)
    inside: npt.NDArray[np.bool_]  # (rows, columns)
    pixel_km2: float


def read_point(files: Mapping[str, Opens], longitude: float, latitude: float) -> Arrays:
    """The pixel of each layer (name -> how to open it) at a place; BadName where that lies outside the tile."""
    from rasterio.windows import Window

    found: Arrays = {}
    for name, opens in files.items():
        with _opened(name, opens) as raster:
            row, column = _pixel(raster, longitude, latitude)
            found[name] = _read(name, raster, Window(column, row, 1, 1))
    return found


def read_area(files: Mapping[str, Opens], geometry: Geometry, *, most: int) -> Extract:
    """The window of each layer that holds ``geometry``, of at most so many pixels; BadName where that cannot be."""
    from rasterio.features import geometry_mask

    layers: Arrays = {}
    inside, area = np.zeros((0, 0), np.bool_), 0.0
    for name, opens in files.items():
        with _opened(name, opens) as raster:
            shape = _projected(raster, geometry)
            window = _window(raster, shape, most)
            layers[name] = _read(name, raster, window)
            if not inside.size:
                transform = raster.window_transform(window)
                inside = geometry_mask([shape], layers[name].shape, transform, invert=True)
                area = abs(transform.a * transform.e) / 1e6
    return Extract(layers, inside, area)


@contextmanager
def _opened(name: str, opens: Opens) -> Iterator[Any]:
    import rasterio
    from rasterio.errors import RasterioError

    with rasterio.Env(**_ENV):
        try:
            raster = rasterio.open(f"{name}.tif", driver="GTiff", opener=lambda *_, **__: opens())
        except RasterioError as cause:
            raise BadProduct(f"Layer {name} is no readable image: {shown(cause)}.") from cause
        with raster:
            yield raster


def _read(name: str, raster: Any, window: Any) -> npt.NDArray[np.generic]:
    from rasterio.errors import RasterioError

    try:
        found: npt.NDArray[np.generic] = raster.read(1, window=window)
    except RasterioError as cause:
        raise BadProduct(f"Layer {name} is damaged: {shown(cause)}.") from cause
    return found


def _pixel(raster: Any, longitude: float, latitude: float) -> tuple[int, int]:
    from rasterio.warp import transform

    (x,), (y,) = transform("EPSG:4326", raster.crs, [longitude], [latitude])
    if not (np.isfinite(x) and np.isfinite(y)):
        raise _elsewhere(f"{longitude:g}, {latitude:g}")
    row, column = raster.index(x, y)
    if not (0 <= row < raster.height and 0 <= column < raster.width):
        raise _elsewhere(f"{longitude:g}, {latitude:g}")
    return int(row), int(column)


def _projected(raster: Any, geometry: Geometry) -> dict[str, Any]:
    from rasterio.errors import RasterioError
    from rasterio.warp import transform_geom
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        polygon = shape(geometry)
        if polygon.is_empty or not polygon.is_valid:
            raise BadName("The polygon is not valid; its rings may not cross.")
        projected: dict[str, Any] = transform_geom("EPSG:4326", raster.crs, dict(geometry))
    except (RasterioError, ShapelyError, ValueError, TypeError) as cause:
        raise BadName(f"The polygon cannot be used: {shown(cause)}.") from cause
    return projected


def _window(raster: Any, projected: dict[str, Any], most: int) -> Any:
    from rasterio.windows import Window, from_bounds
    from shapely.geometry import shape

    bounds = shape(projected).bounds
    if not all(np.isfinite(bounds)):
        raise _elsewhere("the polygon")
    around = from_bounds(*bounds, transform=raster.transform)
    top, left = max(int(np.floor(around.row_off)), 0), max(int(np.floor(around.col_off)), 0)
    bottom = min(int(np.ceil(around.row_off + around.height)), raster.height)
    right = min(int(np.ceil(around.col_off + around.width)), raster.width)
    rows, columns = bottom - top, right - left
    if rows <= 0 or columns <= 0:
        raise _elsewhere("the polygon")
    if rows * columns > most:
        raise BadName(f"The polygon spans {rows * columns} pixels; one request takes at most {most}.")
    return Window(left, top, columns, rows)


def _elsewhere(what: str) -> BadName:
    return BadName(f"The tile of this result does not hold {what}.")
