from __future__ import annotations

import hashlib
import io
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pystac
import pytest
import rasterio
from PIL import Image
from pystac.errors import STACValidationError
from pystac.validation import validate_dict
from rasterio.io import MemoryFile

from container.approximate_metadata import PROCESSOR
from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.cloud import CloudRule
from shared.errors import BadModel, BadProduct, BadSetting
from shared.models import ProductName
from shared.pipeline.surface import Options, Tools, map_surface
from shared.pipeline.surface_item import cloud_cover, footprint
from shared.pipeline.surface_results import VERSION, Rejected, Summary, file_names
from shared.safe import BANDS
from shared.science.classes import Quality, SurfaceClass
from shared.science.forest import Classifier
from shared.science.windows import Grid
from tests.conftest import ROOT, SHARED, needs_shared
from tests.small_l2a import PRODUCT, Members, Scene, jp2, l2a_files_of, named, numbers
from tests.stac_extensions import OfflineValidator

NOW = datetime(2024, 8, 1, 12, tzinfo=UTC)
STEM = "T22WEV_20240716T151809"


@dataclass
class Run:
    """What one run returned, emitted and read."""

    outcome: Summary | Rejected
    files: dict[str, bytes] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    @property
    def summary(self) -> Any:
        return json.loads(self.files["summary.json"])

    def layer(self, name: str) -> npt.NDArray[Any]:
        (data,) = [data for file, data in self.files.items() if f"_{name}_" in file]
        with MemoryFile(data) as memory, memory.open() as dataset:
            return np.asarray(dataset.read(1))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier()


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of_classes()


@pytest.fixture(scope="module")
def files(scene: Scene) -> dict[str, bytes]:
    return l2a_files_of(scene)


@pytest.fixture(scope="module")
def mapped(files: dict[str, bytes], classifier: Classifier) -> Run:
    return run(files, classifier)


def run(
    files: Mapping[str, bytes],
    classifier: Classifier,
    product: ProductName = PRODUCT,
    *,
    processor: str = "",
    **options: Any,
) -> Run:
    members, emitted = Members(files), dict[str, bytes]()
    outcome = map_surface(
        members,
        product,
        classifier,
        tools=Tools(GdalRasters(), quicklook),
        options=Options(**{"resolution": 60, **options}),
        emit=lambda name, data, _: emitted.update({name: data}),
        clock=lambda: NOW,
        processor=processor,
    )
    return Run(outcome, emitted, members.was_read)


def test_the_classes_are_found_again(mapped: Run, scene: Scene) -> None:
    found = mapped.layer("CLASS")
    assert (found == scene.truth)[scene.truth > 0].mean() > 0.95


def test_rock_is_not_ice(mapped: Run, scene: Scene) -> None:
    assert (mapped.layer("QUALITY")[scene.truth == 0] == Quality.NOT_ICE).all()
    assert (mapped.layer("CLASS")[scene.truth == 0] == 0).all()


def test_every_file_of_the_design_appears_and_the_manifest_last(mapped: Run) -> None:
    assert list(mapped.files) == [
        f"{STEM}_CLASS_60m.tif",
        f"{STEM}_ALBEDO_60m.tif",
        f"{STEM}_ALGAE_60m.tif",
        f"{STEM}_CONFIDENCE_60m.tif",
        f"{STEM}_MARGIN_60m.tif",
        f"{STEM}_QUALITY_60m.tif",
        "quicklook.png",
        "summary.json",
        f"{PRODUCT}.json",
        "manifest.json",
    ]
    assert tuple(mapped.files) == file_names(PRODUCT, 60)


def test_the_manifest_lists_the_others_with_size_and_digest(mapped: Run, classifier: Classifier) -> None:
    manifest = json.loads(mapped.files["manifest.json"])
    assert manifest["product"] == str(PRODUCT)
    assert manifest["model"]["sha256"] == classifier.sha256
    listed = {file["name"]: (file["size"], file["sha256"]) for file in manifest["files"]}
    others = {name: data for name, data in mapped.files.items() if name != "manifest.json"}
    assert listed == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in others.items()}


@pytest.mark.parametrize(("window", "threads"), [(1, 1), (128, 2), (1000, 1), (1000, 3)])
def test_results_do_not_depend_on_windows_or_threads(
    files: dict[str, bytes], classifier: Classifier, mapped: Run, window: int, threads: int
) -> None:
    other = run(files, classifier, window=window, threads=threads)
    assert other.files == mapped.files


