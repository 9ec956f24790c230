from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from local.classify_command import classify, run
from shared.cloud import CloudRule
from shared.pipeline.surface_results import file_names
from tests.conftest import SHARED, needs_shared
from tests.orthomosaics import geotiff
from tests.orthomosaics import scene as orthomosaic_scene
from tests.small_l2a import PRODUCT, Scene, l2a_files_of, named


def unpacked(parent: Path, scene: Scene) -> Path:
    folder = parent / PRODUCT.safe
    for name, data in l2a_files_of(scene).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of_classes(80, 84)


@pytest.fixture
def safe(tmp_path: Path, scene: Scene) -> Path:
    return unpacked(tmp_path, scene)


def test_a_folder_becomes_results_and_a_table(safe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(safe, tmp_path / "out", resolution=60) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(file_names(PRODUCT, 60))
    printed = capsys.readouterr().out
    assert "Heavy algae (HA)" in printed
    assert "usable 100.0 % of the tile" in printed


def test_the_same_folder_may_be_written_again_and_leftovers_go(safe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(safe, out, resolution=60) == 0
    manifest = json.loads((out / "manifest.json").read_bytes())
    manifest["files"].append({"name": "left.tif"})
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "left.tif").write_bytes(b"old")
    (out / "mine.txt").write_bytes(b"not ours")
    assert run(safe, out, resolution=60) == 0
    assert {path.name for path in out.iterdir()} == {*file_names(PRODUCT, 60), "mine.txt"}


def test_a_folder_with_another_products_results_is_refused(
    safe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_text('{"product": "other", "files": []}')
    assert run(safe, tmp_path / "out", resolution=60) == 2
    assert "holds the results of other; choose another folder." in capsys.readouterr().err


def test_a_missing_band_ends_with_3_and_its_name(
    safe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [path.relative_to(safe).as_posix() for path in safe.rglob("*.jp2")]
    (safe / named(dict.fromkeys(files, b""), "_B06_")).unlink()
    assert run(safe, tmp_path / "out", resolution=60) == 3
    assert f"{PRODUCT} is incomplete at 60 m: B06 missing.\n" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_rejected_product_ends_with_3_and_the_number(
    tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    safe = unpacked(tmp_path, scene.with_cloud(90, slice(0, 60)))
    assert run(safe, tmp_path / "out", resolution=60) == 3
    assert "is rejected. Only 25.0 % of the tile is usable" in capsys.readouterr().err


def test_the_cloud_rule_can_be_chosen(tmp_path: Path, scene: Scene) -> None:
    safe = unpacked(tmp_path, scene.with_cloud(90, slice(0, 60)))  # by the probability only
    assert run(safe, tmp_path / "out", resolution=60, cloud_rule=CloudRule.BOTH) == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert (summary["options"]["cloud_rule"], summary["usable_percent"]) == ("both", 100)


def test_a_map_that_is_all_but_empty_says_so(tmp_path: Path, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    rock = {band: np.full(scene.shape, value[0, -1]) for band, value in scene.reflectance.items()}
    safe = unpacked(tmp_path, replace(scene, reflectance=rock))
    assert run(safe, tmp_path / "out", resolution=60) == 0
    assert "Next to nothing is ice: 0.00 % of the tile has a class" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"resolution": 10}, "The resolution is 10 m; expected 20 or 60."),
        ({"cloud_probability": 200}, "The cloud probability is 200 %; expected 0 to 100."),
        ({"min_usable": -5.0}, "The minimum usable share is -5 %; expected 0 to 100."),
        ({"model": Path("nowhere")}, "nowhere is no model folder"),
        ({"ice_mask": Path("nowhere.gpkg")}, "The ice mask nowhere.gpkg cannot be read"),
    ],
)
def test_bad_arguments_end_with_2_and_one_sentence(
    safe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: dict[str, int | Path], sentence: str
) -> None:
    assert run(safe, tmp_path / "out", **arguments) == 2  # type: ignore[arg-type]
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_an_unreadable_ice_mask_ends_with_2(safe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = tmp_path / "mask.geojson"
    mask.write_text("{]")
    assert run(safe, tmp_path / "out", resolution=60, ice_mask=mask) == 2
    assert "The ice mask mask.geojson is unreadable" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["missing", "plain folder", "zip", "L1C"])
def test_what_is_no_l2a_folder_is_refused_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    path = tmp_path / "x"
    if what == "plain folder":
        path.mkdir()
    elif what == "zip":
        path.write_bytes(b"PK")
    elif what == "L1C":
        path = tmp_path / PRODUCT.safe.replace("L2A", "L1C")
        path.mkdir()
        (path / "manifest.safe").write_bytes(b"")
    assert run(path, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "expected" in error or "takes L2A" in error


def test_the_typer_command_passes_its_options_on(safe: Path, tmp_path: Path) -> None:
    app = Typer()
    app.command()(classify)
    out = tmp_path / "out"
    good = CliRunner().invoke(app, [str(safe), "--out", str(out), "--resolution", "60", "--min-usable", "10"])
    assert good.exit_code == 0
    assert json.loads((out / "summary.json").read_bytes())["options"]["minimum_usable"] == 10
    assert CliRunner().invoke(app, [str(safe), "--out", str(out), "--resolution", "7"]).exit_code == 2
    assert CliRunner().invoke(app, [str(safe)]).exit_code == 2


@needs_shared
@pytest.mark.slow
def test_the_real_product_ends_with_0_at_60_m_and_with_3_at_20_m(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (safe,) = (SHARED / "data/safe").glob("S2A_MSIL2A_20221005T115411_*.SAFE")
    assert run(safe, tmp_path / "out", resolution=60, min_usable=0) == 0
    assert (tmp_path / "out" / "manifest.json").is_file()
    capsys.readouterr()
    assert run(safe, tmp_path / "other") == 3
    assert "B02, B03, B04, B05, B06, B07, B8A, B11, B12 missing." in capsys.readouterr().err


def test_an_orthomosaic_becomes_results_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ortho.tif").write_bytes(geotiff(orthomosaic_scene()[0]))
    assert run(tmp_path / "ortho.tif", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "Heavy algae (HA)" in printed
    assert "usable 100.0 % of the rectangle" in printed
    assert json.loads((tmp_path / "out" / "manifest.json").read_bytes())["product"] == "ortho"


@pytest.mark.parametrize(
    ("name", "body", "code", "sentence"),
    [
        ("or tho.tif", b"x", 2, "'or tho.tif' cannot name an orthomosaic's results"),
        ("missing.tif", None, 3, "cannot be read: No such file or directory."),
        ("ortho.tif", b"x", 3, "ortho is no readable GeoTIFF"),
    ],
)
def test_what_is_no_orthomosaic_ends_with_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, body: bytes | None, code: int, sentence: str
) -> None:
    if body is not None:
        (tmp_path / name).write_bytes(body)
    assert run(tmp_path / name, tmp_path / "out") == code
    error = capsys.readouterr().err
    assert sentence in error
    assert error.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_what_is_to_be_known_of_an_orthomosaic_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bands, _ = orthomosaic_scene()
    file = tmp_path / "wide.tif"
    file.write_bytes(geotiff(bands, crs="EPSG:3857", transform=(900, 0, -5.5e6, 0, -900, 1.02e7)))
    assert run(file, tmp_path / "out") == 0
    assert "areas are counted with the mean" in " ".join(capsys.readouterr().out.split())
