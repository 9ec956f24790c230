from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasterio.warp
import rasterio.windows
from rasterio.io import MemoryFile

from shared.adapters.icemask import IceMaskFile
from shared.adapters.rasters import GdalRasters, check_codestream
from shared.errors import BadProduct, BadSetting
from shared.science.layers import ALBEDO, CLASS
from shared.science.windows import Grid, Window, windows
from tests.conftest import SHARED, needs_shared
from tests.small_l2a import LEFT, TOP, jp2

NUMBERS = np.random.default_rng(4).integers(1, 9000, (130, 170)).astype(np.uint16)
GRID = Grid(32622, LEFT, TOP, 60, 130, 170)


@pytest.fixture(scope="module")
def image() -> bytes:
    return jp2(NUMBERS)


def tiff(array: npt.NDArray[Any], **profile: Any) -> bytes:
    usual = {"driver": "GTiff", "width": array.shape[1], "height": array.shape[0], "count": 1, "dtype": array.dtype}
    place = {"crs": "EPSG:32622", "transform": rasterio.Affine(60, 0, LEFT, 0, -60, TOP)}
    with MemoryFile() as memory:
        with memory.open(**(usual | place | profile)) as dataset:
            dataset.write(array, 1)
        return bytes(memory.read())


def test_windows_of_an_image_are_its_pixels(image: bytes) -> None:
    with GdalRasters().open(image, "B02") as raster:
        assert (raster.shape, raster.block) == ((130, 170), (64, 64))
        for window in windows(raster.shape, (50, 70)):
            assert (raster.read(window) == NUMBERS[window.slices]).all()


def test_a_geotiff_is_an_image_too() -> None:
    with GdalRasters().open(tiff(NUMBERS), "B02") as raster:
        assert (raster.read(Window(0, 0, 130, 170)) == NUMBERS).all()


@pytest.mark.parametrize("missing", [1, 2, 3, 100, 5000])
def test_an_image_that_lacks_its_end_is_refused(image: bytes, missing: int) -> None:
    with pytest.raises(BadProduct, match=r"^B02 of X is cut short"), GdalRasters().open(image[:-missing], "B02 of X"):
        pass


