"""Vector ice masks: the three formats as GDAL reads them, and what is refused of each."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pytest
import shapely
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.warp import transform as places
from rasterio.warp import transform_bounds

from shared.adapters import geojson, outlines
from shared.adapters.icemask import IceMaskFile
from shared.errors import BadSetting
from shared.science.windows import Grid
from tests.conftest import SHARED, needs_shared
from tests.small_l2a import LEFT, TOP

GRID = Grid(32622, LEFT, TOP, 60, 130, 170)
WEST, SOUTH, EAST, NORTH = GRID.bounds
FORMATS = {"GPKG": ".gpkg", "GeoJSON": ".geojson", "ESRI Shapefile": ".shp"}
formats = pytest.mark.parametrize("driver", FORMATS)


def glacier() -> list[Any]:
    """A ragged polygon with two holes, one of which has an island; one of two parts; one far away, in UTM 22 N."""
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    radius = 3000 + 400 * np.sin(13 * turn) + 150 * np.sin(71 * turn)
    middle_x, middle_y = (WEST + EAST) / 2, (SOUTH + NORTH) / 2
    edge = np.column_stack([middle_x + radius * np.cos(turn), middle_y + radius * np.sin(turn)])
    lake, rock = (shapely.Point(middle_x + shift, middle_y).buffer(700) for shift in (-1200, 1200))
    island = shapely.Point(middle_x - 1200, middle_y).buffer(300)
    parts = [
        shapely.box(WEST - 900, NORTH - 700, WEST + 1300, NORTH + 300),
        shapely.box(EAST - 500, SOUTH, EAST, NORTH),
    ]
    ice = shapely.Polygon(edge).difference(shapely.union_all([lake, rock])).union(island)
    return [ice, shapely.MultiPolygon(parts), shapely.box(WEST + 9e5, NORTH, WEST + 9.1e5, NORTH + 500)]


def written(folder: Path, driver: str, shapes: list[Any], *, epsg: int | None = 32622, **options: Any) -> bytes:
    """A file as GDAL writes it; a Shapefile as zip."""
    file = folder / f"mask{FORMATS[driver]}"
    pyogrio.raw.write(
        file,
        geometry=np.array([shapely.to_wkb(shape) for shape in shapes], object),
        field_data=[np.arange(len(shapes), dtype=np.int32)],
        fields=np.array(["id"]),
        crs=None if epsg is None else f"EPSG:{epsg}",
        driver=driver,
        **({"geometry_type": "MultiPolygon" if driver == "GPKG" else "Unknown"} | options),
    )
    if driver != "ESRI Shapefile":
        return file.read_bytes()
    return zipped({part.name: part.read_bytes() for part in folder.iterdir()})


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def moved(shapes: list[Any], epsg: int) -> list[Any]:
    def there(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(places("EPSG:32622", f"EPSG:{epsg}", *points.T))

    return [shapely.transform(shape, there) for shape in shapes]


@pytest.mark.filterwarnings("ignore:File .* non conformant file extension:RuntimeWarning")  # it is in memory
def by_gdal(data: bytes) -> npt.NDArray[np.bool_]:
    """The mask by pyogrio's reading."""
    meta, _, geometries, _ = pyogrio.raw.read(data, columns=[])

    def here(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(places(meta["crs"], "EPSG:32622", *points.T))

    shapes = shapely.transform(shapely.from_wkb(geometries), here)
    return np.asarray(rasterize(shapes, out_shape=GRID.shape, transform=Affine(*GRID.transform), dtype="uint8"), bool)


def ours(data: bytes) -> npt.NDArray[np.bool_]:
    return IceMaskFile("mask.x", data).on(GRID)


def refusal(data: bytes) -> str:
    with pytest.raises(BadSetting, match=r"^The ice mask mask\.x .*\.$") as refused:
        ours(data)
    return str(refused.value)


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
def test_a_mask_without_polygons_has_no_ice(tmp_path: Path, driver: str) -> None:
    assert not ours(written(tmp_path, driver, [], geometry_type="Polygon")).any()


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


# GeoJSON


def collection(*shapes: Any, crs: object = "urn:ogc:def:crs:EPSG::32622") -> bytes:
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in shapes]
    named = {"type": "name", "properties": {"name": crs}} if isinstance(crs, str) else crs
    return json.dumps({"type": "FeatureCollection", "crs": named, "features": features}).encode()


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:32622", "epsg:32622", "urn:ogc:def:crs:EPSG:9.8:32622", "urn:x-ogc:def:crs:EPSG:32622",
        "http://www.opengis.net/def/crs/EPSG/0/32622", {"type": "EPSG", "properties": {"code": 32622}},
    ],
)  # fmt: skip
def test_the_old_member_crs_is_honoured(crs: object) -> None:
    assert (ours(collection(*glacier(), crs=crs)) == ours(collection(*glacier()))).all()
    assert ours(collection(*glacier(), crs=crs)).any()


