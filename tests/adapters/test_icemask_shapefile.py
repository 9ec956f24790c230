"""Ice masks in zipped Shapefiles: what is needed, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from shared.adapters.icemask import IceMaskFile
from tests.adapters.vector_masks import (
    GRID,
    glacier,
    ours,
    refusal,
    unzipped,
    written,
    zipped,
)


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


def test_a_shapefile_is_read_with_its_companions_whatever_its_name_holds(
    tmp_path: Path, shapefile: dict[str, bytes]
) -> None:
    for name, data in shapefile.items():
        (tmp_path / f"ice [1]*{name[4:]}").write_bytes(data)
        (tmp_path / f"ice 1{name[4:]}").write_bytes(b"another")  # what a pattern would find
    found = IceMaskFile.read(tmp_path / "ice [1]*.shp")
    assert (found.on(GRID) == ours(zipped(shapefile))).all()
    assert found.on(GRID).any()


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
