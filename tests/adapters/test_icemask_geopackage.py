"""Ice masks in GeoPackages: what SQLite and WKB may hold, and what is refused."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from tests.adapters.vector_masks import (
    EAST,
    NORTH,
    SOUTH,
    WEST,
    collection,
    glacier,
    ours,
    refusal,
    written,
)


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
    data = repackaged(tmp_path, lambda database: database.execute("INSERT INTO mask (geom) VALUES (?)", (blob,)))
    assert (ours(data) == ours(collection(glacier()[1]))).all()
    assert "holds no polygon" in refusal(with_geometry(tmp_path, blob))


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
