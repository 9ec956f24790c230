"""Overviews: what a pixel of the next level says about the four under it."""

from __future__ import annotations

import numpy as np
import pytest

from shared.science.layers import ALBEDO, CLASS, QUALITY, Layer, Stored
from shared.science.pyramid import halved, pairs, sizes

GRAIN = Layer("GRAIN", "float32", -9999, "Grain radius", unit="mm")


def overview(layer: Layer, stored: Stored) -> Stored:
    """The whole next level."""
    return halved(layer, stored, *map(pairs, stored.shape))


def test_levels_halve_until_one_fits_a_block() -> None:
    assert sizes((5490, 5490), 512) == [(2745, 2745), (1373, 1373), (687, 687), (344, 344)]
    assert sizes((100, 600), 512) == [(50, 300)]
    assert sizes((512, 512), 512) == []


@pytest.mark.parametrize(
    ("layer", "four", "one"),
    [
        (QUALITY, [4, 4, 3, 3], 4),  # as common: the first to be so
        (QUALITY, [4, 3, 3, 4], 3),
        (QUALITY, [4, 3, 7, 0], 4),
        (QUALITY, [4, 3, 7, 4], 4),
        (QUALITY, [3, 4, 7, 4], 4),
        (QUALITY, [3, 7, 4, 4], 4),
        (QUALITY, [3, 4, 4, 7], 4),
        (QUALITY, [7, 0, 0, 0], 0),
        (CLASS, [0, 0, 0, 5], 5),  # no class does not count
        (CLASS, [0, 3, 5, 5], 5),
        (CLASS, [0, 0, 0, 0], 0),
        (ALBEDO, [1, 2, 3, 4], 3),  # halves are rounded up
        (ALBEDO, [-1, -2, -1, -2], -1),
        (ALBEDO, [-32768, 10, -32768, 20], 15),
        (ALBEDO, [-32768, -32768, -32768, 7], 7),
        (ALBEDO, [-32768] * 4, -32768),
    ],
)
def test_four_pixels_become_one(layer: Layer, four: list[int], one: int) -> None:
    assert overview(layer, np.array(four, layer.dtype).reshape(2, 2)).tolist() == [[one]]


def test_of_an_odd_side_two_pairs_share_a_row_and_all_rows_count() -> None:
    assert pairs(6).tolist() == [0, 2, 4]
    assert pairs(5).tolist() == [0, 2, 3]
    assert pairs(1).tolist() == [0]
    for side in range(2, 400):
        starts = pairs(side)
        assert set(starts) | set(starts + 1) == set(range(side))


@pytest.mark.parametrize("side", [5490, 2745, 1373, 1001, 999, 301])
def test_no_level_moves_by_more_than_half_a_pixel_of_its_own(side: int) -> None:
    level: Stored = (np.arange(side, dtype=np.float32) + 0.5)[None, :]
    while level.shape[1] > 64:
        level = overview(GRAIN, level)
        pixel = side / level.shape[1]
        centres = (np.arange(level.shape[1]) + 0.5) * pixel
        assert np.abs(level[0] - centres).max() <= pixel / 2


def test_an_odd_edge_is_made_of_what_is_left() -> None:
    assert overview(ALBEDO, np.array([[2, 4, 8]], np.int16)).tolist() == [[3, 6]]
    assert overview(ALBEDO, np.array([[5], [7], [9]], np.int16)).tolist() == [[6], [8]]
    assert overview(ALBEDO, np.array([[5]], np.int16)).tolist() == [[5]]


def test_values_that_are_no_whole_numbers_are_not_rounded() -> None:
    stored = np.array([[0.25, 0.5, 0.1, -9999], [0.75, 1.0, -9999, 0.2]], np.float32)
    assert overview(GRAIN, stored).tolist() == [[0.625, pytest.approx(0.15)]]


def test_a_mean_is_never_mistaken_for_nodata() -> None:
    (row,) = overview(GRAIN, np.array([[-9998, -10000], [-9998, -10000]], np.float32)).tolist()
    assert row != [-9999]
    assert row == [pytest.approx(-9999)]