@pytest.mark.parametrize("crs", [None, "urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326"])
def test_degrees_are_longitude_then_latitude(crs: object) -> None:
    assert (ours(collection(*moved(glacier(), 4326), crs=crs)) == ours(collection(*glacier()))).mean() > 0.999


@pytest.mark.parametrize("crs", ["EPSG:99", "somewhere", "", {"type": "link", "properties": {"href": "http://x"}}, 7])
def test_a_crs_that_is_not_known_is_refused(crs: object) -> None:
    assert "states a coordinate system that is not known" in refusal(collection(*glacier(), crs=crs))


def test_a_mask_on_the_moon_is_refused() -> None:
    assert "is unreadable" in refusal(collection(*glacier(), crs="ESRI:104903"))


def test_a_feature_or_a_bare_geometry_is_a_mask_too() -> None:
    (shape,) = moved([glacier()[1]], 4326)
    geometry = shapely.geometry.mapping(shape)
    whole = ours(collection(shape, crs=None))
    assert whole.any()
    for document in (geometry, {"type": "Feature", "properties": None, "geometry": geometry}):
        assert (ours(b"\xef\xbb\xbf" + json.dumps(document).encode()) == whole).all()


def test_features_without_a_place_are_passed_over() -> None:
    data = collection(glacier()[1]).replace(b'"features": [', b'"features": [{"type": "Feature", "geometry": null}, ')
    assert ours(data).any()


def ring(text: str) -> bytes:
    return f'{{"type": "Polygon", "coordinates": [{text}]}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[1, 2]",
        b"null",
        b'{"type": "FeatureCollection"}',
        b'{"type": "FeatureCollection", "features": [3]}',
        b'{"type": "Polygon", "coordinates": 3}',
        b'{"type": "MultiPolygon", "coordinates": [3]}',
        ring("[[0, 0], [1, 0], [1, 1], [0, 1]]"),  # open
        ring("[[0, 0], [1, 0], [0, 0]]"),  # a line
        ring("[[0, 0], [1, 0], [1], [0, 0]]"),
        ring("[[0, 0], [1, NaN], [1, 1], [0, 0]]"),
        ring("[[0, 0], [1, Infinity], [1, 1], [0, 0]]"),
        ring("[[0, 0], [1, 1e999], [1, 1], [0, 0]]"),
        ring('[["0", "0"], ["1", "0"], ["1", "1"], ["0", "0"]]'),
        ring(f"[[0, 0], [1, {10**400}], [1, 1], [0, 0]]"),
        ring("[[null, 0], [1, 0], [1, 1], [null, 0]]"),
        ring("[]"),
        ring("7"),
        b"\xff\xfe\x00",
    ],
    ids=lambda data: data[:60].decode("latin-1"),
)
def test_geojson_that_is_malformed_is_refused(data: bytes) -> None:
    assert "is unreadable" in refusal(data)


def test_geojson_that_would_fill_the_memory_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson, "MOST_BYTES", 100)
    assert "bytes of GeoJSON; at most 100 are accepted" in refusal(collection(*glacier()))


# GeoPackage


