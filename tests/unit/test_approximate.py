"""The approximate correction: Sen2Cor's manners, a plausible surface, one sentence for everything that is wrong."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from container.approximate import correct, main
from container.approximate_clouds import Scl, Sky, scene_classes, sky
from container.approximate_folder import digest
from container.approximate_rasters import mean_of_blocks, strips
from local.scenes import Scene, SceneSpec, Swath, Truth, build_scene
from local.scenes.identity import identify
from local.scenes.landscape import Landscape
from local.scenes.render import render
from shared.errors import BadName, BadProduct, LongProductName
from shared.models import ProductName
from shared.safe import ICE_BANDS, l2a_files, parse_product_metadata, parse_tile_metadata
from tests.conftest import SHARED, needs_shared

NAME = ProductName.parse("S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500")
OLD = ProductName.parse("S2A_MSIL1C_20210702T150911_N0301_R025_T22WEV_20210702T171500")
SIZE = 420  # more than one strip of 384 rows, and no multiple of it
SPEC = SceneSpec(NAME, seed=11, size=SIZE, cloud=0.15, swath=Swath.EAST, west_share=0.2)


def unpacked(scene: Scene, folder: Path) -> Path:
    with zipfile.ZipFile(scene.zip) as archive:
        archive.extractall(folder)
    return folder / scene.spec.name.safe


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build_scene(SPEC, tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def l1c(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(scene, tmp_path_factory.mktemp("l1c"))


@pytest.fixture(scope="module")
def l2a(l1c: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("l2a")
    return correct(l1c, folder / "out", folder / "work", 20)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    return unpacked(build_scene(SceneSpec(NAME, seed=2, size=60), folder), folder)


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    """A small product that a test may damage."""
    return Path(shutil.copytree(small, tmp_path / "in" / small.name))


def names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def read(folder: Path, leaf: str) -> np.ndarray:
    (path,) = folder.glob(f"GRANULE/*/*/**/*{leaf}.jp2")
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1))


def truth_of(scene: Scene) -> np.ndarray:
    with rasterio.open(scene.truth) as dataset:
        return np.asarray(dataset.read(1))


# The product


@pytest.mark.parametrize("metres", [20, 60])
def test_the_output_is_a_whole_l2a_product_at_that_resolution(small: Path, tmp_path: Path, metres: int) -> None:
    folder = correct(small, tmp_path / "out", tmp_path / "work", metres)
    files = l2a_files(names(folder), metres, folder.name)
    product = ProductName.parse(folder.name)
    assert (product.level, product.baseline, product.sensing) == ("L2A", "9999", NAME.sensing)
    metadata = parse_product_metadata((folder / files.product_metadata).read_bytes(), "test")
    assert metadata.correction == "IceWatch approximate correction 1"
    assert (metadata.quantification, set(metadata.offsets.values())) == (10000, {-1000})
    tile = parse_tile_metadata((folder / files.tile_metadata).read_bytes(), "test")
    for path in (*files.bands.values(), files.scl, files.cloud_probability):
        with rasterio.open(folder / path) as dataset:
            assert dataset.shape == tile.shapes[metres] == (1200 // metres,) * 2
            assert dataset.transform[:6] == (metres, 0, 499980, 0, -metres, 7500000)
            assert dataset.crs.to_epsg() == 32622
    extra = {20: set(), 60: {"B01", "B09"}}[metres]
    layers = {path.name.split("_")[2] for path in folder.glob(f"GRANULE/*/IMG_DATA/R{metres}m/*.jp2")}
    assert layers == {*ICE_BANDS, *extra, "SCL", "AOT", "WVP"}


def test_the_manifest_lists_every_file_of_the_output(l2a: Path) -> None:
    text = (l2a / "manifest.safe").read_text()
    listed = dict(re.findall(r'href="\./([^"]+)".*?>([0-9a-f]{64})<', text, re.DOTALL))
    assert listed.keys() == set(names(l2a)) - {"manifest.safe"}
    assert all(digest(l2a / path, "SHA3-256") == value for path, value in listed.items())


def test_nothing_but_the_product_is_left_behind(l2a: Path) -> None:
    assert [path.name for path in l2a.parent.iterdir()] == [l2a.name]
    assert not list((l2a.parent.parent / "work").iterdir())


def test_the_surface_comes_back_to_within_the_haze_it_cannot_know(l2a: Path, scene: Scene) -> None:
    identity = identify(scene.spec)
    drawn = list(render(Landscape.of(scene.spec, identity.sun_zenith, identity.sun_azimuth)))
    scl = read(l2a, "_SCL_20m")
    clear = np.isin(scl, (Scl.SNOW, Scl.WATER, Scl.SOIL, Scl.VEGETATION)) & (read(l2a, "CLDPRB_20m") < 20)
    assert clear.mean() > 0.5
    for band in ICE_BANDS:
        surface = (read(l2a, f"_{band}_20m").astype(float) - 1000) / 10000
        error = surface[clear] - np.concatenate([strip.surface[band] for strip in drawn])[clear]
        assert np.median(np.abs(error)) < 0.006
        assert abs(error.mean()) < 0.005


def test_clouds_are_found_over_bright_ice_and_rarely_where_there_are_none(l2a: Path, scene: Scene) -> None:
    truth, probability, scl = truth_of(scene), read(l2a, "CLDPRB_20m"), read(l2a, "_SCL_20m")
    cloud, ground = truth == Truth.CLOUD, (truth != Truth.CLOUD) & (truth != Truth.NODATA)
    assert (probability[cloud] >= 20).mean() > 0.97
    assert (probability[ground] >= 20).mean() < 0.05
    assert np.isin(scl[cloud], (Scl.CLOUD_MEDIUM, Scl.CLOUD_HIGH, Scl.CIRRUS)).mean() > 0.9


def test_shadows_are_found_where_the_clouds_throw_them(l2a: Path, scene: Scene) -> None:
    identity = identify(scene.spec)
    landscape = Landscape.of(scene.spec, identity.sun_zenith, identity.sun_azimuth)
    rows = np.arange(SIZE)
    shaded = (landscape.shade(rows) > 0.5) & (landscape.cloud(rows) == 0) & landscape.has_data(rows)
    assert shaded.mean() > 0.01
    assert np.isin(read(l2a, "_SCL_20m")[shaded], (Scl.SHADOW, Scl.CLOUD_MEDIUM, Scl.CLOUD_HIGH)).mean() > 0.9


def test_ice_is_snow_or_water_and_rock_is_neither(l2a: Path, scene: Scene) -> None:
    truth, scl = truth_of(scene), read(l2a, "_SCL_20m")
    seen = (read(l2a, "CLDPRB_20m") < 20) & (scl != Scl.SHADOW) & (truth != Truth.NODATA)
    ice, rock = seen & (truth <= Truth.HEAVY_ALGAE), seen & (truth == Truth.ROCK)
    assert np.isin(scl[ice], (Scl.SNOW, Scl.WATER)).mean() > 0.98
    if rock.any():
        assert np.isin(scl[rock], (Scl.SOIL, Scl.VEGETATION)).mean() > 0.98


def test_nodata_stays_nodata_in_every_layer(l2a: Path, scene: Scene) -> None:
    empty = truth_of(scene) == Truth.NODATA
    assert empty.any()
    for layer in ("_SCL_20m", *(f"_{band}_20m" for band in ICE_BANDS), "_AOT_20m"):
        np.testing.assert_array_equal(read(l2a, layer) == 0, empty)
    assert not read(l2a, "CLDPRB_20m")[empty].any()


def test_a_product_without_offset_gives_the_same_surface_as_one_with_it(tmp_path: Path) -> None:
    results = []
    for name in (NAME, OLD):
        scene = build_scene(SceneSpec(name, seed=2, size=60), tmp_path)
        results.append(correct(unpacked(scene, tmp_path), tmp_path / name.baseline, tmp_path, 20))
    for band in ("B02", "B11"):
        np.testing.assert_array_equal(read(results[0], f"_{band}_20m"), read(results[1], f"_{band}_20m"))


def test_strips_do_not_show(l1c: Path, l2a: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("container.approximate", "container.approximate_input"):
        monkeypatch.setattr(f"{module}.STRIP_METRES", 600)
    again = correct(l1c, tmp_path / "out", tmp_path / "work", 20)
    for layer in ("_SCL_20m", "CLDPRB_20m", "_B02_20m", "_B12_20m"):
        np.testing.assert_array_equal(read(again, layer), read(l2a, layer))


def test_a_product_without_any_data_is_corrected_to_one_without_any_data(tmp_path: Path) -> None:
    spec = SceneSpec(NAME, seed=2, size=60, swath=Swath.WEST, west_share=0.0, cloud=0)
    folder = unpacked(build_scene(spec, tmp_path), tmp_path)
    done = correct(folder, tmp_path / "out", tmp_path / "work", 20)
    assert not read(done, "_SCL_20m").any()
    assert not read(done, "_B03_20m").any()


def test_a_saturated_pixel_is_marked(copy: Path, tmp_path: Path) -> None:
    (path,) = copy.glob("GRANULE/*/IMG_DATA/*_B05.jp2")
    rewrite(path, lambda pixels: np.where(np.indices(pixels.shape).sum(axis=0) == 0, 65535, pixels))
    scl = read(correct(copy, tmp_path / "out", tmp_path / "work", 20), "_SCL_20m")
    assert (scl[:3, :3] == Scl.SATURATED).all()
    assert not (scl[3:, 3:] == Scl.SATURATED).any()


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Replace the pixels of a JPEG 2000 file."""
    with rasterio.open(path) as dataset:
        pixels, profile = change(dataset.read(1)).astype(np.uint16), dataset.profile
    profile.update(height=pixels.shape[0], width=pixels.shape[1], driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES")
    path.unlink()
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(pixels, 1)


# The command line


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str]]:
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().out.splitlines()


