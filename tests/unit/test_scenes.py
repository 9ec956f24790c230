"""Synthetic scenes: real structure, known truth, same bytes every time."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from defusedxml import ElementTree
from hypothesis import given
from hypothesis import strategies as st

from local.scenes import Scene, SceneSpec, Swath, Truth, build_scene, demo_month
from local.scenes.fractal import Fractal
from local.scenes.identity import absolute_orbit
from local.scenes.landscape import Landscape
from local.scenes.place import corner, sun
from local.scenes.render import render
from local.scenes.spectra import Draws, draw
from shared.errors import BadSetting
from shared.models import ProductName, Tile
from shared.safe import BANDS, ICE_BANDS, NATIVE_METRES, l1c_files, parse_product_metadata, parse_tile_metadata
from tests.conftest import SHARED, needs_shared

NEW = ProductName.parse("S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500")
OLD = ProductName.parse("S2A_MSIL1C_20210705T151911_N0301_R068_T22WEV_20210705T171432")
OLDEST = ProductName.parse("S2A_MSIL1C_20180629T151911_N0206_R068_T22WEV_20180629T171432")
SIZE = 60


def spec_of(name: ProductName = NEW, *, swath: Swath = Swath.FULL, cloud: float = 0.1, size: int = SIZE) -> SceneSpec:
    return SceneSpec(name, seed=3, size=size, cloud=cloud, swath=swath)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build_scene(spec_of(), tmp_path_factory.mktemp("scene"))


def members(scene: Scene) -> dict[str, bytes]:
    with zipfile.ZipFile(scene.zip) as archive:
        top = f"{scene.spec.name.safe}/"
        return {info.filename.removeprefix(top): archive.read(info) for info in archive.infolist()[1:]}


def pixels(scene: Scene, band: str) -> np.ndarray:
    path = l1c_files(members(scene), "scene")[band]
    with rasterio.open(f"/vsizip/{scene.zip}/{scene.spec.name.safe}/{path}") as dataset:
        return np.asarray(dataset.read(1))


def truth(scene: Scene) -> np.ndarray:
    with rasterio.open(scene.truth) as dataset:
        return np.asarray(dataset.read(1))


# The product


def test_the_zip_is_stored_and_holds_everything_an_l1c_product_has(scene: Scene) -> None:
    files = members(scene)
    assert len(l1c_files(files, "scene")) == 13 + 3
    assert {"AUX_DATA/", "HTML/", "rep_info/", "INSPIRE.xml"} <= files.keys()
    assert any(name.endswith("/MTD_DS.xml") for name in files)
    with zipfile.ZipFile(scene.zip) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None


@pytest.mark.parametrize(("name", "algorithm", "digest"), [(OLD, "SHA3-256", "sha3_256"), (OLDEST, "MD5", "md5")])
def test_the_manifest_lists_every_file_with_its_size_and_checksum(
    tmp_path: Path, name: ProductName, algorithm: str, digest: str
) -> None:
    files = members(build_scene(spec_of(name, size=30), tmp_path))
    listed = {}
    for stream in ElementTree.fromstring(files["manifest.safe"]).iter("byteStream"):
        place, checksum = stream.find("fileLocation"), stream.find("checksum")
        assert place is not None
        assert checksum is not None
        assert checksum.get("checksumName") == algorithm
        listed[place.attrib["href"].removeprefix("./")] = (int(stream.attrib["size"]), checksum.text)
    real = {path: content for path, content in files.items() if not path.endswith("/") and path != "manifest.safe"}
    assert listed == {path: (len(data), hashlib.new(digest, data).hexdigest()) for path, data in real.items()}


@pytest.mark.parametrize(("name", "offset"), [(NEW, -1000), (OLD, 0)])
def test_the_metadata_states_the_offset_from_baseline_04_on(tmp_path: Path, name: ProductName, offset: int) -> None:
    files = members(build_scene(spec_of(name, size=30), tmp_path))
    metadata = parse_product_metadata(files["MTD_MSIL1C.xml"], "test")
    assert metadata.offsets == dict.fromkeys(BANDS, offset)
    assert (metadata.quantification, metadata.nodata, metadata.saturated) == (10000, 0, 65535)
    assert (b"RADIO_ADD_OFFSET" in files["MTD_MSIL1C.xml"]) == (offset != 0)
    assert metadata.baseline == f"{name.baseline[:2]}.{name.baseline[2:]}"


def test_bands_lie_on_the_tiles_grid_with_the_sizes_the_metadata_states(scene: Scene) -> None:
    files = members(scene)
    paths = l1c_files(files, "scene")
    tile = parse_tile_metadata(files[paths["MTD_TL.xml"]], "test")
    assert (tile.epsg, tile.upper_left) == (32622, (499980, 7500000))
    for band in BANDS:
        with rasterio.open(f"/vsizip/{scene.zip}/{scene.spec.name.safe}/{paths[band]}") as dataset:
            metres = NATIVE_METRES[band]
            assert dataset.shape == tile.shapes[metres] == (SIZE * 20 // metres,) * 2
            assert (dataset.driver, dataset.dtypes, dataset.crs.to_epsg()) == ("JP2OpenJPEG", ("uint16",), 32622)
            assert dataset.transform[:6] == (metres, 0, 499980, 0, -metres, 7500000)


def test_the_bands_are_lossless(scene: Scene) -> None:
    drawn = list(render(Landscape.of(scene.spec, *_sun(scene))))
    for band in ("B02", "B05", "B10"):
        np.testing.assert_array_equal(pixels(scene, band), np.concatenate([strip.numbers[band] for strip in drawn]))


def _sun(scene: Scene) -> tuple[float, float]:
    files = members(scene)
    tile = parse_tile_metadata(files[l1c_files(files, "scene")["MTD_TL.xml"]], "test")
    return tile.sun_zenith, tile.sun_azimuth


def test_the_same_spec_gives_the_same_bytes(scene: Scene, tmp_path: Path) -> None:
    again = build_scene(scene.spec, tmp_path)
    assert again.zip.read_bytes() == scene.zip.read_bytes()
    assert again.truth.read_bytes() == scene.truth.read_bytes()


def test_nothing_half_written_is_left_behind(scene: Scene) -> None:
    assert sorted(path.name for path in scene.zip.parent.iterdir()) == [scene.zip.name, scene.truth.name]


def test_the_same_acquisition_in_two_baselines_shows_the_same_reflectance(tmp_path: Path) -> None:
    new, old = (
        build_scene(spec_of(dataclasses.replace(NEW, baseline=number)), tmp_path) for number in ("0511", "0301")
    )
    np.testing.assert_array_equal(pixels(new, "B04").astype(int) - 1000, pixels(old, "B04"))


# The surface


def test_all_classes_clouds_and_rock_occur_in_a_scene_of_the_demos_size() -> None:
    spec = demo_month()[0]
    codes = np.concatenate([strip.truth for strip in render(Landscape.of(spec, 45, 175))])
    share = np.bincount(codes.ravel(), minlength=len(Truth)) / codes.size
    assert (share[Truth.SNOW :] > 0.01).all()
    assert share[Truth.CLOUD] == pytest.approx(spec.cloud, abs=0.03)


@pytest.mark.parametrize(("one", "other"), [(Swath.NORTH, Swath.SOUTH), (Swath.WEST, Swath.EAST)])
def test_two_halves_make_the_whole_without_overlap_and_show_the_same_surface(
    tmp_path: Path, one: Swath, other: Swath
) -> None:
    whole, first, second = (build_scene(spec_of(swath=swath), tmp_path / swath) for swath in (Swath.FULL, one, other))
    codes = truth(first), truth(second)
    assert not ((codes[0] > 0) & (codes[1] > 0)).any()
    np.testing.assert_array_equal(codes[0] + codes[1], truth(whole))
    band = pixels(first, "B04"), pixels(second, "B04")
    np.testing.assert_array_equal(band[0] + band[1], pixels(whole, "B04"))
    assert first.data_percent + second.data_percent == pytest.approx(100)


def test_the_footprint_covers_the_half_with_data(tmp_path: Path) -> None:
    footprints = {}
    for swath in (Swath.FULL, Swath.NORTH):
        root = ElementTree.fromstring(members(build_scene(spec_of(swath=swath), tmp_path / swath))["MTD_MSIL1C.xml"])
        numbers = [float(text) for text in (root.findtext(".//EXT_POS_LIST") or "").split()]
        assert numbers[:2] == numbers[-2:]
        footprints[swath] = numbers[::2]
    assert max(footprints[Swath.NORTH]) == max(footprints[Swath.FULL])
    assert min(footprints[Swath.NORTH]) > min(footprints[Swath.FULL])


def test_where_the_truth_says_nodata_all_bands_are_zero_and_nowhere_else(tmp_path: Path) -> None:
    scene = build_scene(spec_of(swath=Swath.EAST), tmp_path)
    empty = truth(scene) == Truth.NODATA
    assert 0.1 < empty.mean() < 0.9
    np.testing.assert_array_equal(pixels(scene, "B11") == 0, empty)
    np.testing.assert_array_equal(pixels(scene, "B04")[::2, ::2] == 0, empty)


def test_clouds_shine_in_the_short_wave_infrared_where_ice_is_dark(scene: Scene) -> None:
    codes, reflectance = truth(scene), (pixels(scene, "B11").astype(float) - 1000) / 10000
    assert np.median(reflectance[codes == Truth.CLOUD]) > 0.2
    assert np.percentile(reflectance[(codes >= Truth.WATER) & (codes <= Truth.HEAVY_ALGAE)], 99) < 0.06


@pytest.mark.parametrize("code", list(Truth)[1:7])
def test_a_class_is_drawn_with_its_measured_mean_and_spread_and_common_brightness(code: Truth) -> None:
    rng = np.random.default_rng(5)
    shape = (100, 400)

    def white() -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32)

    draws = Draws(white(), white(), white(), {band: white() for band in ICE_BANDS}, white())
    drawn = draw(np.full(shape, code, np.uint8), draws, noise=1.0)
    from local.scenes.spectra import _STATISTICS

    mean, sd = _STATISTICS[code]
    for index, band in enumerate(ICE_BANDS[:7]):
        assert drawn[band].mean() == pytest.approx(mean[index], rel=0.03)
        assert drawn[band].std() == pytest.approx(sd[index], rel=0.1)
        assert drawn[band].min() > 0
    together = np.corrcoef([drawn[band].ravel() for band in ICE_BANDS])
    assert together[0, 3] == pytest.approx(0.9, abs=0.05)
    assert abs(together[0, 7]) < 0.05


@needs_shared
def test_the_class_figures_are_those_of_the_archive() -> None:
    import csv

    from local.scenes.spectra import _STATISTICS

    short = dict(zip(("SN", "WAT", "CC", "CI", "LA", "HA"), list(Truth)[1:7], strict=True))
    with (SHARED / "data/spectra/class_statistics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["sensor"] == "S2A"]
    assert len(rows) == 6 * 9
    for row in rows:
        mean, sd = _STATISTICS[short[row["class"]]]
        index = ICE_BANDS.index(row["band"])
        assert (mean[index], sd[index]) == (float(row["mean"]), float(row["sd"]))


@given(seed=st.integers(0, 2**31), start=st.integers(0, 40), rows=st.integers(1, 20))
def test_a_field_is_the_same_whether_made_whole_or_in_parts(seed: int, start: int, rows: int) -> None:
    field, line = Fractal((seed,), 3, 4), (np.arange(60) + 0.5) / 60
    whole = field.at(line, line)
    np.testing.assert_array_equal(field.at(line[start : start + rows], line), whole[start : start + rows])


def test_a_field_has_mean_zero_and_variance_one() -> None:
    line = (np.arange(64) + 0.5) / 64
    values = np.stack([Fractal((seed,)).at(line, line) for seed in range(200)])
    assert abs(values.mean()) < 0.05
    assert values.var(axis=0).mean() == pytest.approx(1, abs=0.05)


# Place and time


@pytest.mark.parametrize(
    ("tile", "epsg", "east", "north"),
    [  # of real products
        ("22WEV", 32622, 499980, 7500000),
        ("29UNU", 32629, 499980, 5900040),
        ("48LWP", 32748, 499980, 8900020),
        ("53JQJ", 32753, 699960, 6900040),
        ("56JKT", 32756, 199980, 7300000),
        ("01CEH", 32701, 499980, 800020),
    ],
)
def test_tiles_lie_where_esa_puts_them(tile: str, epsg: int, east: int, north: int) -> None:
    place = corner(Tile(tile))
    assert (place.epsg, place.east, place.north) == (epsg, east, north)


def test_the_sun_stands_where_a_real_product_says() -> None:
    product = ProductName.parse("S2A_MSIL1C_20210713T032051_N0301_R032_T48LWP_20210713T054224")
    zenith, azimuth = sun(product.sensing, -10.52, 105.5)  # the middle of its footprint
    assert zenith == pytest.approx(40.93, abs=0.5)
    assert azimuth == pytest.approx(37.89, abs=0.5)


@pytest.mark.parametrize(
    ("name", "orbit"),
    [  # of real products
        ("S2A_MSIL1C_20210713T032051_N0301_R032_T48LWP_20210713T054224", 31632),
        ("S2A_MSIL1C_20201031T004711_N0209_R102_T53JQJ_20201031T022859", 27984),
        ("S2A_MSIL1C_20221005T115411_N0400_R023_T29UNU_20221005T164454", 38058),
        ("S2B_MSIL1C_20170719T000219_N0205_R030_T56JKT_20170719T000218", 1915),
    ],
)
def test_absolute_orbits_fit_date_and_relative_orbit(name: str, orbit: int) -> None:
    assert absolute_orbit(ProductName.parse(name)) == orbit


# The demo's month


def test_the_demos_month_has_six_acquisitions_in_eight_products() -> None:
    specs = demo_month()
    names = [spec.name for spec in specs]
    assert len(names) == len(set(names)) == 8
    assert len({name.acquisition for name in names}) == 6
    assert {(name.tile.name, f"{name.sensing:%Y-%m}") for name in names} == {("22WEV", "2021-07")}
    assert {name.platform for name in names} == {"S2A", "S2B"}
    assert [spec.offset for spec in specs].count(0) == 1
    (north, south) = (spec for spec in specs if spec.swath in {Swath.NORTH, Swath.SOUTH})
    assert north.name.baseline == south.name.baseline
    assert north.name.discriminator != south.name.discriminator


def test_each_product_of_the_demos_month_is_as_usable_as_it_should_be() -> None:
    for spec in demo_month(300):
        codes = np.concatenate([strip.truth for strip in render(Landscape.of(spec, 45, 175))])
        usable = 100 * ((codes != Truth.NODATA) & (codes != Truth.CLOUD)).mean()
        if spec.cloud > 0.5:
            assert usable < 20
        else:
            assert usable > (60 if spec.swath not in {Swath.NORTH, Swath.SOUTH} else 42)


# Refusals


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 100}, "multiple of 3"),
        ({"size": 5493}, "30 to 5490"),
        ({"cloud": 1.5}, "cloud share is 1.5"),
        ({"west_share": -0.1}, "west share is -0.1"),
        ({"noise": 3.0}, "noise is 3"),
        ({"name": ProductName.parse(str(NEW).replace("MSIL1C", "MSIL2A"))}, "no L1C product"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused_with_its_value(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadSetting, match=sentence):
        dataclasses.replace(spec_of(), **changes)  # type: ignore[arg-type]
