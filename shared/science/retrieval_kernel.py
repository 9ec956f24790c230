"""The walk through a tree of spectra, as `shared.science.machine_code` compiles it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from shared.science import machine_code

Walk = Callable[..., None]  # see `walk`

# Here, because kept machine code is made anew with this file.
HALVINGS = 4
WIDTH = 2**HALVINGS  # boxes of a node, and spectra of a leaf, compared at once
_STACK = 16 * WIDTH  # a tree of 200,000 spectra has five rows, each of which leaves fewer than WIDTH waiting
_ZERO = np.float32(0)
_SIGNATURE = (
    "void(float32[:,::1],float32[:,:,::1],float32[:,:,::1],int32[::1],float32[:,:,::1],int32[:,::1],"
    "int32[::1],float32[::1])"
)


@lru_cache(maxsize=1)
def compiled() -> Walk | None:
    """`walk` as machine code that leaves the interpreter free; None where Numba is missing."""
    # Sums of whole numbers below 2**24 are exact in any order, and nothing is NaN: several may be added at a time.
    return machine_code.compiled(walk, _SIGNATURE, fastmath={"reassoc", "nsz", "nnan"})


def walk(  # noqa: PLR0912, PLR0917  # one loop for Numba, which takes arguments by position
    numbers: npt.NDArray[np.float32],
    low: npt.NDArray[np.float32],
    high: npt.NDArray[np.float32],
    child: npt.NDArray[np.int32],
    spectra: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int32],
    winner: npt.NDArray[np.int32],
    total: npt.NDArray[np.float32],
) -> None:
    """Fill ``winner`` and ``total`` (pixels,) for ``numbers`` (pixels, bands) by the arrays of SpectraTree.

    Neighbouring pixels look alike: the leaf that won last is looked at first, so that most boxes are too far away from
    the start. It changes nothing but the time: a box that is exactly as far as the best is opened, and of spectra that
    are equally near the lowest row wins.
    """
    pixels, bands = numbers.shape
    nodes, width = len(child), rows.shape[1]  # WIDTH; as a constant, loops are unrolled instead of vectorised
    waiting, distance = np.empty(_STACK, np.int64), np.empty(_STACK, np.float32)
    sums = np.empty(WIDTH, np.float32)
    last = nodes  # the leaf that won last
    for pixel in range(pixels):
        best, row, won = np.float32(np.inf), rows[0, 0], last
        waiting[0], distance[0] = 0, _ZERO  # the root
        waiting[1], distance[1] = last, _ZERO
        depth = 2
        while depth:
            depth -= 1
            if distance[depth] > best:
                continue
            node = waiting[depth]
            sums[:] = _ZERO
            if node < nodes:
                for band in range(bands):
                    x = numbers[pixel, band]
                    for one in range(width):
                        sums[one] += max(low[node, band, one] - x, x - high[node, band, one], _ZERO)
                top, least = depth, best
                for one in range(width):
                    if sums[one] <= best:
                        waiting[depth], distance[depth] = child[node] + one, sums[one]
                        if sums[one] <= least:
                            top, least = depth, sums[one]
                        depth += 1
                if depth > top:  # the nearest is opened next
                    waiting[top], waiting[depth - 1] = waiting[depth - 1], waiting[top]
                    distance[top], distance[depth - 1] = distance[depth - 1], distance[top]
            else:
                leaf = node - nodes
                for band in range(bands):
                    x = numbers[pixel, band]
                    for one in range(width):
                        sums[one] += abs(spectra[leaf, band, one] - x)
                for one in range(width):
                    if sums[one] < best or (sums[one] == best and rows[leaf, one] < row):
                        best, row, won = sums[one], rows[leaf, one], node
        winner[pixel], total[pixel] = row, best
        last = won