def repackaged(folder: Path, change: Callable[[sqlite3.Connection], object]) -> bytes:
    """A GeoPackage of one feature after ``change``, free of the triggers that need GDAL's functions."""
    written(folder, "GPKG", [glacier()[1]])
    database = sqlite3.connect(folder / "mask.gpkg")
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
    change(database)
    database.commit()
    database.close()
    return (folder / "mask.gpkg").read_bytes()


def with_geometry(folder: Path, blob: object) -> bytes:
    return repackaged(folder, lambda database: database.execute("UPDATE mask SET geom = ?", (blob,)))


def head(flags: int = 1) -> bytes:
    return b"GP" + struct.pack("<BBi", 0, flags, 32622)


WKB = shapely.to_wkb(shapely.box(WEST, SOUTH, (WEST + EAST) / 2, NORTH))
HALF = np.repeat([[True] * 85 + [False] * 85], 130, axis=0)


@pytest.mark.parametrize("order", [0, 1])
def test_geometries_are_read_in_either_byte_order(tmp_path: Path, order: int) -> None:
    blob = head() + shapely.to_wkb(shapely.from_wkb(WKB), byte_order=order)
    assert (ours(with_geometry(tmp_path, blob)) == HALF).all()


@pytest.mark.parametrize(("kind", "flavor"), [("Z", "iso"), ("M", "iso"), ("ZM", "iso"), ("Z", "extended")])
def test_heights_and_measures_of_a_geopackage_are_passed_over(tmp_path: Path, kind: str, flavor: Any) -> None:
    corners = ", ".join(f"{x} {y}{' 7' * len(kind)}" for x, y in shapely.from_wkb(WKB).exterior.coords)
    blob = head() + shapely.to_wkb(shapely.from_wkt(f"POLYGON {kind} (({corners}))"), output_dimension=4, flavor=flavor)
    assert (ours(with_geometry(tmp_path, blob)) == HALF).all()


def test_an_envelope_that_lies_does_not_hide_the_ice(tmp_path: Path) -> None:
    elsewhere = struct.pack("<4d", 1, 2, 3, 4)
    assert (ours(with_geometry(tmp_path, head(0b011) + elsewhere + WKB)) == HALF).all()


@pytest.mark.parametrize("blob", [None, head(0b10001), head() + shapely.to_wkb(shapely.Polygon())])
def test_features_that_are_empty_are_passed_over(tmp_path: Path, blob: bytes | None) -> None:
    assert not ours(with_geometry(tmp_path, blob)).any()


def counts(*numbers: int) -> bytes:
    return b"\x01" + struct.pack(f"<{len(numbers)}I", *numbers)


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"GP",
        b"XX" + head()[2:] + WKB,
        head(0b1011) + WKB,  # an envelope of a kind that there is not
        head(0b0011) + WKB[:20],  # an envelope that is not there
        head() + b"\x07" + WKB[1:],
        head() + WKB[:-1],
        head() + WKB + b"\x00",
        head() + np.random.default_rng(3).bytes(500),
        head() + counts(3, 0xFFFFFFFF),  # rings
        head() + counts(3, 1, 0xFFFFFFFF),  # corners
        head() + counts(6, 0xFFFFFFFF),  # parts
        head() + counts(6, 1) * 300_000,  # parts in parts in parts: GEOS would end the process
        head() + counts(4003, 1),
        head() + WKB.replace(struct.pack("<d", WEST), struct.pack("<d", float("nan"))),
        7,
        "text",
    ],
    ids=range(17),
)
def test_a_geometry_that_is_malformed_is_refused(tmp_path: Path, blob: object) -> None:
    assert "is unreadable" in refusal(with_geometry(tmp_path, blob))


@pytest.mark.parametrize("blob", [head() + counts(7, 0), head() + counts(10, 0), head(0x21) + b"ABCD"])
def test_collections_curves_and_extensions_are_other_shapes(tmp_path: Path, blob: bytes) -> None:
    assert "holds other shapes than polygons" in refusal(with_geometry(tmp_path, blob))


