"""Outlines in a STAC Item: longitudes from -180 to 180 and cut at the antimeridian, as GeoJSON has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import Polygon, box

from shared.pipeline.surface_item import outline

Ring = list[tuple[float, float]]


def ring(west: float, south: float, east: float, north: float) -> Ring:
    """A rectangle as a closed ring, counterclockwise."""
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


@pytest.mark.parametrize("turn", [-360, 0, 360, 720])
def test_longitudes_of_any_turn_come_back_as_those_of_geojson(turn: int) -> None:
    shape, bbox = outline(ring(310 + turn, 67, 310.5 + turn, 68))
    assert bbox == [-50, 67, -49.5, 68]
    assert shape.equals(box(-50, 67, -49.5, 68))


@pytest.mark.parametrize("west", [179.5, -180.5, 539.5])
def test_a_ring_that_counts_on_beyond_the_antimeridian_is_cut_there(west: float) -> None:
    shape, bbox = outline(ring(west, 70, west + 2, 71))
    assert bbox == [179.5, 70, -178.5, 71]
    assert [part.bounds for part in shape.geoms] == [(179.5, 70, 180, 71), (-180, 70, -178.5, 71)]
    assert all(part.exterior.is_ccw for part in shape.geoms)


def test_a_ring_that_jumps_at_the_antimeridian_is_cut_there_too() -> None:
    shape, bbox = outline([(179.5, 70), (-178.5, 70), (-178.5, 71), (179.5, 71), (179.5, 70)])
    assert bbox == [179.5, 70, -178.5, 71]
    assert shape.area == pytest.approx(2)


@pytest.mark.parametrize(("west", "expected"), [(179.0, [179, 70, 180, 71]), (180.0, [-180, 70, -179, 71])])
def test_a_ring_that_only_touches_the_antimeridian_stays_whole(west: float, expected: list[float]) -> None:
    shape, bbox = outline(ring(west, 70, west + 1, 71))
    assert isinstance(shape, Polygon)
    assert bbox == expected


def test_a_ring_around_a_pole_reaches_all_longitudes_and_the_pole() -> None:
    around = [((angle + 180) % 360 - 180, -85.0) for angle in range(10, 380, 10)]
    shape, bbox = outline(around)
    assert bbox == [-180, -90, 180, -85]
    assert shape.area == pytest.approx(360 * 5)
    assert shape.is_valid


def test_a_ring_around_the_whole_world_stays_as_it_is() -> None:
    world = [(-180.0 + 20 * i, -60.0) for i in range(19)] + [(180.0 - 20 * i, 60.0) for i in range(19)]
    shape, bbox = outline([*world, world[0]])
    assert bbox == [-180, -60, 180, 60]
    assert shape.area == pytest.approx(360 * 120)


@given(west=st.floats(-720, 720), width=st.floats(0.001, 30), south=st.floats(-80, 79), height=st.floats(0.001, 1))
def test_no_longitude_leaves_geojson_and_no_area_is_lost(
    west: float, width: float, south: float, height: float
) -> None:
    shape, bbox = outline(ring(west, south, west + width, south + height), digits=9)
    assert shape.is_valid
    assert shape.area == pytest.approx(width * height, rel=1e-4)
    assert -180 <= shape.bounds[0] <= shape.bounds[2] <= 180
    assert (bbox[0] > bbox[2]) is (shape.geom_type == "MultiPolygon")