def test_success_ends_with_exit_0_and_sen2cors_line(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, log = run(
        capsys, "--resolution", "60", "--output_dir", tmp_path / "out", "--work_dir", tmp_path / "work",
        "--GIP_L2A", tmp_path / "L2A_GIPP.xml", "--processing_centre", "XXXX", small,
    )  # fmt: skip
    assert code == 0
    assert log[-1] == "Progress[%]: 100.00 : Application terminated successfully."
    percents = [float(match[1]) for line in log if (match := re.match(r"Progress\[%\]: (\d+\.\d\d) : ", line))]
    assert len(percents) == len(log)
    assert percents == sorted(percents)
    assert len(list((tmp_path / "out").glob("S2A_MSIL2A_*.SAFE"))) == 1


def damage_missing_band(folder: Path) -> None:
    next(folder.glob("GRANULE/*/IMG_DATA/*_B8A.jp2")).unlink()


def damage_other_size(folder: Path) -> None:
    rewrite(next(folder.glob("GRANULE/*/IMG_DATA/*_B11.jp2")), lambda pixels: pixels[:30])


def damage_cut_short(folder: Path) -> None:
    path = next(folder.glob("GRANULE/*/IMG_DATA/*_B03.jp2"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def damage_code_stream(folder: Path) -> None:
    """A file whose boxes are whole and whose code stream ends too early."""
    path = next(folder.glob("GRANULE/*/IMG_DATA/*_B03.jp2"))
    content = bytearray(path.read_bytes())
    content = content[: len(content) * 2 // 3]
    box = content.index(b"jp2c") - 4
    content[box : box + 4] = (len(content) - box).to_bytes(4, "big")
    path.write_bytes(content)


def damage_no_jpeg(folder: Path) -> None:
    next(folder.glob("GRANULE/*/IMG_DATA/*_B04.jp2")).write_bytes(b"II*\0 a GeoTIFF under a wrong name")


def damage_product_metadata(folder: Path) -> None:
    (folder / "MTD_MSIL1C.xml").write_text("<cut")


def damage_tile_metadata(folder: Path) -> None:
    path = next(folder.glob("GRANULE/*/MTD_TL.xml"))
    path.write_text(path.read_text().replace("<NROWS>60</NROWS>", "<NROWS>61</NROWS>"))


def damage_sun(folder: Path) -> None:
    path = next(folder.glob("GRANULE/*/MTD_TL.xml"))
    path.write_text(re.sub(r'<ZENITH_ANGLE unit="deg">[0-9.]+<', '<ZENITH_ANGLE unit="deg">88.5<', path.read_text()))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (damage_missing_band, r"is incomplete: B8A missing"),
        (damage_other_size, r"Band B11 of .* has 30 x 60 pixels of uint16; its metadata says 60 x 60"),
        (damage_cut_short, r"Band B03 in T22WEV.*_B03\.jp2 is cut short"),
        (damage_code_stream, r"Band B03 in T22WEV.*_B03\.jp2 does not decode"),
        (damage_no_jpeg, r"Band B04 in .* is cut short or no JPEG 2000 file"),
        (damage_product_metadata, r"MTD_MSIL1C\.xml of .* is no readable XML"),
        (damage_tile_metadata, r"states sizes at 10, 20 and 60 m that do not cover the same area"),
        (damage_sun, r"The sun stands 88\.5 degrees from the zenith"),
    ],
)
def test_a_damaged_product_ends_with_exit_1_one_sentence_and_no_output(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], sentence: str
) -> None:
    damage(copy)
    code, log = run(capsys, "--output_dir", tmp_path / "out", "--work_dir", tmp_path / "work", copy)
    assert code == 1
    assert log[-1] == "Progress[%]: 100.00 : Application terminated with at least one error."
    assert re.search(sentence, log[-2]), log[-2]
    assert not [line for line in log if "Traceback" in line]
    left = [path for folder in ("out", "work") for path in (tmp_path / folder).glob("*")]
    assert left == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["--resolution", "10", "X.SAFE"], ["--colour", "X.SAFE"], ["nowhere.SAFE"], ["--resolution", "20", "."]],
)
def test_bad_usage_ends_with_exit_1_and_one_sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, log = run(capsys, *arguments)
    assert code == 1
    assert len(log) == 2
    assert log[-1].endswith("Application terminated with at least one error.")


