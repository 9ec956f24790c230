"""Overviews: what a pixel of the next level says about the four under it."""

from __future__ import annotations

import numpy as np
import pytest

from shared.science.layers import ALBEDO, CLASS, QUALITY, Layer
from shared.science.pyramid import halved, sizes
from shared.science.windows import windows


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
    assert halved(layer, np.array(four, layer.dtype).reshape(2, 2)).tolist() == [[one]]


@pytest.mark.parametrize("layer", [CLASS, ALBEDO, QUALITY])
def test_parts_give_what_the_whole_gives_odd_edges_included(layer: Layer) -> None:
    stored = np.random.default_rng(5).integers(0, 4, (101, 75)).astype(layer.dtype)
    whole = halved(layer, stored)
    assert whole.shape == (51, 38)
    for window in windows(stored.shape, (16, 32)):
        part = halved(layer, stored[window.slices])
        row, column = window.row // 2, window.column // 2
        assert (part == whole[row : row + part.shape[0], column : column + part.shape[1]]).all()


def test_an_odd_edge_is_made_of_what_is_left() -> None:
    assert halved(ALBEDO, np.array([[2, 4, 8]], np.int16)).tolist() == [[3, 8]]


def test_values_that_are_no_whole_numbers_are_not_rounded() -> None:
    grain = Layer("GRAIN", "float32", -9999, "Grain radius", unit="mm")
    stored = np.array([[0.25, 0.5, 0.1, -9999], [0.75, 1.0, -9999, 0.2]], np.float32)
    assert halved(grain, stored).tolist() == [[0.625, pytest.approx(0.15)]]
