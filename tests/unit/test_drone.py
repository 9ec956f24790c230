"""An orthomosaic becomes maps like those of a satellite, whatever its size, windows and pieces."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from pystac.validation import validate_dict
from rasterio.io import MemoryFile

from shared.adapters.models import SHIPPED, SHIPPED_DRONE, load_classifier
from shared.adapters.orthomosaics import GdalOrthomosaics
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.errors import BadModel, BadProduct
from shared.pipeline.drone import Plan, map_orthomosaic
from shared.pipeline.drone_ports import DroneTools
from shared.pipeline.drone_results import DroneSummary
from shared.science.albedo import knap
from shared.science.classes import Quality
from shared.science.forest import Classifier
from shared.science.orthomosaic import RADIOMETRY, numbers_of
from shared.science.picture import Picture
from tests.orthomosaics import geotiff, scene
from tests.stac_extensions import OfflineValidator

NOW = datetime(2024, 8, 1, 12, tzinfo=UTC)
TOOLS = DroneTools(GdalOrthomosaics(), GdalRasters(), quicklook)
BANDS, TRUTH = scene(150, 240)


@dataclass
class Run:
    """What one run returned and emitted."""

    outcome: DroneSummary
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def summary(self) -> Any:
        return json.loads(self.files["summary.json"])

    def layer(self, name: str) -> npt.NDArray[Any]:
        """The layer, put together from its pieces."""
        whole: npt.NDArray[Any] | None = None
        for file, data in self.files.items():
            if f"_{name}" in file and file.endswith(".tif"):
                with MemoryFile(data) as memory, memory.open() as dataset:
                    whole = np.zeros(TRUTH.shape, dataset.dtypes[0]) if whole is None else whole
                    column = round((dataset.transform.c - 500_000) / 0.1)
                    row = round((7_450_000 - dataset.transform.f) / 0.1)
                    whole[row : row + dataset.height, column : column + dataset.width] = dataset.read(1)
        assert whole is not None
        return whole


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier(SHIPPED_DRONE)


def run(data: bytes, classifier: Classifier, **more: Any) -> Run:
    emitted: dict[str, bytes] = {}
    with GdalOrthomosaics().open(io.BytesIO(data), "ortho") as orthomosaic:
        outcome = map_orthomosaic(
            orthomosaic,
            "ortho",
            classifier,
            emit=lambda name, data, _: emitted.update({name: data}),
            clock=lambda: NOW,
            **{"tools": TOOLS} | more,
        )
    return Run(outcome, emitted)


@pytest.fixture(scope="module")
def mapped(classifier: Classifier) -> Run:
    bands = BANDS.copy()
    bands[:, :10] = np.nan
    return run(geotiff(bands, tags={"TIFFTAG_DATETIME": "2017:07:21 14:30:00"}), classifier)


def test_the_classes_are_found_again(mapped: Run) -> None:
    assert (mapped.layer("CLASS")[10:] == TRUTH[10:]).mean() > 0.9
    assert (mapped.layer("CLASS")[:10] == 0).all()
    assert (mapped.layer("QUALITY")[:10] == Quality.NODATA).all()


def test_all_files_appear_and_the_manifest_last(mapped: Run) -> None:
    layers = [f"ortho_{layer}.tif" for layer in ("CLASS", "ALBEDO", "CONFIDENCE", "MARGIN", "QUALITY")]
    assert list(mapped.files) == [*layers, "quicklook.png", "summary.json", "ortho.json", "manifest.json"]
    assert mapped.outcome.files == tuple(mapped.files)
    manifest = json.loads(mapped.files["manifest.json"])
    assert manifest["product"] == "ortho"
    assert [file["name"] for file in manifest["files"]] == list(mapped.files)[:-1]


def test_albedo_is_knaps(mapped: Run) -> None:
    expected = knap(BANDS[1, 10:], BANDS[4, 10:])
    assert mapped.layer("ALBEDO")[10:] / 10000 == pytest.approx(expected, abs=2e-4)


def test_knaps_albedo_of_green_and_near_infrared() -> None:
    albedo = knap(np.array([0.0, 0.5, 1.0], np.float32), np.array([0.0, 0.4, 1.0], np.float32))
    assert albedo == pytest.approx([0.0, 0.726 * 0.5 - 0.322 * 0.25 - 0.051 * 0.4 + 0.581 * 0.16, 0.934], abs=1e-6)


def test_the_vote_is_that_of_the_model_on_the_reflectances(mapped: Run, classifier: Classifier) -> None:
    features = RADIOMETRY.reflectance(numbers_of(BANDS, np.ones(TRUTH.shape, bool)))[:, 10:].reshape(5, -1).T
    votes = classifier.vote(np.ascontiguousarray(features))
    assert (mapped.layer("CLASS")[10:].ravel() == votes.codes).all()
    assert mapped.layer("CONFIDENCE")[10:].ravel() / 100 == pytest.approx(votes.confidence, abs=0.0051)


@pytest.mark.parametrize(
    ("profile", "piece"),
    [
        ({"tiled": True, "blockxsize": 64, "blockysize": 32}, 8192),
        ({"tiled": True, "blockxsize": 64, "blockysize": 32}, 64),
        ({"compress": "DEFLATE", "blockysize": 1}, 8192),
        ({"blockysize": 7}, 50),
    ],
    ids=["tiles", "tiles in pieces", "rows", "strips in pieces"],
)
def test_results_depend_neither_on_blocks_nor_on_pieces(
    classifier: Classifier, mapped: Run, profile: dict[str, Any], piece: int
) -> None:
    bands = BANDS.copy()
    bands[:, :10] = np.nan
    other = run(geotiff(bands, **profile), classifier, piece=piece)
    for layer in ("CLASS", "ALBEDO", "CONFIDENCE", "MARGIN", "QUALITY"):
        assert (other.layer(layer) == mapped.layer(layer)).all()
    for key in ("classes", "quality", "albedo", "usable_percent"):
        assert other.summary[key] == mapped.summary[key]
    assert other.files["quicklook.png"] != b""


@given(
    shape=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    block=st.tuples(st.integers(1, 80), st.integers(1, 300)),
    side=st.integers(20, 200),
)
@settings(deadline=None, max_examples=50)
def test_a_plan_covers_every_pixel_once(shape: tuple[int, int], block: tuple[int, int], side: int) -> None:
    plan = Plan(shape, (min(block[0], shape[0]), min(block[1], shape[1])))
    seen = np.zeros(shape, np.uint8)
    for piece in plan.pieces(side):
        for window in plan.windows(piece):
            seen[window.slices] += 1
    assert (seen == 1).all()


def test_windows_of_a_huge_orthomosaic_in_rows_stay_small() -> None:
    plan = Plan((40_000, 40_000), (1, 40_000))
    for piece in plan.pieces():
        assert piece.height * piece.width <= 8192 * 8192
        assert max(window.height * window.width for window in plan.windows(piece)) <= 512 * 512


def test_layers_are_cloud_optimized_and_lie_where_the_orthomosaic_lies(mapped: Run, tmp_path: Path) -> None:
    from rio_cogeo.cogeo import cog_validate

    path = tmp_path / "layer.tif"
    for name in mapped.files:
        if name.endswith(".tif"):
            path.write_bytes(mapped.files[name])
            assert cog_validate(path) == (True, [], [])
            with rasterio.open(path) as dataset:
                assert dataset.crs.to_epsg() == 32622
                assert dataset.transform == rasterio.Affine(0.1, 0, 500_000, 0, -0.1, 7_450_000)
                assert dataset.descriptions[0]


def test_the_summary_counts_what_the_layers_hold(mapped: Run) -> None:
    summary, classes = mapped.summary, mapped.layer("CLASS")
    for facts in summary["classes"].values():
        assert facts["pixels"] == (classes == facts["code"]).sum()
        assert facts["km2"] == pytest.approx(facts["pixels"] * summary["pixel_m2"] * 1e-6, rel=1e-5)
    assert summary["usable_percent"] == pytest.approx(100 * 140 / 150, abs=1e-3)
    assert summary["bands"]["RedEdge"] == {"band": 4, "described": "RedEdge"}
    assert summary["taken"] == "2017-07-21T14:30:00Z"
    assert summary["resolution_m"] == pytest.approx(0.10004)  # UTM shortens lengths by 0.0004 in the middle of a zone
    assert summary["pixel_m2"] == pytest.approx(summary["resolution_m"] ** 2, rel=1e-5)
    assert sum(facts["km2"] for facts in summary["classes"].values()) == pytest.approx(summary["classified"]["km2"])
    assert summary["note"] == mapped.outcome.note == ""
    assert json.loads(mapped.files["ortho.json"])["properties"]["gsd"] == summary["resolution_m"]


@pytest.mark.parametrize("crs", ["EPSG:32622", "+proj=laea +lat_0=67 +lon_0=-49 +ellps=WGS84 +units=m"])
def test_the_stac_item_is_valid_with_and_without_a_code_of_its_projection(classifier: Classifier, crs: str) -> None:
    place: dict[str, Any] = {} if crs.startswith("EPSG") else {"transform": (0.1, 0, 0, 0, -0.1, 0)}
    result = run(geotiff(BANDS, crs=crs, **place), classifier)
    document = json.loads(result.files["ortho.json"])
    validate_dict(document, validator=OfflineValidator())
    assert document["properties"]["datetime"] == "2024-08-01T12:00:00Z"
    assert document["properties"]["icewatch:datetime_is"] == "when the results were made"
    assert {"class", "albedo", "confidence", "margin", "quality", "quicklook", "summary"} == set(document["assets"])
    assert document["bbox"][0] == pytest.approx(-51 if crs.startswith("EPSG") else -49, abs=0.01)


def test_areas_and_lengths_are_those_on_the_ground(classifier: Classifier, mapped: Run) -> None:
    mercator = run(geotiff(BANDS, crs="EPSG:3857", transform=(0.1, 0, -5.5e6, 0, -0.1, 1.02e7)), classifier)
    expected = TRUTH.size * 0.0389171**2 / 1e6  # as geodesics have it, see the tests of the adapter
    assert mercator.summary["classified"]["km2"] == pytest.approx(expected, rel=1e-3)
    assert sum(mercator.outcome.class_km2.values()) == pytest.approx(expected, rel=1e-3)
    assert json.loads(mercator.files["ortho.json"])["properties"]["gsd"] == pytest.approx(0.0389171, rel=1e-3)
    assert mercator.summary["note"] == ""


def test_a_place_drawn_unevenly_is_noted(classifier: Classifier) -> None:
    result = run(geotiff(BANDS, crs="EPSG:3857", transform=(400, 0, -5.5e6, 0, -400, 1.02e7)), classifier)
    assert result.summary["note"] == result.outcome.note
    assert result.outcome.note.startswith(
        "The coordinate system draws this place unevenly: its largest pixel covers 1."
    )


def test_the_scale_bar_is_that_of_a_row(classifier: Classifier) -> None:
    """In degrees a pixel at 67 north is 2.5 times as high as it is wide."""
    drawn: list[float] = []

    def watched(picture: Picture, **more: Any) -> bytes:
        drawn.append(picture.metres)
        return quicklook(picture, **more)

    data = geotiff(BANDS, crs="EPSG:4326", transform=(1e-6, 0, -49.0, 0, -1e-6, 67.0))
    run(data, classifier, tools=DroneTools(GdalOrthomosaics(), GdalRasters(), watched))
    assert drawn == pytest.approx([Geod(ellps="WGS84").line_length([-49, -49 + 1e-3], [67, 67]) / 1000], rel=1e-4)


@pytest.mark.parametrize(
    ("west", "bbox"),
    [(310.0, [-50, 71 - 15e-5, -50 + 24e-5, 71]), (179.9999, [179.9999, 71 - 15e-5, -179.99986, 71])],
    ids=["counted from 0 to 360", "across the antimeridian"],
)
def test_longitudes_in_the_item_are_those_of_geojson(classifier: Classifier, west: float, bbox: list[float]) -> None:
    result = run(geotiff(BANDS, crs="EPSG:4326", transform=(1e-6, 0, west, 0, -1e-6, 71.0)), classifier)
    document = json.loads(result.files["ortho.json"])
    validate_dict(document, validator=OfflineValidator())
    assert document["bbox"] == pytest.approx(bbox, abs=1e-9)
    assert document["geometry"]["type"] == ("MultiPolygon" if bbox[0] > bbox[2] else "Polygon")


def test_the_summary_says_which_of_a_cameras_bands_were_taken(classifier: Classifier, mapped: Run) -> None:
    names = ["Blue-444", "Blue", "Green-531", "Green", "Red-650", "Red", "Red edge-705", "Red edge", "NIR"]
    stored = np.stack([BANDS[1], BANDS[0], BANDS[0], BANDS[1], BANDS[1], BANDS[2], BANDS[0], BANDS[3], BANDS[4]])
    result = run(geotiff(stored, names=names), classifier)
    assert {name: facts["band"] for name, facts in result.summary["bands"].items()} == {
        "Blue": 2,
        "Green": 4,
        "Red": 6,
        "RedEdge": 8,
        "NIR": 9,
    }
    assert result.summary["bands"]["RedEdge"]["described"] == "Red edge"
    assert (result.layer("CLASS")[10:] == mapped.layer("CLASS")[10:]).all()


def test_a_satellites_model_is_refused() -> None:
    with pytest.raises(BadModel, match=r"wants B02, .* an orthomosaic offers Blue, Green, Red, RedEdge, NIR"):
        run(geotiff(BANDS), load_classifier(SHIPPED))


@pytest.mark.parametrize(
    ("bands", "names", "sentence"),
    [
        (BANDS * np.nan, True, "ortho holds no data in all of its five bands."),
        (BANDS * 10000, True, "ortho holds no reflectances: all of its pixels lie outside -0.1 to 1.6."),
        (np.where(np.arange(240) % 4, BANDS, 50).astype(np.float32), True, "25.0 % of its usable reflectances"),
        (BANDS[[0, 1, 2, 4, 3]], False, "does not name its bands, and the fifth is brighter than the fourth"),
    ],
    ids=["nothing", "no reflectances", "many odd pixels", "swapped bands"],
)
def test_what_cannot_be_reflectances_is_refused(
    classifier: Classifier, bands: npt.NDArray[np.float32], names: bool, sentence: str
) -> None:
    data = geotiff(bands, names=("Blue", "Green", "Red", "RedEdge", "NIR") if names else None)
    with pytest.raises(BadProduct) as caught:
        run(data, classifier)
    assert sentence in str(caught.value)


def _integers(scale: float, bands: npt.NDArray[np.float32] = BANDS) -> npt.NDArray[np.uint16]:
    return np.rint(bands * scale).astype(np.uint16)


DARK = BANDS[:, :, 5 * 40 :]  # heavy algae


@pytest.mark.parametrize(
    ("bands", "scale", "sentence"),
    [
        (
            _integers(10000),
            None,
            "holds integers without a scale, and with 32768 for reflectance 1 they seem to be none",
        ),
        (_integers(10000, BANDS[:, :, :40] * 1.3), None, "gdal_edit.py -scale 0.0001 where 10000 is reflectance 1"),
        (_integers(1000), None, "something at or above 0.4 is expected. State it: gdal_edit.py"),
        (_integers(32768, DARK), None, "-scale 0.000030517578125 where 32768 is."),
        (
            _integers(255),
            1 / 32768,
            "holds no reflectances with the scale that it states, or as floating point: 99.5 % of its pixels are",
        ),
        (BANDS / 30, None, "something at or above 0.05 is expected."),
    ],
    ids=["of 10000", "bright of 10000", "of 1000", "dark without a scale", "wrong scale", "floating point"],
)
def test_what_is_too_dark_for_its_scale_is_no_map_of_one_class_but_refused(
    classifier: Classifier, bands: npt.NDArray[Any], scale: float | None, sentence: str
) -> None:
    with pytest.raises(BadProduct) as caught:
        run(geotiff(bands, scales=[scale] * 5 if scale else None), classifier)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("scale", [1 / 32768, 1 / 10000, None], ids=["32768", "10000", "floating point"])
def test_a_dark_place_is_mapped_where_the_scale_is_stated(classifier: Classifier, scale: float | None) -> None:
    data = geotiff(_integers(1 / scale, DARK), scales=[scale] * 5) if scale else geotiff(DARK)
    assert run(data, classifier).outcome.class_percent["HA"] > 90


def test_a_few_saturated_pixels_make_a_dark_place_no_brighter(classifier: Classifier) -> None:
    stored = _integers(10000)
    stored[:, ::20] = 65535
    with pytest.raises(BadProduct, match="holds integers without a scale"):
        run(geotiff(stored), classifier)


def test_progress_ends_with_all_windows(classifier: Classifier) -> None:
    told: list[tuple[int, int]] = []
    data = geotiff(BANDS, tiled=True, blockxsize=64, blockysize=32)
    run(data, classifier, piece=64, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] == len(told) > 1
