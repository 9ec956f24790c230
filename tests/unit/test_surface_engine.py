"""How a product is worked through: which tiles are decoded, and that nothing else decides the result."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.pipeline.surface import Options, Tools, map_surface
from shared.pipeline.surface_ports import Raster
from shared.pipeline.surface_results import Rejected, Summary
from shared.safe import ICE_BANDS
from shared.science.classes import Quality
from shared.science.forest import Classifier
from shared.science.reflectance import Radiometry
from shared.science.surface import classify_window
from shared.science.windows import Georeference, Grid, Window
from tests.small_l2a import PRODUCT, Members, Scene, l2a_files_of

BLOCK = 64
CLASSIFIER = load_classifier()
SCENE = Scene.of_classes(200, 210).with_scl(9, slice(0, 64)).with_scl(3, slice(70, 90))
FILES = l2a_files_of(SCENE, block=BLOCK)


@dataclass(frozen=True)
class Watched:
    """A raster that notes what is read."""

    raster: Raster
    label: str
    reads: list[tuple[str, Window]]

    @property
    def shape(self) -> tuple[int, int]:
        return self.raster.shape

    @property
    def block(self) -> tuple[int, int]:
        return self.raster.block

    @property
    def georeference(self) -> Georeference | None:
        return self.raster.georeference

    def read(self, window: Window) -> npt.NDArray[np.uint16]:
        self.reads.append((self.label.split()[0], window))
        return self.raster.read(window)


class WatchedRasters(GdalRasters):
    """The real rasters, watched."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[str, Window]] = []

    @contextmanager
    def open(self, data: bytes, label: str) -> Iterator[Any]:
        with super().open(data, label) as raster:
            yield Watched(raster, label, self.reads)

    def tiles(self, what: str) -> Counter[tuple[int, int]]:
        """How often each tile of an image was decoded, as (row, column) of tiles."""
        return Counter(
            (row, column)
            for label, window in self.reads
            if label == what
            for row in range(window.row // BLOCK, -(-(window.row + window.height) // BLOCK))
            for column in range(window.column // BLOCK, -(-(window.column + window.width) // BLOCK))
        )


def mapped(
    classifier: Classifier = CLASSIFIER, **options: Any
) -> tuple[Summary | Rejected, dict[str, bytes], WatchedRasters]:
    rasters, emitted = WatchedRasters(), dict[str, bytes]()
    outcome = map_surface(
        Members(FILES),
        PRODUCT,
        classifier,
        tools=Tools(rasters, quicklook),
        options=Options(**({"resolution": 60, "minimum_usable": 0} | options)),
        emit=lambda name, data, _: emitted.update({name: data}),
        clock=lambda: datetime(2024, 8, 1, tzinfo=UTC),
    )
    return outcome, emitted, rasters


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


@pytest.fixture(scope="module")
def whole() -> dict[str, str]:
    return digests(mapped(window=10_000)[1])


@settings(max_examples=8, deadline=None)
@given(window=st.integers(1, 400), threads=st.integers(1, 4))
def test_no_window_and_no_number_of_threads_changes_a_byte(whole: dict[str, str], window: int, threads: int) -> None:
    assert digests(mapped(window=window, threads=threads)[1]) == whole


@pytest.mark.parametrize(("window", "threads"), [(1, 1), (64, 2), (100, 3), (128, 2)])
def test_every_tile_is_decoded_once_whatever_the_window(window: int, threads: int) -> None:
    _, _, rasters = mapped(window=window, threads=threads)
    for image in ("SCL", *ICE_BANDS):
        assert set(rasters.tiles(image).values()) == {1}


@pytest.mark.parametrize("window", [BLOCK, 2 * BLOCK, 1000])
def test_tiles_under_cloud_are_decoded_in_the_masks_only(window: int) -> None:
    _, _, rasters = mapped(window=window)
    assert {row for row, _ in rasters.tiles("SCL")} == {0, 1, 2, 3}
    for band in ICE_BANDS:
        assert {row for row, _ in rasters.tiles(band)} == {1, 2, 3}  # the first row of tiles is cloud


def test_a_rejected_acquisition_decodes_no_band() -> None:
    outcome, emitted, rasters = mapped(minimum_usable=90)
    assert isinstance(outcome, Rejected)
    assert emitted == {}
    assert {label for label, _ in rasters.reads} == {"SCL", "the"}  # "the cloud probability of ..."


@dataclass(frozen=True)
class WestOnly:
    """An ice mask that ends at a column."""

    columns: int
    name: str = "west"

    def on(self, grid: Grid) -> npt.NDArray[np.bool_]:
        return np.broadcast_to(np.arange(grid.columns) < self.columns, grid.shape)


def test_tiles_outside_the_ice_are_not_decoded() -> None:
    _, _, rasters = mapped(window=BLOCK, ice_mask=WestOnly(60))
    assert {column for _, column in rasters.tiles("B11")} == {0}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), offset=st.sampled_from([0, -1000]), share=st.floats(0, 1))
def test_a_pixel_does_not_depend_on_its_neighbours(seed: int, offset: int, share: float) -> None:
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 12000, (len(ICE_BANDS), 9, 11)).astype(np.uint16)
    numbers[random.random(numbers.shape) < 0.01] = 65535
    quality = np.where(random.random((9, 11)) < share, Quality.CLOUD, Quality.CLASSIFIED).astype(np.uint8)
    radiometry = Radiometry((offset,) * len(ICE_BANDS), 10000.0, 0, 65535)
    vote = CLASSIFIER.voter(radiometry)
    together = classify_window(numbers, quality, radiometry, CLASSIFIER, vote=vote)
    for row in range(9):
        alone = classify_window(
            np.ascontiguousarray(numbers[:, row : row + 1]), quality[row : row + 1], radiometry, CLASSIFIER, vote=vote
        )
        for name, layer in together.items():
            assert (alone[name] == layer[row : row + 1]).all()


def test_parts_of_a_window_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(3).integers(900, 9000, (len(ICE_BANDS), 40, 30)).astype(np.uint16)
    quality, radiometry = np.zeros((40, 30), np.uint8), Radiometry((-1000,) * len(ICE_BANDS), 10000.0, 0, 65535)
    whole = classify_window(numbers, quality, radiometry, CLASSIFIER)
    monkeypatch.setattr("shared.science.surface._TOGETHER", 7)
    parts = classify_window(numbers, quality, radiometry, CLASSIFIER)
    assert all((parts[name] == whole[name]).all() for name in whole)