def test_an_image_cut_where_an_end_marker_happens_to_stand_is_refused(image: bytes) -> None:
    with pytest.raises(BadProduct, match="cut short"):
        check_codestream(image[: len(image) // 2] + b"\xff\xd9", "B02")


def test_a_whole_image_passes(image: bytes) -> None:
    check_codestream(image, "B02")
    check_codestream(image[image.index(b"\xff\x4f\xff\x51") :], "B02")  # a codestream without boxes


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"<html>", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f"])
def test_what_is_no_image_is_refused_with_its_name(data: bytes) -> None:
    with pytest.raises(BadProduct, match=r"^B02 "), GdalRasters().open(data, "B02"):
        pass


def test_a_broken_tile_is_noticed_and_the_others_still_read(image: bytes) -> None:
    broken = bytearray(image)
    first = broken.index(b"\xff\x93")
    broken[first + 2 : first + 202] = b"\xff" * 200
    with GdalRasters().open(bytes(broken), "B02") as raster:
        with pytest.raises(BadProduct, match=r"^B02 is damaged: its pixels from row 0, column 0 do not decode"):
            raster.read(Window(0, 0, 64, 64))
        assert (raster.read(Window(64, 64, 66, 106)) == NUMBERS[64:, 64:]).all()


@pytest.mark.parametrize("kind", ["three bands", "floats"])
def test_an_image_of_another_kind_is_refused(kind: str) -> None:
    data = tiff(NUMBERS.astype(np.float32)) if kind == "floats" else tiff(NUMBERS, count=3)
    with (
        pytest.raises(BadProduct, match=r"B02 has .* expected one of uint8 or uint16"),
        GdalRasters().open(data, "B02"),
    ):
        pass


@pytest.mark.parametrize("block", [(64, 64), (50, 70), (130, 170)])
def test_a_layer_written_in_windows_reads_back_whole(block: tuple[int, int]) -> None:
    stored = np.random.default_rng(1).integers(0, 7, GRID.shape).astype(np.uint8)
    with GdalRasters().create(CLASS, GRID, block=block) as writer:
        for window in windows(GRID.shape, block):
            writer.write(window, stored[window.slices])
        data = writer.finish()
    with MemoryFile(data) as memory, memory.open() as dataset:
        assert (dataset.read(1) == stored).all()


def test_overviews_of_values_leave_nodata_out() -> None:
    grid = Grid(32622, LEFT, TOP, 60, 600, 600)
    stored = np.full(grid.shape, 5000, np.int16)
    stored[:, ::2] = -32768
    with GdalRasters().create(ALBEDO, grid, block=(256, 256)) as writer:
        writer.write(Window(0, 0, 600, 600), stored)
        data = writer.finish()
    with MemoryFile(data) as memory, memory.open(overview_level=0) as overview:
        assert (overview.read(1) == 5000).all()


@pytest.mark.parametrize("setting", ["EMPTY_DIR", "TRUE"])
def test_overviews_lie_on_what_they_show_whatever_gdal_is_set_to(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_DISABLE_READDIR_ON_OPEN", setting)
    grid = Grid(32622, LEFT, TOP, 60, 1373, 1373)
    tenths = np.broadcast_to(10 * np.arange(1373, dtype=np.int16), grid.shape)  # of a column
    with GdalRasters().create(ALBEDO, grid, block=(610, 610)) as writer:
        for window in windows(grid.shape, (610, 610)):
            writer.write(window, tenths[window.slices])
        data = writer.finish()
    with MemoryFile(data) as memory, memory.open() as dataset:
        assert dataset.overviews(1) == [2, 4]
    for level, side in enumerate((687, 344)):
        with MemoryFile(data) as memory, memory.open(overview_level=level) as overview:
            assert overview.shape == (side, side)
            assert (overview.read(1) == overview.read(1)[0]).all()
            centres = (np.arange(side) + 0.5) * 1373 / side - 0.5
            assert np.abs(overview.read(1)[0] / 10 - centres).max() <= 1373 / side / 2 + 0.1


def test_places_are_longitude_then_latitude() -> None:
    ((longitude, latitude),) = GdalRasters().longitudes_latitudes(32622, [(500000, 7500000)])
    assert longitude == pytest.approx(-51)
    assert latitude == pytest.approx(67.6, abs=0.1)


def polygon(*, name: str = "EPSG:32622") -> bytes:
    """The western half of the grid as GeoJSON."""
    west, south, east, north = GRID.bounds
    middle = (west + east) / 2
    ring = [[west, south], [middle, south], [middle, north], [west, north], [west, south]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:{name.replace(':', '::')}"}}
    return json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}).encode()


WEST = np.repeat([[True] * 85 + [False] * 85], 130, axis=0)


def test_a_vector_mask_in_the_grids_coordinates_is_burnt_exactly() -> None:
    assert (IceMaskFile("half.geojson", polygon()).on(GRID) == WEST).all()


def reprojected(tmp_path: Path, driver: str, suffix: str) -> bytes:
    """The same half in longitude and latitude, by another driver; several files become a zip."""
    import pyogrio
    import shapely
    from rasterio.warp import transform_geom

    west, south, east, north = GRID.bounds
    middle = (west + east) / 2
    ring = [(west, y) for y in np.linspace(south, north, 20)] + [(middle, y) for y in np.linspace(north, south, 20)]
    shape = transform_geom("EPSG:32622", "EPSG:4326", {"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    path = tmp_path / f"half{suffix}"
    pyogrio.raw.write(
        path,
        geometry=np.array([shapely.to_wkb(shapely.geometry.shape(shape))], object),
        field_data=[np.array([1], np.int32)],
        fields=np.array(["id"]),
        crs="EPSG:4326",
        geometry_type="Polygon",
        driver=driver,
    )
    if driver != "ESRI Shapefile":
        return path.read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for part in tmp_path.iterdir():
            archive.write(part, part.name)
    return out.getvalue()


@pytest.mark.parametrize(("driver", "suffix"), [("GPKG", ".gpkg"), ("GeoJSON", ".geojson"), ("ESRI Shapefile", ".shp")])
def test_vector_masks_in_other_coordinates_are_brought_onto_the_grid(tmp_path: Path, driver: str, suffix: str) -> None:
    data = reprojected(tmp_path, driver, suffix)
    mask = IceMaskFile(f"half{suffix}", data).on(GRID)
    assert (mask == WEST).mean() > 0.99


def test_a_shapefile_is_read_with_its_companions(tmp_path: Path) -> None:
    reprojected(tmp_path, "ESRI Shapefile", ".shp")
    assert (IceMaskFile.read(tmp_path / "half.shp").on(GRID) == WEST).mean() > 0.99


def test_a_raster_mask_is_taken_by_nearest_neighbour() -> None:
    coarse = tiff(
        np.array([[1, 0]], np.uint8), transform=rasterio.Affine(85 * 60, 0, LEFT, 0, -130 * 60, TOP), nodata=255
    )
    assert (IceMaskFile("mask.tif", coarse).on(GRID) == WEST).all()


def test_a_raster_mask_in_longitude_and_latitude_is_brought_onto_the_grid() -> None:
    west, south, east, north = -51.1, 66.9, -50.7, 67.9
    columns, rows = 4000, 1000
    middle_x = (GRID.bounds[0] + GRID.bounds[2]) / 2
    longitudes = west + (np.arange(columns) + 0.5) * (east - west) / columns
    latitudes = north - (np.arange(rows) + 0.5) * (north - south) / rows
    x, _ = rasterio.warp.transform("EPSG:4326", "EPSG:32622", np.tile(longitudes, rows), np.repeat(latitudes, columns))
    is_west = (np.asarray(x).reshape(rows, columns) < middle_x).astype(np.uint8)
    transform = rasterio.Affine((east - west) / columns, 0, west, 0, -(north - south) / rows, north)
    mask = IceMaskFile("mask.tif", tiff(is_west, crs="EPSG:4326", transform=transform)).on(GRID)
    assert (mask == WEST).mean() > 0.99


def test_a_mask_of_a_whole_ice_sheet_is_read_only_near_the_tile() -> None:
    # 40,000 x 40,000 pixels, of which the file holds a few blocks: read whole, it would take gigabytes.
    side = 40_000
    place = rasterio.Affine(60, 0, LEFT - 60 * 20_000, 0, -60, TOP + 60 * 20_000)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint8", "crs": "EPSG:32622"}
    with MemoryFile() as memory:
        with memory.open(**profile, transform=place, tiled=True, sparse_ok=True) as dataset:
            dataset.write(np.ones((130, 85), np.uint8), 1, window=rasterio.windows.Window(20_000, 20_000, 85, 130))
        huge = bytes(memory.read())
    assert (IceMaskFile("mask.tif", huge).on(GRID) == WEST).all()


def test_nodata_of_a_raster_mask_is_no_ice() -> None:
    empty = tiff(np.full((130, 170), 255, np.uint8), nodata=255)
    assert not IceMaskFile("mask.tif", empty).on(GRID).any()


def test_what_a_float_mask_does_not_know_is_no_ice() -> None:
    values = np.where(np.arange(170) < 85, 1.0, np.nan).astype(np.float32)
    assert (IceMaskFile("mask.tif", tiff(np.tile(values, (130, 1)))).on(GRID) == WEST).all()


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e308])
@pytest.mark.parametrize("place", range(6))
def test_a_raster_mask_that_lies_nowhere_on_earth_is_refused(number: float, place: int) -> None:
    numbers = [60.0, 0, LEFT, 0, -60, TOP]
    numbers[place] = number
    nowhere = tiff(np.ones((130, 170), np.uint8), transform=rasterio.Affine(*numbers))
    with pytest.raises(BadSetting, match=r"^The ice mask mask\.tif is placed by numbers that lie nowhere on Earth\.$"):
        IceMaskFile("mask.tif", nowhere).on(GRID)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_a_raster_mask_of_complex_numbers_is_refused(dtype: type[np.generic]) -> None:
    numbers = np.ones((130, 170), dtype)
    with pytest.raises(BadSetting, match=r"^The ice mask mask\.tif holds complex numbers \(complex\d+\)\.$"):
        IceMaskFile("mask.tif", tiff(numbers)).on(GRID)


def test_a_mask_elsewhere_has_no_ice_here() -> None:
    elsewhere = Grid(32622, 600000, 5000000, 60, 10, 10)
    assert not IceMaskFile("half.geojson", polygon()).on(elsewhere).any()


@pytest.mark.parametrize("data", [b"", b"{]", b"PK\x03\x04", b"II*\x00broken", b"id,ice\n1,2\n"])
def test_an_unreadable_mask_is_one_sentence(data: bytes) -> None:
    with pytest.raises(BadSetting, match=r"^The ice mask mask\.x .*\.$"):
        IceMaskFile("mask.x", data).on(GRID)


def test_a_mask_of_points_is_refused() -> None:
    points = polygon().replace(b'"Polygon"', b'"MultiPoint"').replace(b"[[[", b"[[").replace(b"]]]", b"]]")
    with pytest.raises(BadSetting, match="holds other shapes than polygons"):
        IceMaskFile("points.geojson", points).on(GRID)


def test_a_raster_mask_without_coordinates_is_refused() -> None:
    with pytest.raises(BadSetting, match="has no coordinate system"):
        IceMaskFile("mask.tif", tiff(np.ones((5, 5), np.uint8), crs=None)).on(GRID)


@needs_shared
def test_the_greenland_outline_covers_inland_ice_and_not_the_sea() -> None:
    outline = IceMaskFile.read(SHARED / "data/icemask/GRE_IceSheet_IMBIE2_v1.shp")
    inland = Grid(32622, 600000, 7500000, 60, 50, 50)  # 48.6 W, 67.6 N
    sea = Grid(32621, 400000, 7300000, 60, 50, 50)  # 59 W, 65.8 N
    assert outline.on(inland).all()
    assert not outline.on(sea).any()
