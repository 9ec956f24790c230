"""Polygons in degrees, counted on a tile in metres."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from shared.adapters.extracts import Extract, read_area
from shared.errors import BadName

EDGE, METRES = 200, 500.0  # a tile of 100 km
ALL = EDGE * EDGE
GREENLAND = 32622, (499_980.0, 7_500_000.0)  # 51 to 48.6 degrees west, 66.7 to 67.6 north
CHUKOTKA = 32601, (300_000.0, 7_300_000.0)  # on both sides of the 180th meridian
Ring = list[list[float]]


def layer(tile: tuple[int, tuple[float, float]]) -> bytes:
    code, corner = tile
    file = io.BytesIO()
    facts = {"count": 1, "dtype": "uint8", "width": EDGE, "height": EDGE, "crs": f"EPSG:{code}"}
    with rasterio.open(file, "w", driver="GTiff", transform=from_origin(*corner, METRES, METRES), **facts) as raster:
        raster.write(np.ones((1, EDGE, EDGE), np.uint8))
    return file.getvalue()


def read(*rings: Ring, tile: tuple[int, tuple[float, float]] = GREENLAND, most: int = ALL) -> Extract:
    data = layer(tile)
    geometry: dict[str, Any] = {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
    return read_area({"CLASS": lambda: io.BytesIO(data)}, geometry, most=most)


def box(west: float, south: float, east: float, north: float) -> Ring:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def dense(ring: Ring) -> Ring:
    """The same ring with a point every hundredth of a degree or so."""
    parts = [np.linspace(first, last, 1001) for first, last in pairwise(ring)]
    return [[float(x), float(y)] for x, y in np.concatenate(parts)]


@pytest.mark.parametrize(
    "ring", [box(-56, 67.0, -46, 67.3), box(-50.5, 66.9, -49.2, 67.4), [[-60, 66], [-40, 66.5], [-45, 68], [-60, 66]]]
)
def test_edges_are_straight_in_degrees_however_long_they_are(ring: Ring):
    few, many = read(ring), read(dense(ring))
    assert 0 < few.inside.sum() < ALL
    assert few.inside.sum() == many.inside.sum()


@pytest.mark.parametrize(
    "ring", [box(-180, -90, 180, 90), box(-180, 0, 0, 90), box(-52, 66, -47, 69)], ids=["world", "quarter", "around"]
)
def test_what_holds_the_tile_holds_all_of_its_pixels(ring: Ring):
    found = read(ring)
    assert found.inside.sum() == ALL
    assert not found.is_whole


def test_a_polygon_is_counted_on_both_sides_of_the_180th_meridian():
    west, east = box(178, 64, 180, 67), box(-180, 64, -178, 67)
    apart = [int(read(ring, tile=CHUKOTKA).inside.sum()) for ring in (west, east)]
    assert min(apart) > 0
    assert int(read(west, east, tile=CHUKOTKA).inside.sum()) == sum(apart)


@pytest.mark.parametrize(("ring", "is_whole"), [(box(-50, 67, -49.5, 67.2), True), (box(-50, 67, -48, 67.2), False)])
def test_it_says_whether_a_part_lies_outside_the_tile(ring: Ring, is_whole: bool):
    assert read(ring).is_whole is is_whole


@pytest.mark.parametrize("ring", [box(0, 0, 1, 1), box(-47.9, 67, -47.8, 67.1), box(130, 67, 131, 68)])
def test_what_touches_nothing_of_the_tile_is_refused(ring: Ring):
    with pytest.raises(BadName, match="does not hold the polygon"):
        read(ring)


def test_an_outline_without_end_is_refused_before_it_grows():
    comb = [[-50.9 + 1e-4 * (i // 2), 66.9 if (i + 1) // 2 % 2 else 67.4] for i in range(8000)]
    with pytest.raises(BadName, match="degrees long; one request takes at most 1000"):
        read([*comb, [-50.0, 66.8], [-51.0, 66.8], comb[0]])


def test_a_window_of_too_many_pixels_is_refused():
    with pytest.raises(BadName, match=r"The window around the polygon has \d+ pixels; one request takes at most 100"):
        read(box(-50, 67, -49.5, 67.2), most=100)
