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


def pairs(side: int) -> npt.NDArray[np.intp]:
    """The first of the two rows (or columns) of a raster with ``side`` of them that make each one of its overview.

    A reader spreads the overview over the whole extent. Of an odd side the pairs are therefore spread likewise, and
    two of them share a row: so that no level moves by more than half a pixel, and levels do not add up to one side.
    """
    coarse = -(-side // 2)
    starts = np.rint(np.arange(coarse) * (side / coarse)).astype(np.intp)
    return np.asarray(np.clip(starts, 0, max(side - 2, 0)))


def halved(layer: Layer, stored: Stored, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Stored:
    """The next overview of ``stored`` (rows, columns), of which ``rows`` and ``columns`` are the pairs, or of a part.

    Of codes the commonest of the four, of several as common the one that is first to be so; of values their mean,
    halves of whole numbers rounded up. Pixels of nodata do not count, and four of them remain nodata. Of even sides
    as GDAL does with MODE and AVERAGE; of odd ones GDAL weighs three pixels by how far each lies under the new one.
    """
    if (stored == stored[0, 0]).all():  # mostly nodata
        return np.full((len(rows), len(columns)), stored[0, 0])
    lower, right = min(1, stored.shape[0] - 1), min(1, stored.shape[1] - 1)  # of one row both are the same
    four = [
        np.ascontiguousarray(stored[_picked(rows + row)][:, _picked(columns + column)])
        for row in (0, lower)
        for column in (0, right)
    ]
    return _commonest(four, layer.nodata) if layer.categories else _mean(four, layer.nodata)


def _picked(numbers: npt.NDArray[np.intp]) -> slice | npt.NDArray[np.intp]:
    """Every second row as a slice, which is faster than by number."""
    first, last = int(numbers[0]), int(numbers[-1])
    is_regular = last - first == 2 * (len(numbers) - 1) and (np.diff(numbers) == 2).all()
    return slice(first, last + 1, 2) if is_regular else numbers


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
        return _rounded((values[0] + values[1] + values[2] + values[3]) * np.float32(0.25), four[0].dtype, nodata)
    total, count = np.zeros_like(values[0]), np.zeros_like(values[0])
    for one, is_valid in zip(values, valid, strict=True):
        total += np.where(is_valid, one, np.float32(0))
        count += is_valid
    mean = _rounded(total / np.maximum(count, np.float32(1)), four[0].dtype, nodata)
    return np.asarray(np.where(count > 0, mean, mean.dtype.type(nodata or 0)))


def _rounded(mean: npt.NDArray[np.floating], dtype: np.dtype[Any], nodata: int | None) -> Stored:
    """As numbers of ``dtype``; a mean that happens to be ``nodata``, as whole numbers' cannot be, becomes the next."""
    if not np.issubdtype(dtype, np.floating):
        return np.asarray(np.floor(mean + np.float32(0.5)).astype(dtype))
    value = mean.astype(dtype)
    return value if nodata is None else np.where(value == nodata, np.nextafter(value, np.float32(0)), value)
