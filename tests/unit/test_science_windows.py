from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.science.windows import Grid, Thinning, Window, aligned, windows

sizes = st.integers(1, 70)


@given(rows=sizes, columns=sizes, size=st.tuples(sizes, sizes))
def test_windows_cover_every_pixel_once(rows: int, columns: int, size: tuple[int, int]) -> None:
    seen = np.zeros((rows, columns), int)
    for window in windows((rows, columns), size):
        seen[window.slices] += 1
    assert (seen == 1).all()


@given(rows=sizes, columns=sizes, size=st.tuples(sizes, sizes), longest=st.integers(1, 40))
def test_thinning_by_windows_equals_thinning_the_whole(
    rows: int, columns: int, size: tuple[int, int], longest: int
) -> None:
    whole = np.arange(rows * columns).reshape(rows, columns)
    thinning = Thinning.to_fit(whole.shape, longest)
    small = np.full(thinning.shape(whole.shape), -1)
    for window in windows(whole.shape, size):
        small[thinning.place(window)] = whole[window.slices][thinning.pick(window)]
    assert (small == whole[:: thinning.step, :: thinning.step]).all()
    assert max(small.shape) <= longest


@pytest.mark.parametrize(("block", "target", "side"), [(192, 640, 576), (640, 640, 640), (1024, 640, 1024)])
def test_windows_hold_whole_blocks(block: int, target: int, side: int) -> None:
    assert aligned((block, 64), target) == (side, target // 64 * 64)


def test_a_grid_knows_its_bounds_and_pixel_area() -> None:
    grid = Grid(32622, 500000, 7500000, 20, 10, 30)
    assert grid.bounds == (500000, 7499800, 500600, 7500000)
    assert grid.pixel_km2 == pytest.approx(0.0004)


@pytest.mark.parametrize("sizes", [(0, 1, 10.0), (1, 0, 10.0), (1, 1, 0.0)])
def test_an_impossible_grid_is_refused(sizes: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Grid(32622, 0, 0, sizes[2], sizes[0], sizes[1])


def test_an_impossible_window_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Window(0, 0, 0, 5)
