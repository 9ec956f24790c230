"""Which tiles of the Sentinel-2 grid a polygon touches.

The grid is the 100 km squares of MGRS. ESA's tile of a square begins at the multiple of 60 m outside its upper left
corner, so that pixels of 10, 20 and 60 m share the corner, and is 109.8 km long and wide. A square that two latitude
bands share is one tile; its band letter is that of its centre. (The corner follows from the tiles' own metadata; the
letter from the tile names in use, such as 13SFR and 51QUG.) ESA leaves out a few slivers at the edges of zones and the
open ocean: a tile named here that does not exist finds no products and does no harm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.errors import BadName
from shared.models import Tile

if TYPE_CHECKING:
    from mgrs import MGRS  # type: ignore[import-untyped]
    from pyproj import Transformer
    from shapely.geometry.base import BaseGeometry

Ring = Sequence[tuple[float, float]]  # degrees longitude, latitude; closed
_SQUARE = 100_000  # metres
_SIDE = 109_800  # metres
_PIXEL = 60  # metres; the coarsest
_REACH = 1.1  # degrees of latitude that a tile of a square extends beyond a point of it, at most
_STEP = 0.2  # degrees of latitude between two looks at the grid, about 22 km
_SOUTHERNMOST, _NORTHERNMOST = -80.0, 84.0  # degrees; beyond, MGRS has no zones and Sentinel-2 no tiles
_DEGREE, _EQUATOR = 111_000, 10_000_000  # metres: of latitude, roughly; northing of the equator seen from the south
_EDGE = 8  # pieces of an edge, which is no straight line in degrees
_BANDS = "CDEFGHJKLMNPQRSTUVWX"  # 8 degrees each from -80, the last 12
_FIRST_NORTHERN = "N"
_COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")  # squares from 100 km east on, by the zone modulo 3
_ROWS = "ABCDEFGHJKLMNPQRSTUV"  # squares from the equator on, of odd zones; in even ones, F is the first


def tiles_of(polygons: Sequence[Sequence[Ring]], *, most: int) -> tuple[Tile, ...]:
    """The tiles whose extent shares some area with ``polygons``, sorted by name.

    Each polygon is its outer ring and its holes. Raises BadName where a polygon is not valid, goes round the 180th
    meridian without being cut there, touches no tile, or touches more than ``most``.
    """
    found = {tile for rings in polygons for tile in _touched(_valid(rings))}
    if not found:
        raise BadName("The polygon touches no Sentinel-2 tile; they reach from 80 degrees south to 84 degrees north.")
    if len(found) > most:
        raise BadName(f"The polygon touches {len(found)} tiles; at most {most} are accepted.")
    return tuple(sorted(found))


def _valid(rings: Sequence[Ring]) -> BaseGeometry:
    import shapely

    polygon = shapely.Polygon(rings[0], rings[1:])
    if not polygon.is_valid or polygon.is_empty or polygon.area == 0:
        raise BadName(f"The polygon is not valid: {shapely.is_valid_reason(polygon)}.")
    west, _, east, _ = polygon.bounds
    if east - west > 180:
        raise BadName(
            f"The polygon spans {east - west:.0f} degrees of longitude; cut it where it crosses the 180th meridian."
        )
    return polygon


def _touched(polygon: BaseGeometry) -> Iterator[Tile]:
    import shapely

    shapely.prepare(polygon)
    for tile in _near(*polygon.bounds):
        if any(polygon.intersects(part) and polygon.intersection(part).area > 0 for part in extent(tile)):
            yield tile


def _near(west: float, south: float, east: float, north: float) -> set[Tile]:
    """The tiles of all squares within reach of the bounds."""
    names: set[str] = set()
    low, high = max(south - _REACH, _SOUTHERNMOST), min(north + _REACH, _NORTHERNMOST - 1e-9)
    for latitude in _steps(low, high, _STEP) if low < high else ():
        per_degree = max(math.cos(math.radians(latitude)), 0.1)  # of longitude, as part of one of latitude
        reach = _REACH / per_degree
        for longitude in _steps(west - reach, east + reach, _STEP / per_degree):
            name = _grid().toMGRS(latitude, (longitude + 180) % 360 - 180, MGRSPrecision=0)
            names.add(str(name).zfill(5))
    return {_tile(name) for name in names}


def _steps(low: float, high: float, step: float) -> Iterator[float]:
    count = max(math.ceil((high - low) / step), 1)
    return (low + (high - low) * index / count for index in range(count + 1))


def _tile(square: str) -> Tile:
    """The tile of a 100 km square, by whichever band it was called."""
    latitude, _ = _grid().toLatLon(square)
    band = _BANDS[min(int((latitude - _SOUTHERNMOST) // 8), len(_BANDS) - 1)]
    return Tile(f"{square[:2]}{band}{square[3:]}")


def is_corner(tile: Tile, epsg: int, left: float, top: float) -> bool:
    """Whether (left, top), metres in the UTM zone ``epsg``, is the upper left corner of ``tile`` and of no other.

    By the letters alone, as there are tiles where MGRS ends: 01CEH, for one, lies beyond 80 degrees south.
    """
    zone, band, column, row = int(tile.name[:2]), *tile.name[2:]
    is_northern = band >= _FIRST_NORTHERN
    if epsg != (32600 if is_northern else 32700) + zone:
        return False
    easting = (_COLUMNS[zone % 3].find(column) + 1) * _SQUARE
    northing = (_ROWS.index(row) + 1 - (0 if zone % 2 else _ROWS.index("F"))) * _SQUARE
    middle = _DEGREE * (_SOUTHERNMOST + 8 * _BANDS.index(band) + 4) + (0 if is_northern else _EQUATOR)
    around = len(_ROWS) * _SQUARE  # the letters of the rows begin again: the square nearest to the band is meant
    northing += round((middle - northing) / around) * around
    return max(abs(left - easting), abs(top - northing)) < _SQUARE / 2


@lru_cache(maxsize=4096)
def extent(tile: Tile) -> tuple[BaseGeometry, ...]:
    """The extent of ``tile`` in degrees longitude and latitude; two parts where it lies across the 180th meridian."""
    import shapely.affinity

    zone, hemisphere, easting, northing = _grid().MGRSToUTM(tile.name)  # of the centre
    left = (easting - _SQUARE / 2) // _PIXEL * _PIXEL
    top = -(-(northing + _SQUARE / 2) // _PIXEL) * _PIXEL
    corners = [(left, top), (left + _SIDE, top), (left + _SIDE, top - _SIDE), (left, top - _SIDE)]
    degrees = _to_degrees(int(zone), hemisphere == "S")
    outline = [degrees.transform(*point) for point in _edges(corners)]
    middle = outline[0][0]
    outline = [(middle + (longitude - middle + 180) % 360 - 180, latitude) for longitude, latitude in outline]
    whole = shapely.Polygon(outline)
    shifted = (shapely.affinity.translate(whole, xoff=by) for by in (-360.0, 360.0))
    world = shapely.box(-180, -90, 180, 90)
    return tuple(part for part in (whole, *shifted) if part.intersects(world))


def _edges(corners: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    for (x, y), (next_x, next_y) in zip(corners, [*corners[1:], corners[0]], strict=True):
        for piece in range(_EDGE):
            yield x + (next_x - x) * piece / _EDGE, y + (next_y - y) * piece / _EDGE


@lru_cache(maxsize=120)
def _to_degrees(zone: int, south: bool) -> Transformer:
    """From metres of a UTM zone to degrees longitude and latitude."""
    from pyproj import Transformer

    return Transformer.from_crs(32700 + zone if south else 32600 + zone, 4326, always_xy=True)


@lru_cache(maxsize=1)
def _grid() -> MGRS:
    from mgrs import MGRS

    return MGRS()