def test_a_geopackage_left_in_write_ahead_mode_is_read(tmp_path: Path) -> None:
    data = written(tmp_path, "GPKG", [glacier()[1]])
    assert (ours(data[:18] + b"\x02\x02" + data[20:]) == ours(data)).all()
    assert ours(data).any()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS geom FROM n"


@pytest.mark.parametrize(
    "view",
    [
        ENDLESS,
        "SELECT load_extension('x') AS geom FROM old",
        "SELECT zeroblob(100000000) AS geom FROM old",
        "SELECT a.geom FROM many a, many b, many c WHERE a.geom + b.geom + c.geom < 0",
    ],
)
def test_a_layer_that_computes_is_refused(tmp_path: Path, view: str) -> None:
    def change(database: sqlite3.Connection) -> None:
        database.execute("ALTER TABLE mask RENAME TO old")
        database.execute("CREATE TABLE many (geom)")
        database.executemany("INSERT INTO many VALUES (?)", [(1,)] * 3000)
        database.execute(f"CREATE VIEW mask AS {view}")

    assert "is unreadable" in refusal(repackaged(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE gpkg_contents", "is unreadable"),
        ("UPDATE gpkg_contents SET data_type = 'attributes'", "it has no layer with features"),
        ("UPDATE gpkg_geometry_columns SET column_name = 'x\" FROM mask --'", "is unreadable"),
        ("UPDATE gpkg_geometry_columns SET srs_id = -1", "has no coordinate system"),
        ("UPDATE gpkg_geometry_columns SET srs_id = 12345", "has no coordinate system"),
        ("UPDATE gpkg_spatial_ref_sys SET organization_coordsys_id = 99", "that is not known ('EPSG:99')"),
        ("UPDATE gpkg_spatial_ref_sys SET organization = 'own', definition = 'PROJCS[[['", "that is not known"),
    ],
)
def test_a_table_of_contents_that_is_wrong_is_refused(tmp_path: Path, change: str, said: str) -> None:
    def made(database: sqlite3.Connection) -> None:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute(change)

    assert said in refusal(repackaged(tmp_path, made))


def test_a_coordinate_system_of_ones_own_is_read_from_its_definition(tmp_path: Path) -> None:
    change = "UPDATE gpkg_spatial_ref_sys SET organization = 'own', organization_coordsys_id = 1 WHERE srs_id = 32622"
    mask = ours(repackaged(tmp_path, lambda database: database.execute(change)))
    assert mask.any()
    assert (mask == ours(collection(glacier()[1]))).all()


def test_several_layers_are_refused_by_name(tmp_path: Path) -> None:
    written(tmp_path, "GPKG", [glacier()[1]], layer="ice")
    data = written(tmp_path, "GPKG", [glacier()[0]], layer="rock", append=True)
    assert "has several layers (ice, rock, ...); expected one" in refusal(data)


# Shapefile


@pytest.fixture
def shapefile(tmp_path: Path) -> dict[str, bytes]:
    return unzipped(written(tmp_path, "ESRI Shapefile", [glacier()[1]]))


def test_a_shapefile_needs_only_shp_and_prj(shapefile: dict[str, bytes]) -> None:
    bare = zipped({f"deep/MASK{name[4:].upper()}": shapefile[name] for name in ("mask.shp", "mask.prj")})
    assert (ours(bare) == ours(zipped(shapefile))).all()
    assert ours(bare).any()


def test_the_shadows_that_macos_zips_are_passed_over(shapefile: dict[str, bytes]) -> None:
    shadows = {f"__MACOSX/._{name}": b"\x00\x05\x16\x07" for name in shapefile}
    assert ours(zipped(shadows | shapefile)).any()


@pytest.mark.parametrize("name", ["../mask.shp", "/mask.shp", "a/../../mask.prj", "..\\mask.shp"])
def test_a_zip_with_names_that_climb_is_refused(shapefile: dict[str, bytes], name: str) -> None:
    assert "is no path inside it" in refusal(zipped(shapefile | {name: b"x"}))