def test_an_old_baseline_without_offset_gives_the_same_map(scene: Scene, classifier: Classifier, mapped: Run) -> None:
    old = run(l2a_files_of(scene, offset=0), classifier)
    for layer in ("CLASS", "QUALITY", "ALBEDO", "ALGAE", "CONFIDENCE", "MARGIN"):
        assert (old.layer(layer) == mapped.layer(layer)).all()


def test_the_summary_counts_what_the_layers_hold(mapped: Run) -> None:
    summary, classes, albedo = mapped.summary, mapped.layer("CLASS"), mapped.layer("ALBEDO")
    for facts in summary["classes"].values():
        assert facts["pixels"] == (classes == facts["code"]).sum()
        assert facts["km2"] == pytest.approx(facts["pixels"] * 0.0036, abs=1e-4)
    for facts in (summary["classes"], summary["quality"]):
        assert sum(round(1000 * one["percent"]) for one in facts.values()) == 100_000
    valid = albedo[albedo != -32768] / 10000
    assert summary["albedo"] == {
        "pixels": valid.size,
        "mean": pytest.approx(valid.mean(), abs=5e-5),
        "sd": pytest.approx(valid.std(), abs=5e-5),
    }
    index = mapped.layer("ALGAE")[np.isin(classes, (4, 5, 6))] / 10000
    assert summary["algae"]["index_2dba"]["pixels"] == index.size
    assert summary["algae"]["index_2dba"]["mean"] == pytest.approx(index.mean(), abs=5e-5)
    assert summary["algae"]["cells_per_ml"]["mean"] == pytest.approx(201100 * index.mean() - 194500, abs=1)
    assert summary["algae"]["cells_per_ml"]["sd"] == pytest.approx(201100 * index.std(), abs=1)


def test_the_algae_layer_covers_clean_ice_and_algae_only(mapped: Run) -> None:
    assert ((mapped.layer("ALGAE") != 65535) == np.isin(mapped.layer("CLASS"), (4, 5, 6))).all()


@pytest.mark.parametrize("layer", ["CLASS", "ALBEDO", "ALGAE", "CONFIDENCE", "MARGIN", "QUALITY"])
def test_layers_are_cloud_optimized_and_lie_where_the_product_lies(
    scene: Scene, mapped: Run, layer: str, tmp_path: Path
) -> None:
    from rio_cogeo.cogeo import cog_validate

    path = tmp_path / "layer.tif"
    path.write_bytes(mapped.files[f"{STEM}_{layer}_60m.tif"])
    valid, errors, warnings = cog_validate(path)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert dataset.shape == scene.shape
        assert dataset.crs.to_epsg() == 32622
        assert dataset.transform == rasterio.Affine(60, 0, 499980, 0, -60, 7500000)
        assert dataset.descriptions[0]
        assert dataset.units == ("1",)


def test_codes_carry_colours_and_values_carry_a_scale(mapped: Run) -> None:
    with MemoryFile(mapped.files[f"{STEM}_CLASS_60m.tif"]) as memory, memory.open() as dataset:
        assert dataset.colormap(1)[4] == (158, 202, 225, 255)
        assert dataset.tags(1)["CODE_6"] == "Heavy algae"
        assert dataset.nodata == 0
    with MemoryFile(mapped.files[f"{STEM}_ALBEDO_60m.tif"]) as memory, memory.open() as dataset:
        assert (dataset.scales, dataset.offsets, dataset.nodata) == ((0.0001,), (0.0,), -32768)


def test_a_large_layer_has_overviews(classifier: Classifier) -> None:
    big = Scene.of_classes(700, 560)
    result = run(l2a_files_of(big, block=256), classifier)
    with MemoryFile(result.files[f"{STEM}_CLASS_60m.tif"]) as memory, memory.open() as dataset:
        assert dataset.overviews(1) == [2]


def test_the_quicklook_shows_class_map_and_true_colour_side_by_side(mapped: Run, scene: Scene) -> None:
    picture = Image.open(io.BytesIO(mapped.files["quicklook.png"]))
    assert picture.format == "PNG"
    assert picture.width > 2 * picture.height > 800
    pixels = np.asarray(picture.convert("RGB"))
    zoom = 4  # 150 x 210 pixels, enlarged
    left, right, row = 24, 2 * 24 + zoom * scene.shape[1], 24 + zoom * 75
    at = [zoom * int(np.median(np.flatnonzero(scene.truth[75] == code))) for code in range(1, 7)]
    found = [tuple(int(part) for part in pixels[row, left + place]) for place in at]
    assert found[1:] == [surface.colour for surface in SurfaceClass][1:]
    brightness = [int(pixels[row, right + place].sum()) for place in at]
    assert brightness[0] > brightness[3] > brightness[4] > brightness[5]


