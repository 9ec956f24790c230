"""What retrievals may cost, and tables that would give a map of next to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.errors import BadModel
from shared.pipeline.surface import Options, Tools, map_surface
from shared.pipeline.surface_ports import LayerWriter
from shared.pipeline.surface_results import Rejected
from shared.science.layers import Layer, Stored
from shared.science.orthomosaic import Placed
from shared.science.retrieval import Inverter, LookupTable
from shared.science.windows import Window
from tests.fakes import FakeClock
from tests.lookup_tables import content, like, table
from tests.small_l2a import PRODUCT, Members, Scene, l2a_files_of
from tests.unit.test_surface_retrieval import attempted, mapped


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.of_classes(70, 80).with_scl(9, slice(0, 20))


@pytest.fixture(scope="module")
def files(scene: Scene) -> dict[str, bytes]:
    return l2a_files_of(scene)


@dataclass(frozen=True, slots=True)
class Unasked(LookupTable):
    """A table of which nobody may ask anything."""

    def inverter(self, zenith: float | None) -> Inverter:
        raise AssertionError(f"made ready for {zenith}")


def test_a_rejected_acquisition_does_not_wait_for_the_table(files: dict[str, bytes]) -> None:
    lookup = table(**content(40))
    unasked = Unasked(lookup.name, lookup.sha256, lookup.parameters, lookup.values, lookup.spectra, lookup.sun_zenith)
    outcome, emitted = attempted(files, unasked, minimum_usable=100)
    assert isinstance(outcome, Rejected)
    assert emitted == {}


@dataclass(frozen=True)
class CountedWriter:
    writer: LayerWriter
    rasters: CountedRasters

    def write(self, window: Window, numbers: Stored) -> None:
        self.writer.write(window, numbers)

    def finish(self) -> bytes:
        self.rasters.begun += 1
        return self.writer.finish()


class CountedRasters(GdalRasters):
    """The real rasters, which count the layers in the making."""

    def __init__(self) -> None:
        super().__init__()
        self.grown: list[str] = []
        self.grown_before_the_first_was_finished = 0
        self.begun = 0  # files

    @contextmanager
    def create(self, layer: Layer, grid: Placed, *, block: tuple[int, int]) -> Iterator[Any]:
        self.grown.append(layer.name)
        self.grown_before_the_first_was_finished += not self.begun
        with super().create(layer, grid, block=block) as writer:
            yield CountedWriter(writer, self)


@pytest.mark.parametrize("parameters", [2, 7])
def test_memory_holds_the_usual_layers_and_the_residual_whatever_the_number_of_parameters(
    files: dict[str, bytes], scene: Scene, parameters: int
) -> None:
    names = [f"p{number}" for number in range(parameters)]
    arrays = like(scene) | {"parameters": np.array(names), "units": np.full(parameters, "1")}
    arrays["values"] = np.random.default_rng(6).uniform(0, 1, (300, parameters))
    rasters, ahead, published = CountedRasters(), list[int](), list[str]()

    def emit(name: str, data: bytes, content_type: str) -> None:
        published.append(name)
        ahead.append(rasters.begun - len(published))

    map_surface(
        Members(files),
        PRODUCT,
        load_classifier(),
        tools=Tools(rasters, quicklook),
        options=Options(resolution=60, lookup_table=table(**arrays), threads=2),
        emit=emit,
        clock=FakeClock(),
    )
    assert len(rasters.grown) == 7 + parameters
    assert rasters.grown_before_the_first_was_finished == 7
    assert max(ahead) <= 1  # files made while another is emitted


@pytest.mark.parametrize(
    ("zeniths", "sentence"),
    [
        ([46.0] * 9 + [60.0] * 291, "has only 9 of its 300 spectra at 46.0 degrees"),
        ([40 + number / 100 for number in range(300)], "has only 1 of its 300 spectra at 42.99 degrees"),
    ],
)
def test_a_table_with_next_to_no_spectra_for_the_sun_is_refused(
    files: dict[str, bytes], scene: Scene, zeniths: list[float], sentence: str
) -> None:
    sparse = table(**like(scene) | {"sun_zenith": np.array(zeniths)})
    expected = rf"^The lookup table models/table\.npz {sentence}, .* expected 10 at least\. .*the same number\.$"
    with pytest.raises(BadModel, match=expected):
        attempted(files, sparse)


@pytest.mark.parametrize("zeniths", [[46.0] * 10 + [60.0] * 290, [46.0] * 300])
def test_a_table_with_ten_spectra_for_the_sun_will_do(
    files: dict[str, bytes], scene: Scene, zeniths: list[float]
) -> None:
    found = table(**like(scene) | {"sun_zenith": np.array(zeniths)})
    assert mapped(files, found)[0].document["retrieval"]["lookup_table"]["spectra"] == zeniths.count(46.0)


def test_a_table_that_is_small_altogether_may_have_few_spectra_for_the_sun(files: dict[str, bytes]) -> None:
    assert mapped(files, table(**content(3, zeniths=(46,))))[0].document["retrieval"]["lookup_table"]["spectra"] == 3
