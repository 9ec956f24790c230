"""Retrievals of a whole product: layers, statistics and provenance, the same for any windows; and off by default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pystac
import pytest
from pystac.validation import validate_dict
from rasterio.io import MemoryFile
from rio_cogeo.cogeo import cog_validate

from local.classify_command import run as classify_here
from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.pipeline.surface import Options, Tools, map_surface
from shared.pipeline.surface_results import Rejected, Summary
from shared.pipeline.surface_retrieval import Retrieval
from shared.safe import ICE_BANDS
from shared.science.layers import CLASS
from shared.science.reflectance import Radiometry
from shared.science.retrieval import RESIDUAL as RESIDUAL_LAYER
from shared.science.retrieval import LookupTable
from shared.science.windows import Window
from tests.fakes import FakeClock
from tests.lookup_tables import content, like, npz, table
from tests.small_l2a import PRODUCT, Members, Scene, l2a_files_of
from tests.stac_extensions import OfflineValidator

STEM = "T22WEV_20240716T151809"
RADIUS, ALGAE, RESIDUAL = (f"{STEM}_RETRIEVED-{name}_60m.tif" for name in ("GRAIN-RADIUS", "ALGAE", "RESIDUAL"))
ZENITHS = (30.0, 48.0)  # the tile's is 46.5


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of_classes(130, 140).with_scl(9, slice(0, 20))


@pytest.fixture(scope="module")
def files(scene: Scene) -> dict[str, bytes]:
    return l2a_files_of(scene)


@pytest.fixture(scope="module")
def lookup(scene: Scene) -> LookupTable:
    return table(**like(scene, zeniths=ZENITHS))


def attempted(
    files: Mapping[str, bytes], lookup: LookupTable | None, **options: Any
) -> tuple[Summary | Rejected, dict[str, bytes]]:
    emitted = dict[str, bytes]()
    outcome = map_surface(
        Members(files),
        PRODUCT,
        load_classifier(),
        tools=Tools(GdalRasters(), quicklook),
        options=Options(**{"resolution": 60, "lookup_table": lookup, **options}),
        emit=lambda name, data, _: emitted.update({name: data}),
        clock=FakeClock(),
    )
    return outcome, emitted


def mapped(files: Mapping[str, bytes], lookup: LookupTable | None, **options: Any) -> tuple[Summary, dict[str, bytes]]:
    outcome, emitted = attempted(files, lookup, **options)
    assert isinstance(outcome, Summary)
    return outcome, emitted


@pytest.fixture(scope="module")
def results(files: dict[str, bytes], lookup: LookupTable) -> dict[str, bytes]:
    return mapped(files, lookup)[1]


def stored(data: bytes) -> npt.NDArray[Any]:
    with MemoryFile(data) as memory, memory.open() as dataset:
        return np.asarray(dataset.read(1))


def by_brute_force(scene: Scene, lookup: LookupTable) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Row of the table and sum of errors (rows, columns) from the scene's own reflectances."""
    pixels = np.rint(np.stack([scene.reflectance[band] for band in ICE_BANDS], axis=-1) * 10000).astype(np.int64)
    assert lookup.sun_zenith is not None
    rows = np.flatnonzero(lookup.sun_zenith == ZENITHS[1])
    spectra = np.rint(lookup.spectra[rows] * 10000).astype(np.int64)
    sums = np.abs(pixels[:, :, None] - spectra).sum(axis=3)
    return rows[sums.argmin(axis=2)], sums.min(axis=2)


def test_every_pixel_with_a_class_has_the_parameters_of_the_nearest_spectrum(
    scene: Scene, lookup: LookupTable, results: dict[str, bytes]
) -> None:
    has_class = stored(results[f"{STEM}_CLASS_60m.tif"]) > 0
    assert 0.5 < has_class.mean() < 0.9
    rows, sums = by_brute_force(scene, lookup)
    for column, name in enumerate((RADIUS, ALGAE)):
        expected = np.where(has_class, lookup.values[rows, column].astype(np.float32), -9999)
        assert (stored(results[name]) == expected).all()
    assert (stored(results[RESIDUAL]) == np.where(has_class, np.rint(sums / 9), 65535)).all()