def test_the_stac_item_is_valid_and_self_contained(mapped: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        pytest.fail("validation must not use the network")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    document = json.loads(mapped.files[f"{PRODUCT}.json"])
    checked = validate_dict(document, validator=OfflineValidator())
    assert checked[0] == "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"
    assert set(checked[1:]) == {"projection", "eo", "view", "processing", "file", "raster", "classification"}
    assert document["links"] == []
    assert {asset["href"] for asset in document["assets"].values()} == {
        f"./{name}" for name in mapped.files if name not in {"manifest.json", f"{PRODUCT}.json"}
    }


def test_the_validation_refuses_a_broken_item(mapped: Run) -> None:
    document = json.loads(mapped.files[f"{PRODUCT}.json"])
    del document["properties"]["datetime"]
    with pytest.raises(STACValidationError):
        validate_dict(document, validator=OfflineValidator())


def test_the_stac_item_says_where_when_and_how(mapped: Run, classifier: Classifier) -> None:
    item = pystac.Item.from_dict(json.loads(mapped.files[f"{PRODUCT}.json"]))
    assert item.datetime == PRODUCT.sensing
    assert item.properties["proj:code"] == "EPSG:32622"
    assert item.properties["view:sun_elevation"] == pytest.approx(43.5)
    assert item.properties["eo:cloud_cover"] == 0
    assert item.properties["icewatch:model"]["sha256"] == classifier.sha256
    asset = item.assets["class"]
    assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(mapped.files[asset.href[2:]]).hexdigest()
    assert [c["name"] for c in asset.extra_fields["classification:classes"]][:3] == ["no_class", "snow", "water"]
    assert item.bbox is not None
    assert item.bbox[0] == pytest.approx(-51.0, abs=0.01)
    assert item.bbox[3] == pytest.approx(67.6, abs=0.1)


def test_clouds_and_cirrus_cover_a_share_of_what_has_data() -> None:
    counts = dict.fromkeys(Quality, 0) | {Quality.CLOUD: 20, Quality.CIRRUS: 10, Quality.SHADOW: 5}
    counts |= {Quality.CLASSIFIED: 15, Quality.OUTSIDE_ICE: 10, Quality.NODATA: 30, Quality.DEFECTIVE: 10}
    assert cloud_cover(counts) == 50
    assert cloud_cover(dict.fromkeys(Quality, 0) | {Quality.NODATA: 3}) == 0


def test_a_tile_on_the_antimeridian_is_cut_there_in_two() -> None:
    shape, bbox = footprint(Grid(32601, 300000, 7300020, 60, 1830, 1830), GdalRasters())
    assert shape.geom_type == "MultiPolygon"
    assert bbox[0] > 170
    assert bbox[2] < -170
    assert shape.is_valid


@pytest.mark.parametrize("processor", ["approximate 1", PROCESSOR])
def test_an_approximate_correction_stands_in_summary_and_item(
    scene: Scene, classifier: Classifier, processor: str
) -> None:
    result = run(l2a_files_of(scene, processor=processor), classifier)
    assert result.summary["processor"] == processor
    assert result.summary["approximate"] is True
    item = json.loads(result.files[f"{PRODUCT}.json"])
    assert item["properties"]["icewatch:approximate"] is True
    assert item["properties"]["processing:software"]["surface reflectance"] == processor


@pytest.mark.parametrize(
    ("known", "baseline", "expected"),
    [
        ("", "0511", "provider"),
        ("", "9999", "Sen2Cor"),
        ("", "9933", "Sen2Cor"),
        ("Sen2Cor 02.12.03", "9999", "Sen2Cor 02.12.03"),
    ],
)
def test_the_processor_is_named_as_well_as_it_is_known(
    files: dict[str, bytes], classifier: Classifier, known: str, baseline: str, expected: str
) -> None:
    product = replace(PRODUCT, baseline=baseline)
    assert run(files, classifier, product, processor=known).summary["processor"] == expected


def test_masks_reach_the_quality_layer(scene: Scene, classifier: Classifier) -> None:
    masked = scene.with_scl(9, slice(0, 10)).with_scl(3, slice(10, 20)).with_scl(10, slice(20, 30))
    masked = masked.with_scl(0, slice(30, 40)).with_cloud(20, slice(40, 50)).with_cloud(19, slice(50, 60))
    quality = run(l2a_files_of(masked), classifier).layer("QUALITY")
    for rows, code in ((0, 4), (10, 5), (20, 6), (30, 1), (40, 4)):
        assert (quality[rows : rows + 10] == code).all()
    assert (quality[50:60, scene.truth[0] > 0] == 0).all()


@pytest.mark.parametrize(
    ("rule", "probable", "by_scl", "agreed"),
    [
        (CloudRule.PROBABILITY, True, False, True),
        (CloudRule.SCL, False, True, True),
        (CloudRule.BOTH, False, False, True),
        (CloudRule.EITHER, True, True, True),
    ],
)
def test_the_cloud_rule_says_which_masks_count(
    scene: Scene, classifier: Classifier, rule: CloudRule, probable: bool, by_scl: bool, agreed: bool
) -> None:
    clouds = scene.with_cloud(60, slice(0, 20)).with_scl(9, slice(10, 30))
    result = run(l2a_files_of(clouds), classifier, cloud_rule=rule)
    is_cloud = result.layer("QUALITY") == Quality.CLOUD
    assert is_cloud[0:10].all() == is_cloud[0:10].any() == probable
    assert is_cloud[10:20].all() == agreed
    assert is_cloud[20:30].all() == is_cloud[20:30].any() == by_scl
    assert not is_cloud[30:].any()
    assert result.summary["options"]["cloud_rule"] == rule


def test_a_product_that_does_not_state_its_offset_is_not_published(scene: Scene, classifier: Classifier) -> None:
    files = l2a_files_of(scene, offset=-1000)
    stated = files["MTD_MSIL2A.xml"]
    files["MTD_MSIL2A.xml"] = l2a_files_of(scene, offset=0)["MTD_MSIL2A.xml"]
    with pytest.raises(
        BadProduct,
        match=rf"^{PRODUCT} contradicts its own metadata: no offset is stated, and 0\.00 % of its usable pixels "
        r"are darker than 0\.1 in any band; at least 0\.1 % are expected",
    ):
        run(files, classifier)
    assert isinstance(run(files | {"MTD_MSIL2A.xml": stated}, classifier).outcome, Summary)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: 1000, "the BOA_ADD_OFFSET of B01 is 1000; expected -10000 to 0"),
        (lambda _: -1, "offsets are stated, and 0.00 % of its usable pixels are darker than 0.1"),
        (
            lambda band: -1000 if band == 1 else 0,
            "for some bands and 0 for B03, B04, B05, B06, B07, B8A, B11, B12; all",
        ),
    ],
    ids=["added", "far too small", "of B02 alone"],
)
def test_a_product_that_states_its_offset_wrongly_is_not_published(
    scene: Scene, classifier: Classifier, change: Callable[[int], int], says: str
) -> None:
    files = l2a_files_of(scene, offset=-1000)
    for band in range(len(BANDS)):
        stated = f'band_id="{band}">-1000<'.encode()
        assert stated in files["MTD_MSIL2A.xml"]
        wrong = f'band_id="{band}">{change(band)}<'.encode()
        files["MTD_MSIL2A.xml"] = files["MTD_MSIL2A.xml"].replace(stated, wrong)
    with pytest.raises(BadProduct, match=re.escape(says)):
        run(files, classifier)