def test_an_l2a_product_and_a_long_name_are_refused(tmp_path: Path) -> None:
    l2a = tmp_path / str(NAME.safe).replace("MSIL1C", "MSIL2A")
    long = tmp_path / "S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807.SAFE"
    for folder in (l2a, long):
        folder.mkdir()
    with pytest.raises(BadProduct, match="expected L1C"):
        correct(l2a, tmp_path, tmp_path, 20)
    with pytest.raises(LongProductName):
        correct(long, tmp_path, tmp_path, 20)
    with pytest.raises(BadName):
        correct(tmp_path, tmp_path, tmp_path, 20)


@needs_shared
@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("S2A_MSIL1C_20180629*.zip", "its metadata says 1830 x 1830"),
        ("S2A_MSIL1C_20201031*.zip", "its metadata says 1830 x 1830"),
        ("S2A_MSIL1C_20210713*.zip", "is cut short or no JPEG 2000 file"),
        ("S2B_MSIL1C_20170719*.zip", "its metadata says 1830 x 1830"),
    ],
)
def test_real_products_with_shrunk_pixels_are_refused_for_their_size_not_their_metadata(
    tmp_path: Path, pattern: str, sentence: str
) -> None:
    (path,) = (SHARED / "data/safe").glob(pattern)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.glob("**/*.SAFE")
    with pytest.raises(BadProduct, match=sentence):
        correct(folder, tmp_path / "out", tmp_path / "work", 20)


