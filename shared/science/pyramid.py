"""Overviews of a layer: each level has half the rows and columns of the one before, every pixel made of 2 x 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.science.layers import Layer, Stored


def sizes(shape: tuple[int, int], smallest: int) -> list[tuple[int, int]]:
    """Rows and columns of each overview of ``shape``, down to the first of at most ``smallest`` pixels a side."""
    found: list[tuple[int, int]] = []
    while max(shape) > smallest:
        shape = -(-shape[0] // 2), -(-shape[1] // 2)
        found.append(shape)
    return found


def halved(layer: Layer, stored: Stored) -> Stored:
    """The next overview of ``stored`` (rows, columns), or of a part of it that begins on even rows and columns.

    Of codes the commonest of the four, of several as common the one that is first to be so; of values their mean,
    halves of whole numbers rounded up. Pixels of nodata do not count, and four of them remain nodata. As GDAL does with
    MODE and AVERAGE, save that a pixel at an odd edge is made of the two or the one that are left.
    """
    rows, columns = stored.shape
    if (stored == stored[0, 0]).all():  # mostly nodata
        return np.full((-(-rows // 2), -(-columns // 2)), stored[0, 0])
    padded = np.pad(stored, ((0, rows % 2), (0, columns % 2)), "edge")  # twice the same changes nothing
    four = [np.ascontiguousarray(padded[row::2, column::2]) for row in (0, 1) for column in (0, 1)]
    return _commonest(four, layer.nodata) if layer.categories else _mean(four, layer.nodata)


def _commonest(four: list[Stored], nodata: int | None) -> Stored:
    a, b, c, d = four
    first, second, third = a == b, (c == a) | (c == b), (d == a) | (d == b) | (d == c)
    result: Stored = a
    if nodata is not None:
        first, second, third = first & (a != nodata), second & (c != nodata), third & (d != nodata)
        for other in (b, c, d):
            result = np.where(result == nodata, other, result)
    result = np.where(third, d, result)
    result = np.where(second, c, result)
    return np.asarray(np.where(first, a, result))


def _mean(four: list[Stored], nodata: int | None) -> Stored:
    """In single precision, which holds four numbers of 16 bits and their mean without rounding a half away."""
    values = [one.astype(np.float32) for one in four]
    valid: list[npt.NDArray[np.bool_]] = [one != nodata for one in four]
    if all(one.all() for one in valid):
        return _rounded((values[0] + values[1] + values[2] + values[3]) * np.float32(0.25), four[0].dtype)
    total, count = np.zeros_like(values[0]), np.zeros_like(values[0])
    for one, is_valid in zip(values, valid, strict=True):
        total += np.where(is_valid, one, np.float32(0))
        count += is_valid
    mean = np.where(count > 0, total / np.maximum(count, np.float32(1)), np.float32(nodata or 0))
    return _rounded(mean, four[0].dtype)


def _rounded(mean: npt.NDArray[np.float32], dtype: np.dtype[Any]) -> Stored:
    whole = mean if np.issubdtype(dtype, np.floating) else np.floor(mean + np.float32(0.5))
    return np.asarray(whole.astype(dtype))