def test_a_product_that_states_an_offset_it_has_not_is_not_published(scene: Scene, classifier: Classifier) -> None:
    files = l2a_files_of(scene, offset=0)
    right = files["MTD_MSIL2A.xml"]
    files["MTD_MSIL2A.xml"] = l2a_files_of(scene, offset=-1000)["MTD_MSIL2A.xml"]
    with pytest.raises(BadProduct, match=r"\d\d\.\d % of its usable reflectances are impossible .* at most 10 %"):
        run(files, classifier)
    assert isinstance(run(files | {"MTD_MSIL2A.xml": right}, classifier).outcome, Summary)


def test_the_cloud_limit_can_be_chosen(scene: Scene, classifier: Classifier) -> None:
    hazy = l2a_files_of(scene.with_cloud(60, slice(None)))
    assert isinstance(run(hazy, classifier).outcome, Rejected)
    assert isinstance(run(hazy, classifier, cloud_probability=61).outcome, Summary)


def test_too_little_usable_surface_is_rejected_and_no_band_is_read(scene: Scene, classifier: Classifier) -> None:
    result = run(l2a_files_of(scene.with_scl(9, slice(0, 100))), classifier)
    assert isinstance(result.outcome, Rejected)
    assert result.outcome.usable_percent == pytest.approx(100 / 3)
    assert result.outcome.reason == ("Only 33.3 % of the tile is usable; at least 40 % are required (cloud 66.7 %).")
    assert result.files == {}
    assert not [name for name in result.read if "_B" in name]