# The parts


def layer(value: float, shape: tuple[int, int] = (20, 20)) -> np.ndarray:
    return np.full(shape, value, np.float32)


def test_a_bright_pixel_is_cloud_only_where_the_short_wave_infrared_is_bright_too() -> None:
    for b11, expected in ((0.02, 0), (0.40, 100)):
        toa = {"B03": layer(0.8), "B8A": layer(0.7), "B10": layer(0.001), "B11": layer(b11)}
        assert np.unique(sky(toa, sun_zenith=45, sun_azimuth=180).probability).tolist() == [expected]


def test_bare_ground_is_no_cloud_though_its_short_wave_infrared_is_bright() -> None:
    toa = {"B03": layer(0.13), "B8A": layer(0.2), "B10": layer(0.001), "B11": layer(0.25)}
    assert not sky(toa, sun_zenith=45, sun_azimuth=180).probability.any()


@pytest.mark.parametrize(("azimuth", "side"), [(180.0, "north"), (90.0, "west"), (270.0, "east")])
def test_a_shadow_lies_away_from_the_sun(azimuth: float, side: str) -> None:
    shape = (61, 61)
    toa = {"B03": layer(0.3, shape), "B8A": layer(0.1, shape), "B10": layer(0.0, shape), "B11": layer(0.01, shape)}
    toa["B03"][30, 30], toa["B11"][30, 30] = 0.8, 0.4
    rows, columns = np.nonzero(sky(toa, sun_zenith=45, sun_azimuth=azimuth).shadow)
    centre = {"north": 30 - rows.mean(), "west": 30 - columns.mean(), "east": columns.mean() - 30}
    assert centre[side] > 5


def test_nodata_wins_over_everything_and_cloud_over_ice() -> None:
    surface = {"B03": layer(0.6), "B04": layer(0.6), "B8A": layer(0.5), "B11": layer(0.01)}
    flags = np.zeros((20, 20), np.bool_)
    over = Sky(np.zeros((20, 20), np.uint8), flags.copy(), flags.copy())
    over.probability[0, :2] = 60, 90
    nodata, saturated = flags.copy(), flags.copy()
    nodata[1, 1] = saturated[1, 1] = saturated[1, 2] = True
    classes = scene_classes(surface, over, nodata=nodata, saturated=saturated)
    assert classes[0, :3].tolist() == [Scl.CLOUD_MEDIUM, Scl.CLOUD_HIGH, Scl.SNOW]
    assert classes[1, 1:3].tolist() == [Scl.NODATA, Scl.SATURATED]


def test_a_block_with_a_pixel_of_nodata_is_nodata() -> None:
    pixels = np.array([[1, 3, 5, 5], [1, 3, 5, np.nan]], np.float32)
    means = mean_of_blocks(pixels, 2)
    assert means[0, 0] == 2
    assert np.isnan(means[0, 1])


def test_strips_cover_all_rows_once() -> None:
    assert [(part.start, part.stop) for part in strips(10, 4)] == [(0, 4), (4, 8), (8, 10)]
