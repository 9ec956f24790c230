"""Vector ice masks of the three formats give what GDAL reads, or are refused."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio.features
import shapely

from shared.adapters import icemask, outlines
from shared.adapters.icemask import IceMaskFile
from shared.errors import BadSetting
from shared.science.windows import Grid
from tests.adapters.vector_masks import (
    EAST,
    FORMATS,
    GRID,
    NORTH,
    SOUTH,
    WEST,
    by_centres,
    by_gdal,
    collection,
    glacier,
    moved,
    ours,
    refusal,
    written,
)
from tests.conftest import SHARED, needs_shared

formats = pytest.mark.parametrize("driver", FORMATS)


@pytest.mark.filterwarnings("ignore:File .* non conformant file extension:RuntimeWarning")  # it is in memory
@pytest.mark.parametrize("epsg", [32622, 4326, 3413])
@formats
def test_a_mask_is_what_gdal_reads(tmp_path: Path, driver: str, epsg: int) -> None:
    shapes = moved(glacier(), epsg)
    if driver == "GPKG":
        shapes = [shape if shape.geom_type == "MultiPolygon" else shapely.MultiPolygon([shape]) for shape in shapes]
    data = written(tmp_path, driver, shapes, epsg=epsg)
    mask = ours(data)
    assert 0.2 < mask.mean() < 0.8
    assert (mask == by_gdal(data)).all()


def test_heights_of_a_shapefile_are_passed_over(tmp_path: Path) -> None:
    high = shapely.force_3d(glacier(), 700.0)
    mask = ours(written(tmp_path, "ESRI Shapefile", list(high), geometry_type="Polygon Z"))
    assert mask.any()
    assert (mask == ours(collection(*glacier()))).all()


@formats
def test_a_mask_without_polygons_is_refused_as_nothing_would_ever_be_ice(tmp_path: Path, driver: str) -> None:
    data = written(tmp_path, driver, [], geometry_type="Polygon")
    assert refusal(data) == "The ice mask mask.x holds no polygon, so that nothing would be ice anywhere."


@pytest.mark.parametrize("driver", ["GPKG", "ESRI Shapefile"])
def test_a_mask_without_a_coordinate_system_is_refused(tmp_path: Path, driver: str) -> None:
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        data = written(tmp_path, driver, [glacier()[1]], epsg=None)
    assert refusal(data) == "The ice mask mask.x has no coordinate system."


@formats
def test_a_mask_of_lines_is_refused(tmp_path: Path, driver: str) -> None:
    data = written(tmp_path, driver, [shapely.LineString([(WEST, SOUTH), (EAST, NORTH)])], geometry_type="LineString")
    assert refusal(data) == "The ice mask mask.x holds other shapes than polygons."


@formats
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.99])
def test_a_mask_that_lacks_its_end_is_refused(tmp_path: Path, driver: str, part: float) -> None:
    data = written(tmp_path, driver, [glacier()[1]])
    assert "is unreadable" in refusal(data[: int(len(data) * part)])


@formats
def test_a_mask_with_damaged_bytes_gives_a_mask_or_one_sentence(tmp_path: Path, driver: str) -> None:
    data = written(tmp_path, driver, [glacier()[1]])
    random = np.random.default_rng(7)
    for _ in range(60):
        broken = bytearray(data)
        for at in random.integers(0, len(data), 30):
            broken[at] = random.integers(256)
        with suppress(BadSetting):
            assert ours(bytes(broken)).shape == GRID.shape


def test_polygons_beyond_the_bounds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlines, "MOST_OUTLINES", 2)
    assert "has more than 2 polygons" in refusal(collection(*glacier()))
    monkeypatch.setattr(outlines, "MOST_OUTLINES", 9)
    monkeypatch.setattr(outlines, "MOST_CORNERS", 300)
    assert "has more than 300 corners near the tile" in refusal(collection(*glacier()))
    assert ours(collection(glacier()[1])).any()


def test_polygons_are_burnt_some_corners_at_a_time_and_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    dots = [shapely.Point(WEST + 400 * i, SOUTH + 300 * i).buffer(150) for i in range(20)]
    whole, burn, corners = ours(collection(*dots)), rasterio.features.rasterize, []

    def counted(shapes: Any, **options: Any) -> Any:
        corners.append(shapely.get_num_coordinates(shapes).sum())
        return burn(shapes, **options)

    monkeypatch.setattr(icemask, "_AT_ONCE", 200)
    monkeypatch.setattr(rasterio.features, "rasterize", counted)
    assert (ours(collection(*dots)) == whole).all()
    assert whole.any()
    assert max(corners) <= 200 + 65  # the last polygon may reach over
    assert sum(corners) >= 20 * 33


@needs_shared
def test_of_the_greenland_outline_a_pixel_is_ice_where_its_centre_is() -> None:
    path = SHARED / "data/icemask/GRE_IceSheet_IMBIE2_v1.shp"
    margin = Grid(32622, 500000, 7500000, 150, 400, 400)
    mask = IceMaskFile.read(path).on(margin)
    meta, _, geometries, _ = pyogrio.raw.read(path, columns=[], bbox=(-52, 66, -47, 68))
    shapes = shapely.make_valid(shapely.clip_by_rect(shapely.from_wkb(geometries), -52, 66, -47, 68))
    assert 0.05 < mask.mean() < 0.95
    assert (mask != by_centres(margin, shapes, meta["crs"])).sum() <= 1  # of 160,000, one on an edge to the metre
