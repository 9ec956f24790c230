"""export writes cubes after the CF conventions, exact and lazily, and the tables of a season."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from typer.testing import CliRunner

from local import __main__ as command_line
from local.export_cube import BLOCK, cube
from local.export_files import Format, write
from local.export_source import Season, in_folder
from shared.errors import BadProduct, IceWatchError
from shared.models import BlobPath, ProductName, State
from shared.records import Record
from shared.science.classes import Quality, SurfaceClass
from shared.settings import STORAGE
from shared.wiring import services
from tests.seasons import CLOUDED, COLUMNS, ROWS, name_of, write_results, write_seasons
from tests.small_l2a import Scene

SEASON = Season.parse("22WEV", 2024)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_seasons(tmp_path_factory.mktemp("results"), (2024,))


@pytest.fixture
def export(tmp_path: Path, results: Path) -> Callable[..., Path]:
    """Runs the command on the folder of results; gives the one cube it wrote."""

    def run(*arguments: str) -> Path:
        out = tmp_path / "out"
        asked = ["export", "--tile", "22WEV", "--season", "2024", "--results", str(results), "--out", str(out)]
        done = CliRunner().invoke(command_line.app, [*asked, *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        (found,) = out.iterdir()
        return found

    return run


def stored(results: Path, layer: str, day: str) -> np.ndarray:
    (file,) = results.rglob(f"T22WEV_2024{day}T151809_{layer}_60m.tif")
    with rasterio.open(file) as dataset:
        return dataset.read(1)


def raw(file: Path) -> xr.Dataset:
    engine = "zarr" if file.suffix == ".zarr" else "netcdf4"
    return xr.open_dataset(file, engine=engine, mask_and_scale=False, decode_coords="all").load()


@pytest.mark.parametrize("form", ["netcdf", "zarr"])
def test_a_cube_holds_the_very_numbers_of_the_result_files(export, results: Path, form: str):
    with raw(export("--format", form)) as found:
        assert dict(found.sizes) == {"time": 3, "y": ROWS, "x": COLUMNS}
        for layer in ("CLASS", "ALBEDO", "ALGAE", "CONFIDENCE", "QUALITY"):
            for number, day in enumerate(("0611", "0621", "0711")):
                np.testing.assert_array_equal(found[layer][number].values, stored(results, layer, day))
        assert str(found.time.values[1])[:19] == "2024-06-21T15:18:09"
        assert str(found.product.values[0]) == str(name_of(2024, "0611"))


def test_a_cube_of_some_layers_holds_those_alone_and_points_to_no_other(export, results: Path):
    with raw(export("--layer", "albedo", "--layer", "CLASS", "--fill")) as found:
        assert set(found.data_vars) == {"ALBEDO", "CLASS", "FILLED"}
        assert "ancillary_variables" not in found.ALBEDO.attrs
        np.testing.assert_array_equal(found.ALBEDO[0].values, stored(results, "ALBEDO", "0611"))


def test_values_come_scaled_and_located(export, results: Path):
    with xr.open_dataset(export(), decode_coords="all") as found, rasterio.open(next(results.rglob("*ALBEDO*"))) as one:
        first = stored(results, "ALBEDO", "0611")
        scaled = np.where(first == -32768, np.nan, first * 1e-4)
        np.testing.assert_allclose(found.ALBEDO[0].values, scaled, atol=1e-6)
        assert np.isnan(found.ALBEDO[1, CLOUDED]).all()
        assert found.rio.crs == one.crs
        assert (float(found.x[0]), float(found.y[0])) == one.xy(0, 0)
        assert found.ALBEDO.attrs["units"] == "1"


def test_codes_carry_their_meanings(export):
    with raw(export()) as found:
        classes = dict(zip(found.CLASS.flag_values.tolist(), found.CLASS.flag_meanings.split(), strict=True))
        assert classes == {c.value: c.name.lower() for c in SurfaceClass}
        quality = dict(zip(found.QUALITY.flag_values.tolist(), found.QUALITY.flag_meanings.split(), strict=True))
        assert quality == {q.value: q.name.lower() for q in Quality}


def test_the_cf_checker_finds_no_error(export):
    program = Path(sys.executable).with_name("compliance-checker")
    told = subprocess.run(
        [program, "--test=cf:1.11", "--format=json", "--output=-", export("--fill")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = json.loads(told.stdout[told.stdout.index("{") :])["cf:1.11"]
    assert report["high_priorities"]
    errors = [(check["name"], check["msgs"]) for check in report["high_priorities"] if check["msgs"]]
    assert errors == []


def test_filling_marks_what_it_filled_and_leaves_what_was_observed(export, results: Path):
    with raw(export("--fill")) as found:
        clouded = np.zeros((ROWS, COLUMNS), bool)
        clouded[CLOUDED] = True
        before, after = (stored(results, "ALBEDO", day).astype(float) for day in ("0611", "0711"))
        full = clouded & (before != -32768) & (after != -32768)
        np.testing.assert_array_equal(found.FILLED[1].values, np.where(full, 3, 0))
        assert not found.FILLED[0].values.any()
        line = before + (after - before) / 3  # 10 of 30 days
        assert np.abs(found.ALBEDO[1].values[full] - line[full]).max() <= 0.5
        nearest = stored(results, "CLASS", "0611")
        np.testing.assert_array_equal(found.CLASS[1].values[full], nearest[full])
        np.testing.assert_array_equal(found.CLASS[1].values[~clouded], stored(results, "CLASS", "0621")[~clouded])
        np.testing.assert_array_equal(found.QUALITY[1].values, stored(results, "QUALITY", "0621"))


def test_nothing_is_read_before_it_is_written_and_blocks_are_bounded(results: Path):
    for name, layer in cube(in_folder(results, SEASON), SEASON, fill=True).data_vars.items():
        assert name == "crs" or max(layer.chunksizes["x"] + layer.chunksizes["y"]) <= BLOCK


def test_the_halves_of_a_split_granule_are_one_date_and_the_newer_goes_first(tmp_path: Path):
    first = name_of(2024, "0611")
    second = ProductName.parse(str(first).removesuffix("184612") + "184613")
    scene = Scene.of_classes(ROWS, COLUMNS)
    write_results(tmp_path, first, scene.with_scl(0, slice(30, ROWS)))
    write_results(tmp_path, second, scene.with_scl(0, slice(0, 10)))
    found = cube(in_folder(tmp_path, SEASON), SEASON, fill=False).load()
    assert found.sizes["time"] == 1
    assert not (found.QUALITY == Quality.NODATA).any()
    assert found.CLASS.dtype == np.uint8
    assert list(found.product.values) == [f"{second} {first}"]


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize(("hidden", "by", "of"), [(0, 0, 1), (20, 9, 1), (10, 0, 2)])
def test_a_cube_names_the_processings_that_its_data_are_of(tmp_path: Path, form: Format, hidden: int, by: int, of: int):
    """The newer alone, also where half of it is cloud; both where the newer lacks data that the older has."""
    older = name_of(2024, "0611")
    newer = ProductName.parse(str(older).removesuffix("184612") + "194612")
    alone = name_of(2024, "0621")
    scene = Scene.of_classes(ROWS, COLUMNS)
    write_results(tmp_path, alone, scene)
    write_results(tmp_path, older, scene)
    write_results(tmp_path, newer, scene.with_scl(by, slice(0, hidden)) if hidden else scene)
    # in the order of names, which is that of the ledger and of folders, and the other way round
    for number, order in enumerate((1, -1)):
        found = cube(in_folder(tmp_path, SEASON)[::order], SEASON, fill=False)
        file = tmp_path / f"cube{number}{form.ending}"
        write(found, file, form, progress=lambda _done, _total: None)
        with raw(file) as written:
            assert list(written.product.values) == [" ".join(map(str, (newer, older)[:of])), str(alone)]
            assert not (written.QUALITY[0].values == Quality.NODATA).any()


def test_damaged_pixels_of_one_of_several_processings_are_one_sentence(tmp_path: Path):
    older = name_of(2024, "0611")
    newer = ProductName.parse(str(older).removesuffix("184612") + "194612")
    for product in (older, newer):
        file = next(write_results(tmp_path, product, Scene.of_classes(ROWS, COLUMNS)).glob("*QUALITY*"))
    data = file.read_bytes()
    file.write_bytes(data[:-500] + bytes(500))
    with pytest.raises(BadProduct, match="A result file is damaged"):
        cube(in_folder(tmp_path, SEASON), SEASON, fill=False)


def test_a_damaged_layer_is_named(tmp_path: Path, results: Path):
    shutil.copytree(results, tmp_path / "results")
    next((tmp_path / "results").rglob("*20240621*ALBEDO*")).unlink()
    with pytest.raises(BadProduct, match=r"The results of S2B_MSIL2A_20240621\w+ cannot be read"):
        cube(in_folder(tmp_path / "results", SEASON), SEASON, fill=False)


def test_damaged_pixels_leave_no_half_a_cube(tmp_path: Path, results: Path):
    shutil.copytree(results, tmp_path / "results")
    file = next((tmp_path / "results").rglob("*20240621*ALBEDO*"))
    data = file.read_bytes()
    file.write_bytes(data[: len(data) - 500] + bytes(500))
    broken = cube(in_folder(tmp_path / "results", SEASON), SEASON, fill=False)
    with pytest.raises(BadProduct, match="A result file is damaged"):
        write(broken, tmp_path / "cube.nc", Format.NETCDF, progress=lambda _done, _total: None)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tile", "nowhere"], "'nowhere' is no Sentinel-2 tile"),
        (["--season", "1999"], "is no month of Sentinel-2"),
        (["--season", "2019"], "no results of 22WEV in the season 2019; there are results of 22WEV 2024"),
        (["--tile", "22WEA"], "no results of 22WEA in the season 2024"),
        (["--format", "excel"], "The format is 'excel'; expected netcdf or zarr"),
        (["--layer", "depth"], "There is no layer 'depth'; expected one of CLASS, ALBEDO"),
        (["--results", "/nonexistent/folder"], "There is no folder /nonexistent/folder"),
    ],
)
def test_bad_input_is_one_sentence(export, tmp_path: Path, arguments: list[str], sentence: str):
    with pytest.raises(IceWatchError, match=sentence):
        export(*arguments)
    assert not list(tmp_path.glob("out/*"))


def test_a_cube_is_replaced_only_when_asked_for(export):
    first = export()
    with pytest.raises(IceWatchError, match="exists already; give --overwrite"):
        export()
    assert export("--overwrite") == first


def test_a_southern_season_begins_in_july():
    season = Season.parse("19FDU", 2023)
    assert (str(season), season.holds(datetime(2024, 1, 5, tzinfo=UTC))) == ("2023/24", True)
    assert not season.holds(datetime(2023, 6, 30, 23, tzinfo=UTC))
    assert str(SEASON) == "2024"


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as source:
        return list(csv.DictReader(source))


def test_the_store_gives_cube_and_tables(azurite: str, results: Path, tmp_path: Path, monkeypatch):
    """What has maps by the ledger is in the cube, also where a new try failed; other results there are not."""
    monkeypatch.setenv(STORAGE, azurite)
    outside = services()
    for file in sorted(results.rglob("*.*")):
        if file.is_file():
            outside.store.upload(BlobPath.parse(file.relative_to(results).as_posix()), file)
    days = {"0611": State.FAILED, "0621": State.REJECTED, "0711": State.CORRECTED, "0801": State.FAILED}
    days |= {(gone := "0805"): State.FAILED}  # of which the row still claims maps
    for day, state in days.items():
        has_maps = day in {"0611", "0711", gone}
        l2a = name_of(2024, day)
        outside.ledger.add(
            Record(
                "22WEV",
                str(l2a).replace("MSIL2A", "MSIL1C").replace("N9999", "N0510"),
                state,
                reason="" if state is State.CLASSIFIED else 'Too cloudy, "really"',
                l2a=str(l2a),
                results=f"surface/22WEV/2024/{day[:2]}/{l2a.safe}" if has_maps else "",
                times={"sensing": l2a.sensing, "stage": l2a.sensing},
                class_percent={"SN": 12.5},
                albedo_mean=0.41,
            )
        )
    asked = ["export", "--tile", "T22WEV", "--season", "2024", "--out", str(tmp_path)]
    done = CliRunner().invoke(command_line.app, asked, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    tables = ("good_tiles", "rejected_by_qc", "aborted_downloads")
    names = {f"{table}_22WEV_2024.csv" for table in tables} | {"icewatch_22WEV_2024.nc"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with xr.open_dataset(tmp_path / "icewatch_22WEV_2024.nc") as found:
        assert [str(time)[:10] for time in found.time.values] == ["2024-06-11", "2024-07-11"]
    good = rows(tmp_path / "good_tiles_22WEV_2024.csv")
    assert [(row["date"], row["SN_percent"], row["albedo_mean"]) for row in good] == [
        ("2024-06-11", "12.5", "0.41"),
        ("2024-07-11", "12.5", "0.41"),
        ("2024-08-05", "12.5", "0.41"),  # its numbers are known; the cube goes without it
    ]
    assert [row["reason"] for row in rows(tmp_path / "rejected_by_qc_22WEV_2024.csv")] == ['Too cloudy, "really"']
    (aborted,) = rows(tmp_path / "aborted_downloads_22WEV_2024.csv")
    assert (aborted["date"], aborted["step"]) == ("2024-08-01", "stage")
