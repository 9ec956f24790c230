"""Small windows of result layers, read by ranges from where they lie; nothing is fetched whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from shared.errors import BadName, BadProduct
from shared.models import shown

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_STEP = 0.01  # degrees between the points of an edge; what the straight line between two of them misses is millimetres
_LONGEST = 1000.0  # degrees of outline within one tile; the edge of a glacier, drawn pixel by pixel, has some thirty
_MARGIN = 0.05  # degrees around a tile; its own edges bend by less
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
    is_whole: bool  # False: a part of the polygon lies outside the tile


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
    """The window of each layer that holds ``geometry``, of at most so many pixels; BadName where that cannot be.

    Edges are straight in longitude and latitude (RFC 7946, 3.1.1). What lies outside the tile is left out.
    """
    from rasterio.features import geometry_mask

    polygon, layers = _polygon(geometry), dict[str, npt.NDArray[np.generic]]()
    inside, area, is_whole = np.zeros((0, 0), np.bool_), 0.0, True
    for name, opens in files.items():
        with _opened(name, opens) as raster:
            near = _near(raster, polygon)
            projected = _projected(raster, near)
            window = _window(raster, projected.bounds, most)
            layers[name] = _read(name, raster, window)
            if not inside.size:
                transform = raster.window_transform(window)
                inside = geometry_mask([projected], layers[name].shape, transform, invert=True)
                area = abs(transform.a * transform.e) / 1e6
                is_whole = near is polygon and _holds(raster.bounds, projected.bounds)
    return Extract(layers, inside, area, is_whole)


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


def _polygon(geometry: Geometry) -> BaseGeometry:
    from shapely.errors import ShapelyError
    from shapely.geometry import shape

    try:
        polygon = shape(geometry)
        is_usable = polygon.is_valid and not polygon.is_empty
    except (ShapelyError, ValueError, TypeError) as cause:
        raise BadName(f"The polygon cannot be used: {shown(cause)}.") from cause
    if not is_usable:
        raise BadName("The polygon is not valid; its rings may not cross.")
    return polygon


def _near(raster: Any, polygon: BaseGeometry) -> BaseGeometry:
    """What of a polygon lies in and around the tile; both in degrees.

    The rest may be half the world away, where the tile's projection means nothing.
    """
    import shapely
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds(raster.crs, "EPSG:4326", *raster.bounds)
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]  # across the 180th meridian
    boxes = [shapely.box(left - _MARGIN, south - _MARGIN, right + _MARGIN, north + _MARGIN) for left, right in spans]
    tile = shapely.union_all(boxes)
    if tile.covers(polygon):
        return polygon
    parts = shapely.get_parts(shapely.intersection(polygon, tile))
    near = shapely.multipolygons(parts[shapely.area(parts) > 0])  # without points and edges that merely touch
    if near.is_empty:
        raise _elsewhere("the polygon")
    return near


def _projected(raster: Any, polygon: BaseGeometry) -> BaseGeometry:
    """A polygon in degrees as one in metres, with points enough that its edges lie where they lay."""
    import shapely
    from rasterio.warp import transform

    if polygon.length > _LONGEST:
        raise BadName(
            f"The polygon's outline within the tile is {polygon.length:.0f} degrees long; "
            f"one request takes at most {_LONGEST:g}."
        )

    def project(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.transpose(transform("EPSG:4326", raster.crs, places[:, 0], places[:, 1]))

    return shapely.transform(shapely.segmentize(polygon, _STEP), project)


def _holds(tile: Sequence[float], bounds: Sequence[float]) -> bool:
    """Whether the second of two boxes (left, bottom, right, top) lies in the first."""
    return tile[0] <= bounds[0] and tile[1] <= bounds[1] and bounds[2] <= tile[2] and bounds[3] <= tile[3]


def _window(raster: Any, bounds: Sequence[float], most: int) -> Any:
    from rasterio.windows import Window, from_bounds

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
        raise BadName(f"The window around the polygon has {rows * columns} pixels; one request takes at most {most}.")
    return Window(left, top, columns, rows)


def _elsewhere(what: str) -> BadName:
    return BadName(f"The tile of this result does not hold {what}.")