def test_a_product_without_any_data_is_rejected_whatever_the_minimum(scene: Scene, classifier: Classifier) -> None:
    result = run(l2a_files_of(scene.with_scl(0, slice(None))), classifier, minimum_usable=0)
    assert isinstance(result.outcome, Rejected)
    assert result.outcome.reason == "Nothing of the tile is usable (nodata 100.0 %)."


def test_bands_without_data_count_even_where_the_masks_claim_data(
    scene: Scene, files: dict[str, bytes], classifier: Classifier
) -> None:
    band = numbers(scene, "B11", -1000)
    band[:100] = 0
    result = run({**files, named(files, "_B11_"): jp2(band)}, classifier)
    assert isinstance(result.outcome, Rejected)
    assert "nodata 66.7 %" in result.outcome.reason
    assert result.files == {}


def test_nothing_classified_gives_results_without_means(scene: Scene, classifier: Classifier) -> None:
    rock = {band: np.full(scene.shape, value[0, -1]) for band, value in scene.reflectance.items()}
    result = run(l2a_files_of(replace(scene, reflectance=rock)), classifier)
    assert result.summary["albedo"] == {"pixels": 0, "mean": None, "sd": None}
    assert result.summary["quality"]["not ice"]["percent"] == 100
    assert (result.summary["usable_percent"], result.summary["classified_percent"]) == (100, 0)
    assert set(result.files) == set(file_names(PRODUCT, 60))


