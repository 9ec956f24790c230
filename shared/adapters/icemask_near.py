"""Where a tile lies in the coordinate system of an ice mask, and the mask's polygons there, brought to the tile's.

Two things keep a polygon from being moved corner by corner. An edge that is straight in one system is bent in the
other, a parallel of 5 degrees by kilometres: edges are cut into short ones first. And systems leap: longitudes at the
180th meridian, maps of the world where they end. A tile on such a line lies in two places of the mask's map.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared.adapters.outlines import MOST_CORNERS, Bounds, Outline, Unfit, polygons_near, too_many_corners
from shared.science.windows import Grid

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

_Polygons = npt.NDArray[np.object_]  # of shapely

_CELLS = 20  # per side of the grid: those of a whole tile have 5.5 km
_LEAP = 10  # times the usual extent of a cell: where one has more, the system leaps inside it
_PIECES = 8  # of a cell's side: pieces of 0.7 km bulge by 0.1 m at 84 degrees north


@dataclass(frozen=True, slots=True)
class Near:
    """What is near a grid, in the mask's coordinates."""

    boxes: tuple[Bounds, ...]  # together they hold the grid; none: the mask's system does not reach there
    piece: float  # the longest edge that may be taken for straight in both systems
    _back: Transformer  # to the grid's coordinates

    @classmethod
    def of(cls, grid: Grid, crs: CRS) -> Near:
        """Around ``grid``, in the coordinates of a geographic or projected ``crs``; ProjError where none lead there."""
        import shapely
        from pyproj import Transformer

        cells = _cells(grid, Transformer.from_crs(grid.epsg, crs, always_xy=True))
        low, high = cells.min(axis=1), cells.max(axis=1)
        extent = high - low
        usual = np.median(extent, axis=0) if len(cells) else np.full(2, np.inf)
        is_whole = (extent <= _LEAP * usual).all(axis=1)
        # Each is grown by itself, so that the two sides of a leap reach over the cells in which it happens.
        grown = np.hstack([low - extent, high + extent])[is_whole]
        around = [part.bounds for part in shapely.get_parts(shapely.union_all(shapely.box(*grown.T)))]
        unit = crs.axis_info[0].unit_conversion_factor if crs.is_geographic else None
        boxes = tuple((w + turn, s, e + turn, n) for w, s, e, n in around for turn in turns(unit))
        return cls(boxes, float(usual.min()) / _PIECES, Transformer.from_crs(crs, grid.epsg, always_xy=True))

    def polygons(self, outlines: Iterable[Outline]) -> _Polygons:
        """What ``outlines`` cover near the grid, as valid polygons with short edges, in the mask's coordinates.

        Raises what `polygons_near` raises, and Unfit where cutting the edges makes too many corners.
        """
        import shapely

        polygons = shapely.make_valid(np.array(polygons_near(outlines, self.boxes), object))
        parts = [shapely.clip_by_rect(polygons, *box) for box in self.boxes]
        clipped = shapely.get_parts(np.concatenate(parts) if parts else polygons)
        clipped = clipped[shapely.get_dimensions(clipped) == 2]  # a spike of an outline has become a line, without area
        if shapely.get_num_coordinates(clipped).sum() + shapely.length(clipped).sum() / self.piece > MOST_CORNERS:
            raise too_many_corners()
        return np.asarray(shapely.segmentize(clipped, self.piece), object)

    def moved(self, polygons: _Polygons) -> list[Any]:
        """Polygons in the grid's coordinates, without the empty ones; Unfit where a corner has no place there."""
        import shapely

        moved = shapely.transform(polygons, lambda points: np.column_stack(self._back.transform(*points.T)))
        if not np.isfinite(shapely.get_coordinates(moved)).all():
            raise Unfit("has corners near the tile that lie nowhere on Earth")
        return [shape for shape in moved if not shape.is_empty]


def turns(unit: float | None) -> tuple[float, ...]:
    """What a first coordinate may be larger by and mean the same: longitudes are counted from -180, from 0 or on.

    ``unit`` is that of longitudes in radians; None where the coordinates are others.
    """
    if unit is None:
        return (0.0,)
    whole = 2 * math.pi / unit
    return -whole, 0.0, whole


def _cells(grid: Grid, there: Transformer) -> npt.NDArray[np.float64]:
    """The corners of cells that cover ``grid``, (cells, 4, 2), in the mask's coordinates; those that have a place."""
    west, south, east, north = grid.bounds
    marks = np.linspace(0, 1, _CELLS + 1)
    x, y = np.meshgrid(west + (east - west) * marks, south + (north - south) * marks)
    points = np.stack(there.transform(x, y), axis=-1)
    corners = np.stack([points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:]], axis=2).reshape(-1, 4, 2)
    return np.asarray(corners[np.isfinite(corners).all(axis=(1, 2))])