@pytest.mark.parametrize(("window", "threads"), [(1, 1), (64, 3), (1000, 1)])
def test_results_do_not_depend_on_windows_or_threads(
    files: dict[str, bytes], lookup: LookupTable, results: dict[str, bytes], window: int, threads: int
) -> None:
    assert mapped(files, lookup, window=window, threads=threads)[1] == results


def test_results_do_not_depend_on_how_many_pixels_are_looked_up_together(
    files: dict[str, bytes], lookup: LookupTable, results: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.pipeline.surface_retrieval._TOGETHER", 999)
    assert mapped(files, lookup)[1] == results


def test_a_model_may_have_the_bands_in_another_order_than_the_table() -> None:
    random = np.random.default_rng(5)
    numbers = random.integers(1000, 9000, (len(ICE_BANDS), 4, 5)).astype(np.uint16)
    window, has_class = Window(0, 0, 4, 5), {CLASS.name: np.full((4, 5), 4, np.uint8)}
    found = table(**content(200))
    layers = []
    for turn in range(len(ICE_BANDS)):
        bands = (*ICE_BANDS[turn:], *ICE_BANDS[:turn])
        offsets = Radiometry.of(bands, dict.fromkeys(ICE_BANDS, 0), 10000.0, 0, 65535)
        retrieval = Retrieval.of(found, 45.0, bands, offsets, (4, 5))
        residual = retrieval.added(has_class, window, np.roll(numbers, -turn, axis=0))[RESIDUAL_LAYER.name]
        layers.append([residual, *(retrieval.values(layer, window) for layer in retrieval.layers[:-1])])
    for other in layers[1:]:
        assert all((one == another).all() for one, another in zip(layers[0], other, strict=True))


def test_without_numba_the_results_are_the_same(
    files: dict[str, bytes], lookup: LookupTable, results: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.science.retrieval.compiled", lambda: None)
    assert mapped(files, lookup)[1] == results


def test_the_layers_follow_the_others_and_the_manifest_lists_them(
    files: dict[str, bytes], lookup: LookupTable, results: dict[str, bytes]
) -> None:
    assert list(results)[5:9] == [f"{STEM}_QUALITY_60m.tif", RADIUS, ALGAE, RESIDUAL]
    assert list(results)[-1] == "manifest.json"
    manifest = json.loads(results["manifest.json"])
    assert {RADIUS, ALGAE, RESIDUAL} <= {file["name"] for file in manifest["files"]}
    assert manifest["lookup_table"] == {
        "name": "models/table.npz",
        "sha256": lookup.sha256,
        "spectra": 150,
        "sun_zenith": 48.0,
    }
    assert mapped(files, lookup)[0].files == tuple(results)


def test_a_layer_is_cloud_optimized_and_says_unit_and_nodata(results: dict[str, bytes], tmp_path: Path) -> None:
    for name, dtype, unit, nodata in ((ALGAE, "float32", "ng g-1", -9999), (RESIDUAL, "uint16", "1", 65535)):
        (tmp_path / name).write_bytes(results[name])
        assert cog_validate(tmp_path / name) == (True, [], [])
        with MemoryFile(results[name]) as memory, memory.open() as dataset:
            assert (dataset.dtypes, dataset.units, dataset.nodata) == ((dtype,), (unit,), nodata)
    with MemoryFile(results[RESIDUAL]) as memory, memory.open() as dataset:
        assert dataset.scales == (0.0001,)


def test_the_summary_has_means_over_clean_ice_and_algae(results: dict[str, bytes], lookup: LookupTable) -> None:
    facts = json.loads(results["summary.json"])["retrieval"]
    algal = np.isin(stored(results[f"{STEM}_CLASS_60m.tif"]), (4, 5, 6))
    radius, residual = (stored(results[name])[algal].astype(float) for name in (RADIUS, RESIDUAL))
    assert facts["classes"] == ["CI", "LA", "HA"]
    assert facts["pixels"] == algal.sum()
    assert facts["sun_zenith"] == 46.5
    assert facts["lookup_table"]["sha256"] == lookup.sha256
    expected = {
        "unit": "um",
        "mean": pytest.approx(radius.mean(), rel=1e-5),
        "sd": pytest.approx(radius.std(), rel=1e-5),
    }
    assert facts["parameters"]["grain_radius"] == expected
    assert facts["residual"]["mean"] == pytest.approx(residual.mean() / 10000, abs=1e-5)
    assert facts["residual"]["sd"] == pytest.approx(residual.std() / 10000, abs=1e-5)


def test_without_algal_ice_there_are_no_means(lookup: LookupTable) -> None:
    scene = Scene.of_classes(70, 70)
    snow = {band: np.full(scene.shape, value[0, 0]) for band, value in scene.reflectance.items()}
    files = l2a_files_of(Scene(snow, scene.scl, scene.cloud, scene.truth))
    facts = mapped(files, lookup)[0].document["retrieval"]
    assert facts["pixels"] == 0
    assert facts["parameters"]["grain_radius"] == {"unit": "um", "mean": None, "sd": None}
    assert facts["residual"] == {"mean": None, "sd": None}


def test_the_stac_item_is_valid_and_names_layers_units_and_table(
    results: dict[str, bytes], lookup: LookupTable
) -> None:
    document = json.loads(results[f"{PRODUCT}.json"])
    validate_dict(document, validator=OfflineValidator())
    item = pystac.Item.from_dict(document)
    asset = item.assets["retrieved-grain-radius"]
    assert asset.href == f"./{RADIUS}"
    assert asset.title == "grain_radius of the nearest spectrum of the lookup table"
    (band,) = asset.extra_fields["raster:bands"]
    assert (band["unit"], band["data_type"], band["nodata"]) == ("um", "float32", -9999)
    assert item.properties["icewatch:lookup_table"]["sha256"] == lookup.sha256
    assert item.properties["processing:lineage"].endswith("; parameters of lookup table models/table.npz.")


def test_without_a_table_nothing_tells_of_retrievals(files: dict[str, bytes], results: dict[str, bytes]) -> None:
    summary, plain = mapped(files, None)
    assert set(results) - set(plain) == {RADIUS, ALGAE, RESIDUAL}
    assert "retrieval" not in summary.document
    for name in ("manifest.json", f"{PRODUCT}.json"):
        assert b"lookup" not in plain[name]
    for name in set(plain) - {"manifest.json", "summary.json", f"{PRODUCT}.json"}:
        assert plain[name] == results[name]


def test_the_command_line_takes_a_table(
    files: dict[str, bytes], results: dict[str, bytes], scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in files.items():
        path = tmp_path / PRODUCT.safe / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    lookup = tmp_path / "table.npz"
    lookup.write_bytes(npz(**like(scene, zeniths=ZENITHS)))
    assert classify_here(tmp_path / PRODUCT.safe, tmp_path / "out", resolution=60, lookup=lookup) == 0
    for name in (RADIUS, ALGAE, RESIDUAL):
        assert (tmp_path / "out" / name).read_bytes() == results[name]
    printed = capsys.readouterr().out
    assert "grain_radius" in printed
    assert "mean absolute error" in printed
    lookup.write_bytes(b"no table")
    assert classify_here(tmp_path / PRODUCT.safe, tmp_path / "other", resolution=60, lookup=lookup) == 2
    assert capsys.readouterr().err.startswith("The lookup table table.npz is unreadable: ")
    assert not (tmp_path / "other").exists()


def test_a_table_for_an_orthomosaic_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ortho.tif").write_bytes(b"II*\x00")
    assert classify_here(tmp_path / "ortho.tif", tmp_path / "out", lookup=tmp_path / "x.npz") == 2
    assert capsys.readouterr().err == "A lookup table is for Sentinel-2; a drone's camera has other bands.\n"
