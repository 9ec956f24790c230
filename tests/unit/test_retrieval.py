"""The nearest spectrum of a lookup table: by whichever way it is looked for, the one that comparing all would find."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.safe import ICE_BANDS
from shared.science.retrieval import STEPS, Inverter, LookupTable, Parameter, whole
from shared.science.retrieval_kernel import WIDTH, compiled
from shared.science.retrieval_tree import SpectraTree
from tests.lookup_tables import content, table

BANDS = len(ICE_BANDS)


def of_numbers(spectra: npt.NDArray[np.int32]) -> Inverter:
    """An inverter of spectra in 1/10000 of reflectance; the only parameter is the row."""
    rows = np.arange(len(spectra), dtype=np.float64)[:, None]
    return LookupTable("x", "0" * 64, (Parameter("row", "1"),), rows, spectra / STEPS).inverter(None)


def brute_force(numbers: npt.NDArray[np.int32], spectra: npt.NDArray[np.int32]) -> tuple[list[int], list[int]]:
    """Rows and sums in long whole numbers, each pixel against every spectrum."""
    sums = np.abs(numbers[:, None].astype(np.int64) - spectra).sum(axis=2)
    return sums.argmin(axis=1).tolist(), sums.min(axis=1).tolist()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.sampled_from([1, 2, WIDTH, WIDTH + 1, 2 * WIDTH + 1, 500]),
    values=st.sampled_from([2, 5, 17_000]),  # of few values, most distances occur several times
    beyond=st.booleans(),
)
def test_every_way_finds_what_comparing_all_finds_ties_included(
    seed: int, count: int, values: int, beyond: bool
) -> None:
    random = np.random.default_rng(seed)
    spectra = random.integers(0, values, (count, BANDS)).astype(np.int32) - (1000 if values > 5 else 0)
    numbers = random.integers(0, values, (50, BANDS)).astype(np.int32)
    numbers[:10] = spectra[random.integers(0, count, 10)]  # no error at all
    if beyond:  # farther from all spectra than any reflectance can be
        numbers[10:20] = random.choice(np.array([-65_535, 65_535], np.int32), (10, BANDS))
    inverter = of_numbers(spectra)
    rows, sums = brute_force(numbers, spectra)
    for found in (inverter.nearest(numbers), inverter.plainly(numbers)):
        assert (found.rows.tolist(), found.sums.tolist()) == (rows, sums)


def test_a_large_table_of_neighbouring_spectra_is_searched_exactly() -> None:
    random = np.random.default_rng(4)
    shares = random.random((5000, 3))
    spectra = whole(shares @ random.uniform(0, 0.4, (3, BANDS)))  # on a plane, as modelled spectra are
    numbers = spectra[random.integers(0, 5000, 800)] + random.integers(-300, 301, (800, BANDS), np.int32)
    inverter = of_numbers(spectra)
    fast, plain = inverter.nearest(numbers), inverter.plainly(numbers)
    assert (fast.rows == plain.rows).all()
    assert (fast.sums == plain.sums).all()


def test_of_spectra_that_are_equally_near_the_lowest_row_wins() -> None:
    spectra = np.full((100, BANDS), 5000, np.int32)
    spectra[40:, 0] += 7  # as far above as the pixel is below
    numbers = np.full((3, BANDS), 5000, np.int32)
    numbers[1, 0], numbers[2, 0] = 5007, 5100
    found = of_numbers(spectra).nearest(numbers)
    assert found.rows.tolist() == [0, 40, 40]
    assert found.sums.tolist() == [0, 0, 93]


def test_an_answer_does_not_depend_on_the_company_or_the_order() -> None:
    random = np.random.default_rng(5)
    spectra = random.integers(0, 12, (400, BANDS)).astype(np.int32)
    numbers = random.integers(0, 12, (300, BANDS)).astype(np.int32)
    inverter = of_numbers(spectra)
    together = inverter.nearest(numbers).rows
    assert (inverter.nearest(numbers[::-1]).rows[::-1] == together).all()
    assert [int(inverter.nearest(one[None]).rows[0]) for one in numbers] == together.tolist()


def test_no_pixels_are_no_answers() -> None:
    found = of_numbers(np.zeros((5, BANDS), np.int32)).nearest(np.empty((0, BANDS), np.int32))
    assert len(found.rows) == len(found.sums) == 0


def test_where_numba_is_missing_all_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.science.retrieval.compiled", lambda: None)
    spectra = np.random.default_rng(6).integers(0, 9000, (60, BANDS)).astype(np.int32)
    inverter = of_numbers(spectra)
    assert inverter.tree is None
    assert inverter.nearest(spectra).rows.tolist() == list(range(60))


def test_the_kernel_is_compiled_here() -> None:
    assert compiled() is not None


@pytest.mark.parametrize("count", [1, WIDTH, WIDTH + 1, 300, 1000, 5000])
def test_a_tree_holds_every_spectrum_once_inside_its_boxes(count: int) -> None:
    spectra = np.random.default_rng(7).integers(-1000, 16_000, (count, BANDS)).astype(np.int32)
    tree = SpectraTree.of(spectra)
    held = tree.rows[tree.rows < count]
    assert sorted(held.tolist()) == list(range(count))
    for leaf, rows in enumerate(tree.rows):
        mine = spectra[rows[rows < count]]
        assert (tree.spectra[leaf].T[rows < count] == mine).all()
        inside = len(tree.child) + leaf
        while inside:  # up to the root
            node = int(np.searchsorted(tree.child, inside, side="right")) - 1
            place = inside - tree.child[node]
            assert (tree.low[node, :, place] <= mine).all()
            assert (mine <= tree.high[node, :, place]).all()
            inside = node


def test_the_residual_is_the_mean_absolute_error() -> None:
    found = of_numbers(np.zeros((1, BANDS), np.int32)).nearest(np.arange(BANDS, dtype=np.int32)[None] * 100)
    assert found.residual() == pytest.approx(0.04)


@pytest.mark.parametrize(("tile", "chosen"), [(10, 40), (50, 40), (50.1, 60), (60, 60), (89, 75)])
def test_the_nearest_of_the_tables_sun_zenith_angles_is_taken_the_lower_of_two(tile: float, chosen: float) -> None:
    found = table(**content(zeniths=(60, 40, 75)))
    assert found.zenith_near(tile) == chosen


def test_only_spectra_of_the_chosen_sun_zenith_angle_are_looked_at() -> None:
    found = table(**content(30, zeniths=(60, 40, 75)))
    inverter = found.inverter(40)
    assert len(inverter.spectra) == 10
    nearest = inverter.nearest(whole(found.spectra[1::3]))
    assert (inverter.values[nearest.rows] == found.values[1::3].astype(np.float32)).all()
    assert not nearest.sums.any()


def test_a_table_without_sun_zenith_angles_is_looked_at_as_a_whole() -> None:
    found = table(**content(30))
    assert found.zenith_near(50) is None
    assert len(found.inverter(None).spectra) == 30
