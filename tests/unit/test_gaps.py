"""Gaps in time are filled between two observations and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shared.science.gaps import fill_linear, fill_nearest

NAN = np.nan


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None, None]


def codes(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)[:, None, None]


@pytest.mark.parametrize(
    ("values", "days", "filled"),
    [
        ([1, NAN, 3], [0, 1, 2], [1, 2, 3]),
        ([1, NAN, NAN, 5], [0, 1, 3, 4], [1, 2, 4, 5]),  # by time, not by number
        ([NAN, 1, NAN], [0, 1, 2], [NAN, 1, NAN]),  # nothing beyond the first and last
        ([NAN, NAN], [0, 1], [NAN, NAN]),
        ([1], [0], [1]),
        ([0, NAN, 4, NAN, 2], [0, 1, 2, 3, 4], [0, 2, 4, 3, 2]),
    ],
)
def test_a_line_through_the_neighbours_in_time(values, days, filled):
    found = fill_linear(column(*values), np.array(days, float))
    np.testing.assert_allclose(found[:, 0, 0], filled, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "days", "filled"),
    [
        ([1, 0, 4], [0, 1, 3], [1, 1, 4]),
        ([1, 0, 4], [0, 2, 3], [1, 4, 4]),
        ([1, 0, 4], [0, 1, 2], [1, 1, 4]),  # equally near: the earlier
        ([0, 2, 0], [0, 1, 2], [0, 2, 0]),
        ([0, 0], [0, 1], [0, 0]),
        ([3, 0, 0, 0, 5], [0, 1, 2, 3, 4], [3, 3, 3, 5, 5]),
    ],
)
def test_the_class_of_the_nearest_date(values, days, filled):
    assert fill_nearest(codes(*values), np.array(days, float), nodata=0)[:, 0, 0].tolist() == filled


def test_every_cell_has_a_series_of_its_own():
    values = np.array([[[1, NAN]], [[NAN, NAN]], [[3, 7]]], np.float32)
    found = fill_linear(values, np.array([0.0, 1.0, 2.0]))
    np.testing.assert_array_equal(found, np.array([[[1, NAN]], [[2, NAN]], [[3, 7]]], np.float32))


@given(arrays(np.float32, (6, 2, 3), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, NAN])))
def test_what_was_observed_stays_and_what_is_filled_lies_between(values):
    days = np.array([0, 1, 5, 6, 20, 21], float)
    found = fill_linear(values, days)
    known = np.isfinite(values)
    np.testing.assert_array_equal(found[known], values[known])
    for series, filled in zip(values.reshape(6, -1).T, found.reshape(6, -1).T, strict=True):
        seen = np.flatnonzero(np.isfinite(series))
        inside = (np.arange(6) >= seen.min()) & (np.arange(6) <= seen.max()) if seen.size else np.zeros(6, bool)
        np.testing.assert_array_equal(np.isfinite(filled), inside)
        if seen.size:
            kept = filled[inside]
            assert kept.min() >= series[seen].min() - 1e-6
            assert kept.max() <= series[seen].max() + 1e-6
