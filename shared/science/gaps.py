"""Gaps in a time series of maps, filled from the dates before and after; nothing is made up beyond the first or last.

Arrays are (time, row, column); ``days`` are the times in ascending order, in any unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Bool = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]
_Index = npt.NDArray[np.int16]


def fill_linear(values: npt.NDArray[np.float32], days: Floats) -> npt.NDArray[np.float32]:
    """``values`` with NaN replaced by what a straight line through the neighbours in time gives."""
    before, after, inside = _neighbours(np.isfinite(values))
    start, end = _at(values, before), _at(values, after)
    share = _share(days, before, after)
    return np.where(inside, start + (end - start) * share, values).astype(np.float32)


def fill_nearest(codes: npt.NDArray[np.uint8], days: Floats, *, nodata: int) -> npt.NDArray[np.uint8]:
    """``codes`` with ``nodata`` replaced by the code of the date nearest in time; the earlier of two equally near."""
    before, after, inside = _neighbours(codes != nodata)
    nearest = np.where(_share(days, before, after) <= 0.5, _at(codes, before), _at(codes, after))
    return np.where(inside, nearest, codes).astype(np.uint8)


def _neighbours(known: Bool) -> tuple[_Index, _Index, Bool]:
    """For each cell the last known time up to it, the first from it on, and whether it is a gap between two."""
    count = known.shape[0]
    numbers = np.arange(count, dtype=np.int16)[:, None, None]
    before = np.maximum.accumulate(np.where(known, numbers, np.int16(-1)), axis=0)
    after = np.minimum.accumulate(np.where(known, numbers, np.int16(count))[::-1], axis=0)[::-1]
    inside = ~known & (before >= 0) & (after < count)
    return np.maximum(before, 0), np.minimum(after, count - 1), inside


def _at(values: npt.NDArray[Any], index: _Index) -> npt.NDArray[Any]:
    return np.take_along_axis(values, index.astype(np.intp), axis=0)


def _share(days: Floats, before: _Index, after: _Index) -> npt.NDArray[np.float32]:
    """How far each time lies between its neighbours, 0 to 1; 0 where both are the same."""
    span = days[after] - days[before]
    gone = days[:, None, None] - days[before]
    return np.divide(gone, span, out=np.zeros(span.shape), where=span > 0).astype(np.float32)
