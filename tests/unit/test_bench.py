from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from typer import Typer
from typer.testing import CliRunner

from benchmarks.classify import DECODING, Target, median, targets
from benchmarks.classify_ways import Case, Cost
from local import bench_command
from local.bench_command import Measured, bench
from local.bench_scene import ScatteredIce, WesternIce, bench_scene
from local.scenes.spec import FULL_SIZE
from shared.adapters.folders import FolderMembers
from shared.safe import ICE_BANDS, l2a_files
from shared.science.windows import Grid


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bench")
    bench_scene(made, 150)
    return made


def test_the_scene_has_the_eleven_images_in_tiles_as_sentinel_2_has_them(folder: Path) -> None:
    safe = bench_scene(folder, 150)
    files = l2a_files(FolderMembers(safe).names(), 20, safe.name)
    images = [*files.bands.values(), files.scl, files.cloud_probability]
    assert set(files.bands) == set(ICE_BANDS)
    assert len(images) == 11
    for image in images:
        with rasterio.open(safe / image) as dataset:
            assert (dataset.driver, dataset.shape) == ("JP2OpenJPEG", (150, 150))


def test_the_scene_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it is there already")

    monkeypatch.setattr("local.bench_scene.build_scene", never)
    assert bench_scene(folder, 150) == bench_scene(folder, 150)
    assert [path.name for path in folder.iterdir()] == ["scene-150"]


def test_bench_says_what_a_tile_costs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_command, "SMALL", 150)
    app = Typer()
    app.command()(bench)
    result = CliRunner().invoke(app, ["--folder", str(folder), "--price", "0.5", "--threads", "2"])
    assert result.exit_code == 0, result.output
    for line in ("machine", "cores", "memory", "million pixels per second", "a full tile", "at 0.5 an hour"):
        assert line in result.output


def test_a_tile_costs_its_share_of_an_hour() -> None:
    measured = Measured(pixels=FULL_SIZE**2 // 10, seconds=3.0)
    assert measured.tile_seconds == pytest.approx(30)
    assert measured.tile_price(1.2) == pytest.approx(0.01)


@pytest.mark.parametrize("way", ["classify", "80 % masked", "80 % masked, scattered", "rejected", *DECODING])
def test_every_way_runs_in_a_process_of_its_own(folder: Path, way: str) -> None:
    cost = Case(way, bench_scene(folder, 150), threads=2).measure()
    assert cost.seconds > 0
    assert cost.cpu > 0
    assert cost.peak > 10


def test_a_way_that_dies_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended without a result"):
        Case("rejected", tmp_path / "none.SAFE", threads=1).measure()


def costs(**seconds: float) -> dict[str, Cost]:
    usual = {"decode, tiles": 10.0, "decode, GDAL": 12.0, "classify": 14.0, "80 % masked": 4.0, "rejected": 1.0}
    return {way: Cost(taken, taken, 800.0) for way, taken in (usual | {"whole scene": 40.0} | seconds).items()}


def test_targets_compare_with_the_faster_way_of_decoding() -> None:
    kept = {one.what: one for one in targets(costs())}
    assert kept["b : a, seconds"].ratio == pytest.approx(1.4)
    assert kept["c : b, seconds"].ratio == pytest.approx(40 / 14)
    assert kept["peak of b, GB"].ratio == pytest.approx(0.8)
    assert all(one.met for one in kept.values())


@pytest.mark.parametrize(
    ("slow", "missed"),
    [
        ("classify", "b : a, seconds"),
        ("80 % masked", "80 % masked : a, seconds"),
        ("rejected", "rejected : a, seconds"),
    ],
)
def test_a_target_that_is_missed_is_known(slow: str, missed: str) -> None:
    assert missed in {one.what for one in targets(costs(**{slow: 15.5})) if not one.met}


def test_a_ratio_that_should_be_large_is_missed_when_small() -> None:
    assert Target("c : b", 2.4, 2.5, at_least=True).met is False
    assert Target("c : b", 2.6, 2.5, at_least=True).met is True


def test_rounds_become_medians_and_the_highest_peak() -> None:
    assert median([Cost(1, 2, 3), Cost(9, 8, 7), Cost(2, 4, 5)]) == Cost(2, 4, 7)


def test_the_western_ice_is_about_its_share_and_leaves_the_east_untouched() -> None:
    ice = WesternIce(0.2).on(Grid(32622, 0, 0, 20, 400, 400))
    assert ice.mean() == pytest.approx(0.2, abs=0.01)
    assert not ice[:, 110:].any()
    assert ice[-1].sum() > ice[0].sum()
    assert ice.dtype == np.bool_


def test_scattered_ice_is_about_its_share_and_leaves_no_block_without() -> None:
    ice = ScatteredIce(0.2).on(Grid(32622, 0, 0, 20, 5490, 5490))
    assert ice.mean() == pytest.approx(0.2, abs=0.01)
    for row in range(0, 5490, 640):
        for column in range(0, 5490, 640):
            assert ice[row : row + 640, column : column + 640].any()
