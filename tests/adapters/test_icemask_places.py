"""Ice masks anywhere on Earth: a pixel is ice where its centre is, however the mask's coordinates run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer
from rasterio import Affine

from shared.adapters import icemask_near
from shared.adapters.icemask import IceMaskFile
from shared.adapters.icemask_near import Near
from shared.errors import BadSetting
from shared.science.windows import Grid
from tests.adapters.test_rasters import tiff
from tests.adapters.vector_masks import GRID, by_centres, collection, ours, refusal

PIXEL, SIDE = 300, 366  # metres, pixels: of a whole tile
GREENLAND = Grid(32622, 499980, 7500000, PIXEL, SIDE, SIDE)
WEST_OF_180, EAST_OF_180 = (Grid(32660, left, 7900020, PIXEL, SIDE, SIDE) for left in (450000, 600000))
BESIDE_180 = Grid(32601, 300000, 7900020, PIXEL, SIDE, SIDE)  # from 177.5 degrees east to 179.4 west
ANTARCTICA = Grid(32719, 499980, 2400040, PIXEL, SIDE, SIDE)
ROSS_SEA = Grid(32701, 300000, 2400040, PIXEL, SIDE, SIDE)  # from 178 degrees east to 179 west
NORTHERNMOST = Grid(32633, 399960, 9300000, PIXEL, SIDE, SIDE)
CRS84 = "urn:ogc:def:crs:OGC:1.3:CRS84"


def on(grid: Grid, *shapes: Any, crs: str = CRS84) -> Any:
    return IceMaskFile("mask.x", collection(*shapes, crs=crs)).on(grid)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3413", "EPSG:3857", "EPSG:4807", "EPSG:32633", "ESRI:54009"])
@pytest.mark.parametrize("grid", [GREENLAND, NORTHERNMOST, ANTARCTICA], ids=["Greenland", "84 N", "Antarctica"])
def test_long_edges_are_straight_where_the_mask_was_drawn(grid: Grid, crs: str) -> None:
    west, south, east, north = grid.bounds
    there = Transformer.from_crs(grid.epsg, crs, always_xy=True)
    corners = np.array([(west + 9e3, south + 1e4), (east - 8e3, south + 3e4), (west + 4e4, north - 9e3)])
    drawn = shapely.Polygon(np.column_stack(there.transform(*corners.T)))
    found = on(grid, drawn, crs=crs)
    assert 0.2 < found.mean() < 0.5
    assert (found == by_centres(grid, [drawn], crs)).all()


def test_a_box_of_longitudes_and_latitudes_keeps_its_parallels() -> None:
    drawn = shapely.box(-52, 67.2, -47, 68.5)  # by its corners alone, its southern edge is 2 km too far north
    assert (on(GREENLAND, drawn) == by_centres(GREENLAND, [drawn], "EPSG:4326")).all()


def test_edges_far_longer_than_the_tile_are_no_exception() -> None:
    drawn = shapely.Polygon([(-80, 50), (-48.6, 67.1), (-20, 84), (-70, 80)])
    found = on(GREENLAND, drawn)
    assert 0.1 < found.mean() < 0.9
    assert (found == by_centres(GREENLAND, [drawn], "EPSG:4326")).all()


@pytest.mark.parametrize("grid", [WEST_OF_180, EAST_OF_180, BESIDE_180, ROSS_SEA])
@pytest.mark.parametrize(
    "shapes",
    [
        [shapely.MultiPolygon([shapely.box(175, low, 180, high), shapely.box(-180, low, -174, high)])]
        for low, high in [(70.5, 73), (-71.2, -66)]
    ]
    + [[shapely.box(-180, -90, -178.9, 90)], [shapely.box(178.2, -90, 180, 90)], [shapely.box(-180, -90, 180, 90)]],
    ids=["cut in the north", "cut in the south", "east of it", "west of it", "the world"],
)
def test_the_180th_meridian_is_no_edge_of_the_ice(grid: Grid, shapes: list[Any]) -> None:
    assert (on(grid, *shapes) == by_centres(grid, shapes, "EPSG:4326")).all()


@pytest.mark.parametrize("grid", [EAST_OF_180, BESIDE_180, GREENLAND])
def test_longitudes_may_be_counted_beyond_180(grid: Grid) -> None:
    across = shapely.box(178.7, 67.3, 181, 70.8)
    cut = [shapely.box(178.7, 67.3, 180, 70.8), shapely.box(-180, 67.3, -179, 70.8)]
    assert (on(grid, across) == by_centres(grid, cut, "EPSG:4326")).all()
    greenland = shapely.box(308, 67.2, 312, 68.5)
    assert on(GREENLAND, greenland).any()
    assert (on(grid, greenland) == on(grid, shapely.box(-52, 67.2, -48, 68.5))).all()


def centres(grid: Grid) -> tuple[Any, Any]:
    """Longitude and latitude of each pixel's centre."""
    x = grid.left + (np.arange(grid.columns) + 0.5) * grid.pixel
    y = grid.top - (np.arange(grid.rows) + 0.5) * grid.pixel
    return Transformer.from_crs(grid.epsg, 4326, always_xy=True).transform(*np.meshgrid(x, y))