@pytest.mark.parametrize(
    ("prj", "said"),
    [
        (b"", "has no coordinate system"),
        (b"PROJCS[", "that is not known ('PROJCS[')"),
        (b"EPSG:32622", "that is not known"),
        (b"x" * 70_000, "has 70000 bytes of .prj in its zip"),
        (b'LOCAL_CS["here",UNIT["metre",1]]', "has no coordinate system"),
    ],
)
def test_a_projection_that_says_nothing_is_refused(shapefile: dict[str, bytes], prj: bytes, said: str) -> None:
    assert said in refusal(zipped(shapefile | {"mask.prj": prj}))


def test_a_zip_without_one_shapefile_is_refused(shapefile: dict[str, bytes]) -> None:
    assert "there is no .shp in the zip" in refusal(zipped({"readme.txt": b""}))
    assert "is no path inside it" in refusal(zipped({"Xreadme": b""}).replace(b"Xreadme", b"\0readme"))
    assert "has several layers (mask.shp, other.shp, ...)" in refusal(zipped(shapefile | {"other.shp": b""}))
    assert "its zip has 5001 files" in refusal(zipped({f"{number}.txt": b"" for number in range(5001)}))


def test_a_zip_bomb_is_refused_unopened() -> None:
    data = bytearray(zipped({"mask.prj": b'GEOGCS["x"]', "mask.shp": b"0" * 1000}))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 3 * 1024**3)  # what the directory says
    assert "states a coordinate system that is not known" in refusal(bytes(data))
    prj = b'GEOGCS["x",DATUM["WGS_1984",SPHEROID["x",6378137,298.25]],PRIMEM["x",0],UNIT["Degree",0.0174532925]]'
    data = bytearray(zipped({"mask.prj": prj, "mask.shp": b"0" * 1000}))
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 3 * 1024**3)
    assert "has 3221225472 bytes of .shp in its zip; at most 536870912 are accepted" in refusal(bytes(data))


def patched(data: bytes, at: int, form: str, *numbers: int) -> bytes:
    broken = bytearray(data)
    struct.pack_into(form, broken, at, *numbers)
    return bytes(broken)


@pytest.mark.parametrize(
    ("at", "form", "number"),
    [
        (0, ">i", 1),  # the file's own number
        (104, ">i", -4),  # words of the first record: one that leads back to itself
        (104, ">i", 2**31 - 1),
        (104, ">i", 0),
        (144, "<i", -1),  # parts
        (144, "<i", 2**31 - 1),
        (148, "<i", -1),  # corners
        (148, "<i", 2**31 - 1),
        (152, "<i", 3),  # where the first part begins
        (156, "<i", 0),  # where the second begins
        (156, "<i", 10**6),
        (156, "<i", 2),  # a part of two corners
        (160, "<d", float("nan")),
    ],
)
def test_a_shp_whose_counts_lie_is_refused(shapefile: dict[str, bytes], at: int, form: str, number: int) -> None:
    broken = patched(shapefile["mask.shp"], at, form, number)
    assert "is unreadable" in refusal(zipped(shapefile | {"mask.shp": broken}))


@needs_shared
def test_the_greenland_outline_is_the_same_as_gdal_reads_it() -> None:
    path = SHARED / "data/icemask/GRE_IceSheet_IMBIE2_v1.shp"
    margin = Grid(32622, 500000, 7500000, 60, 1000, 1000)
    mask = IceMaskFile.read(path).on(margin)
    around = transform_bounds("EPSG:32622", "EPSG:4326", *margin.bounds, densify_pts=21)
    meta, _, geometries, _ = pyogrio.raw.read(path, columns=[], bbox=around)
    assert CRS.from_user_input(meta["crs"]) == CRS.from_epsg(4326)
    near = shapely.clip_by_rect(shapely.make_valid(shapely.from_wkb(geometries)), *around)
    shapes = shapely.transform(near, lambda points: np.column_stack(places("EPSG:4326", "EPSG:32622", *points.T)))
    burnt = rasterize(shapes, out_shape=margin.shape, transform=Affine(*margin.transform), dtype="uint8")
    assert 0.05 < mask.mean() < 0.95
    assert (mask == burnt.astype(bool)).all()
