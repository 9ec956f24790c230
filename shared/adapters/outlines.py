"""Polygons in files from outside: what their readers give, and how it becomes geometry.

The readers (geojson, geopackage, shapefile) are this project's own, so that one GDAL is enough (the one in rasterio; a
second weighs 106 MB) and so that every count in a file is compared with its bytes before it is believed: GEOS, asked to
read WKB that nests deeply enough, ends the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from shared.models import shown

if TYPE_CHECKING:
    from pyproj import CRS

MOST_OUTLINES = 2_000_000  # in a file; the Randolph Glacier Inventory has 275,000 for the whole world
MOST_CORNERS = 10_000_000  # near a tile; the outline of the Greenland ice sheet has 190,000
FARTHEST = 1e12  # no place on Earth has a larger number, in whatever unit; squares of much larger ones overflow
_FEWEST = 4  # corners of a closed ring

# (corners, 2): x, y in the file's coordinate system; where that has degrees, longitude before latitude.
Ring = npt.NDArray[np.float64]
# A place is inside where it lies within an odd number of the rings: holes, parts and islands in holes alike.
Outline = list[Ring]
Bounds = tuple[float, float, float, float]  # west, south, east, north


class Unfit(ValueError):
    """A readable file that is of no use; the text ends the sentence "The ice mask X ..."."""


OTHER_SHAPES = "holds other shapes than polygons"
NO_CRS = "has no coordinate system"


@dataclass(frozen=True, slots=True)
class Layer:
    """What a vector file holds."""

    crs: CRS
    outlines: Iterable[Outline]  # read while they are asked for: ValueError, Unfit at any of them


def crs_of(authority: str, code: str) -> CRS:
    """The coordinate system ``authority:code``, such as EPSG:3413; Unfit where PROJ knows none."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_authority(authority.upper(), code)
    except CRSError as cause:
        raise unknown_crs(f"{authority}:{code}") from cause


def unknown_crs(text: object) -> Unfit:
    """The error for a coordinate system that is stated in vain."""
    return Unfit(f"states a coordinate system that is not known ('{shown(text, 60)}')")


def too_many_corners() -> Unfit:
    """The error for more than MOST_CORNERS near a tile."""
    return Unfit(f"has more than {MOST_CORNERS} corners near the tile, which is more than is accepted")


def polygons_near(outlines: Iterable[Outline], boxes: Sequence[Bounds]) -> list[Any]:
    """What the outlines cover in ``boxes``, as shapely polygons that need not be valid; elsewhere they say nothing.

    All outlines are checked, so that a file is good or bad for every tile alike. Raises Unfit where there is none,
    beyond MOST_OUTLINES in all or MOST_CORNERS near, ValueError for rings that are open, too short, no numbers or not
    on Earth.
    """
    import shapely

    found, corners, is_empty = [], 0, True
    for count, outline in enumerate(outlines, start=1):
        if count > MOST_OUTLINES:
            raise Unfit(f"has more than {MOST_OUTLINES} polygons, which is more than is accepted")
        for ring in outline:
            _check(ring)
            is_empty = False
        # A ring elsewhere changes no count of rings here, be it a part or a hole.
        rings = [ring for ring in outline if _touches(ring, boxes)]
        if not rings:
            continue
        corners += sum(map(len, rings))
        if corners > MOST_CORNERS:
            raise too_many_corners()
        found.append(shapely.Polygon(rings[0], rings[1:]))
    if is_empty:
        raise Unfit("holds no polygon, so that nothing would be ice anywhere")
    return found


def _check(ring: Ring) -> None:
    if len(ring) < _FEWEST:
        raise ValueError(f"a ring has {len(ring)} corners, at least {_FEWEST} are needed")
    if not np.isfinite(ring).all():
        raise ValueError("a ring has corners that are not numbers")
    if np.abs(ring).max() > FARTHEST:
        raise ValueError(f"a ring has corners beyond {FARTHEST:g}, where nothing on Earth lies")
    if (ring[0] != ring[-1]).any():
        raise ValueError("a ring is not closed")


def _touches(ring: Ring, boxes: Sequence[Bounds]) -> bool:
    (left, low), (right, high) = ring.min(axis=0), ring.max(axis=0)
    return any(left <= east and right >= west and low <= north and high >= south for west, south, east, north in boxes)