def by_longitudes(west: float, east: float, grid: Grid) -> tuple[bytes, Any]:
    """A raster with chequers of degrees between two longitudes, and what is ice on ``grid`` by its pixels' centres."""
    side, (south, north) = 0.02, (-72, -66) if grid is ROSS_SEA else (66, 72)
    shape = round((north - south) / side), round((east - west) / side)
    lines, columns = np.indices(shape, np.int32)
    chequers = ((lines // 20 + columns // 40) % 2).astype(np.uint8)
    data = tiff(chequers, crs="EPSG:4326", transform=Affine(side, 0, west, 0, -side, north), compress="deflate")
    longitude, latitude = centres(grid)
    column = np.floor((longitude - west) % 360 / side).astype(int)
    line = np.floor((north - latitude) / side).astype(int)
    is_inside = (column < shape[1]) & (line >= 0) & (line < shape[0])
    return data, is_inside & (chequers[line.clip(0, shape[0] - 1), column.clip(0, shape[1] - 1)] > 0)


@pytest.mark.parametrize("span", [(-180, 180), (0, 360), (170, 190), (-190, -170)], ids=str)
@pytest.mark.parametrize("grid", [GREENLAND, WEST_OF_180, EAST_OF_180, BESIDE_180, ROSS_SEA])
def test_a_raster_may_count_longitudes_from_anywhere(grid: Grid, span: tuple[float, float]) -> None:
    data, is_ice = by_longitudes(*span, grid)
    assert is_ice.any() == (grid is not GREENLAND or span[1] - span[0] == 360)
    assert (IceMaskFile("mask.tif", data).on(grid) != is_ice).mean() < 1e-4  # those on an edge to the metre


def test_a_raster_far_finer_than_the_grid_has_no_gap_at_the_180th_meridian() -> None:
    place = {"crs": "EPSG:4326", "transform": Affine(0.0005, 0, 179, 0, -0.0005, 70.9)}
    mask = IceMaskFile("mask.tif", tiff(np.ones((400, 4000), np.uint8), **place)).on(BESIDE_180)
    longitude, latitude = centres(BESIDE_180)
    is_inside = (np.abs(latitude - 70.8) < 0.1) & (np.abs(longitude % 360 - 180) < 1)
    assert (mask == is_inside).all()


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:6933", "EPSG:3832"])
def test_a_map_of_the_world_may_end_inside_the_tile(crs: str) -> None:
    there = Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    halves = [
        shapely.transform(shapely.box(*box), lambda points: np.column_stack(there.transform(*points.T)))
        for box in [(178.5, 70.4, 179.999999, 80), (-179.999999, 70.4, -179.6, 80)]
    ]
    found = on(BESIDE_180, *halves, crs=crs)
    assert 0.3 < found.mean() < 0.7
    assert (found != by_centres(BESIDE_180, halves, crs)).sum() <= 2


def test_a_mask_of_another_part_of_the_world_has_no_ice_here() -> None:
    for crs in ("EPSG:27700", "EPSG:2193", "ESRI:102038"):  # Great Britain, New Zealand, the globe from space
        assert not on(ROSS_SEA, shapely.box(0, 0, 1e5, 1e5), crs=crs).any()


@pytest.mark.parametrize(("crs", "places"), [("EPSG:4326", 6), ("EPSG:3857", 2), ("EPSG:3413", 1)])
def test_on_the_180th_meridian_only_what_is_near_is_looked_at(crs: str, places: int) -> None:
    near = Near.of(BESIDE_180, CRS(crs))
    whole_turn = 360 if crs == "EPSG:4326" else 4e7
    assert len(near.boxes) == places
    assert sum(east - west for west, _, east, _ in near.boxes) < 0.06 * whole_turn


def test_corners_beyond_the_edge_of_a_map_of_the_world_are_refused() -> None:
    with pytest.raises(
        BadSetting, match=r"^The ice mask mask\.x has corners near the tile that lie nowhere on Earth\.$"
    ):
        on(BESIDE_180, shapely.box(-2e7, -1e7, 2e7, 1e7), crs="ESRI:54009")


def test_a_coordinate_system_without_a_way_to_the_tiles_is_named() -> None:
    assert "is in a coordinate system that cannot be led to the tile's (" in refusal(
        collection(shapely.box(0, 0, 1e5, 1e5), crs="EPSG:2305")
    )


def test_a_spike_of_an_outline_has_no_area_and_is_no_ice() -> None:
    west, south, east, north = GREENLAND.bounds
    ring = [(west + 1e4, south + 1e4), (west + 3e4, south + 1e4), (east - 9e3, north - 9e3), (west + 3e4, south + 1e4)]
    ring += [(west + 3e4, south + 3e4), (west - 2e4, south + 3e4), (west + 1e4, south + 3e4)]
    square = shapely.box(west + 1e4, south + 1e4, west + 3e4, south + 3e4)
    found = on(GREENLAND, shapely.Polygon(ring), crs="EPSG:32622")
    assert (found == on(GREENLAND, square, crs="EPSG:32622")).all()
    assert (found == by_centres(GREENLAND, [square], "EPSG:32622")).all()


def test_corners_count_together_with_those_that_cutting_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    west, south, *_ = GRID.bounds
    monkeypatch.setattr(icemask_near, "MOST_CORNERS", 500)
    few, many = (
        shapely.Point(west + 3000, south + 3000).buffer(1000, quad_segs=corners // 4) for corners in (300, 450)
    )
    assert ours(collection(few)).any()
    assert "corners near the tile, which is more than is accepted" in refusal(collection(many))


def test_edges_that_would_be_cut_into_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    west, south, east, north = GRID.bounds
    monkeypatch.setattr(icemask_near, "MOST_CORNERS", 500)
    comb = shapely.Polygon([(east, north), *((east if i % 2 else west, south + 50 * i) for i in range(40))])
    assert "corners near the tile, which is more than is accepted" in refusal(collection(comb))