class HalfIce:
    name = "half"

    def on(self, grid: Grid) -> npt.NDArray[np.bool_]:
        ice = np.zeros(grid.shape, bool)
        ice[: grid.rows // 2] = True
        return ice


def test_outside_the_ice_mask_nothing_is_classified(files: dict[str, bytes], classifier: Classifier) -> None:
    result = run(files, classifier, ice_mask=HalfIce())
    assert (result.layer("QUALITY")[75:] == Quality.OUTSIDE_ICE).all()
    assert result.summary["options"]["ice_mask"] == "half"
    assert result.summary["usable_percent"] == 50


def test_a_missing_band_is_named(files: dict[str, bytes], classifier: Classifier) -> None:
    del (left := dict(files))[named(files, "_B8A_")]
    with pytest.raises(BadProduct, match=rf"{PRODUCT} is incomplete at 60 m: B8A missing\."):
        run(left, classifier)


def test_the_other_resolution_is_named_as_missing(files: dict[str, bytes], classifier: Classifier) -> None:
    with pytest.raises(BadProduct, match=r"incomplete at 20 m: B02, B03, .* missing"):
        run(files, classifier, resolution=20)


@pytest.mark.parametrize("piece", ["_B05_", "_SCL_", "CLDPRB"])
def test_an_image_of_another_size_is_named(
    scene: Scene, files: dict[str, bytes], classifier: Classifier, piece: str
) -> None:
    small = jp2(np.ones((100, 210), np.uint16))
    with pytest.raises(BadProduct, match=rf"of {PRODUCT} has 100 x 210 pixels; the metadata says 150 x 210"):
        run({**files, named(files, piece): small}, classifier)


@pytest.mark.parametrize("piece", ["_B05_", "_SCL_"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.99])
def test_an_image_cut_short_is_named(files: dict[str, bytes], classifier: Classifier, piece: str, keep: float) -> None:
    name = named(files, piece)
    whole = files[name]
    with pytest.raises(BadProduct, match=rf"{piece.strip('_')} of {PRODUCT} is (cut short|no JPEG 2000 image)"):
        run({**files, name: whole[: int(len(whole) * keep)]}, classifier)


def test_a_failing_product_emits_nothing(files: dict[str, bytes], classifier: Classifier) -> None:
    emitted: list[str] = []
    name = named(files, "_B12_")
    with pytest.raises(BadProduct):
        map_surface(
            Members({**files, name: files[name][:-300]}),
            PRODUCT,
            classifier,
            tools=Tools(GdalRasters(), quicklook),
            options=Options(resolution=60),
            emit=lambda file, *_: emitted.append(file),
            clock=lambda: NOW,
        )
    assert emitted == []


def test_metadata_of_another_level_is_refused(files: dict[str, bytes], classifier: Classifier) -> None:
    l1c = files["MTD_MSIL2A.xml"].replace(b"Level-2A", b"Level-1C").replace(b"BOA_", b"")
    with pytest.raises(BadProduct, match="is named L2A, but its metadata says L1C"):
        run({**files, "MTD_MSIL2A.xml": l1c}, classifier)


def test_an_l1c_product_is_refused(files: dict[str, bytes], classifier: Classifier) -> None:
    l1c = ProductName.parse(str(PRODUCT).replace("L2A", "L1C"))
    with pytest.raises(BadProduct, match="is L1C; classification takes L2A"):
        run(files, classifier, l1c)


def test_a_model_of_other_bands_is_refused(files: dict[str, bytes], classifier: Classifier) -> None:
    with pytest.raises(BadModel, match="wants Red"):
        run(files, replace(classifier, bands=("Red", *classifier.bands[1:])))


@pytest.mark.parametrize(
    "options", [{"resolution": 10}, {"cloud_probability": 101}, {"minimum_usable": -1}, {"threads": 0}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadSetting):
        Options(**options)


def test_windows_without_a_usable_pixel_are_not_decoded(
    scene: Scene, files: dict[str, bytes], classifier: Classifier
) -> None:
    # The damaged tile of B02 lies under cloud: nobody looks at it.
    cloudy = scene.with_scl(9, slice(0, 64))
    name = named(files, "_B02_")
    broken = bytearray(files[name])
    first = broken.index(b"\xff\x93")  # start of the first tile's data
    broken[first + 2 : first + 202] = b"\xff" * 200
    covered = l2a_files_of(cloudy)
    assert isinstance(run({**covered, name: bytes(broken)}, classifier, window=64).outcome, Summary)
    with pytest.raises(BadProduct, match=r"B02 of .* is damaged: its pixels from row 0, column 0 do not decode"):
        run({**files, name: bytes(broken)}, classifier, window=64)


@needs_shared
@pytest.mark.slow
def test_on_the_irish_coast_in_october_next_to_nothing_is_ice_and_the_offset_is_applied(
    classifier: Classifier,
) -> None:
    from shared.adapters.folders import FolderMembers
    from shared.pipeline.surface_source import read_source

    (folder,) = (SHARED / "data/safe").glob("S2A_MSIL2A_20221005T115411_*.SAFE")
    members = FolderMembers(folder)
    product = members.product
    files = {name: members.read(name) for name in members.names()}
    result = run(files, classifier, product, minimum_usable=0, threads=2)
    assert tuple(result.files) == file_names(product, 60)
    quality = {label: share["percent"] for label, share in result.summary["quality"].items()}
    assert quality["nodata"] == pytest.approx(40.4, abs=0.1)
    assert quality["cloud"] > 20
    assert quality["classified"] < 0.1
    assert result.summary["note"].startswith("Next to nothing is ice: 0.0")

    def band(name: str) -> npt.NDArray[Any]:
        with MemoryFile(files[named(files, name)]) as memory, memory.open() as dataset:
            return np.asarray(dataset.read(1))

    scl, probability, infrared = band("R60m/T29UNU_20221005T115411_SCL"), band("MSK_CLDPRB_60m"), band("_B8A_60m")
    codes = result.layer("QUALITY")
    assert (codes[np.isin(scl, (8, 9)) | ((probability >= 20) & (scl > 1))] == Quality.CLOUD).all()
    assert (codes[(scl == 3) & (probability < 20)] == Quality.SHADOW).all()
    source = read_source(members, product, 60)
    offset = source.metadata.offsets["B8A"]
    assert offset == -1000
    dark_water = (scl == 6) & (probability == 0) & (infrared > 0)
    assert np.median((infrared[dark_water] + float(offset)) / source.metadata.quantification) < 0.05
    with pytest.raises(BadProduct, match="incomplete at 20 m: B02, B03, B04, B05, B06, B07, B8A, B11, B12 missing"):
        run(files, classifier, product, resolution=20)


def test_the_software_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
