"""The inner loop over bit vectors, as `shared.science.machine_code` compiles it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from shared.science import machine_code
from shared.science.forest_bits import DE_BRUIJN, GROUP, Kernel

_SPREAD, _SHIFT, _EVERY = np.uint64(DE_BRUIJN), np.uint64(58), np.uint64(2**64 - 1)
_BLOCK = 128  # pixels whose words are held between the two passes
_SIGNATURE = (
    "void(uint16[:,::1],uint16[:,::1],uint64[:,::1],float64[:,:,:,::1],int64,uint8[::1],float64[::1],float64[::1])"
)


@lru_cache(maxsize=1)
def compiled() -> Kernel | None:
    """`evaluate` as machine code that leaves the interpreter free; None where Numba is missing.

    The first call in a process takes a second or two without a kept copy: long enough to make it beside other work.
    """
    return machine_code.compiled(evaluate, _SIGNATURE)


def evaluate(  # noqa: PLR0912, PLR0917  # one loop for Numba, which takes arguments by position
    numbers: npt.NDArray[np.uint16],
    row: npt.NDArray[np.uint16],
    words: npt.NDArray[np.uint64],
    shares: npt.NDArray[np.float64],
    classes: int,
    winner: npt.NDArray[np.uint8],
    share: npt.NDArray[np.float64],
    margin: npt.NDArray[np.float64],
) -> None:
    """Fill ``winner``, ``share`` and ``margin`` (pixels,) for ``numbers`` (bands, pixels) by the tables of BitVectors.

    Shares are added tree by tree in double precision and divided at the end, as scikit-learn does with one thread:
    the sums, and with them ties, are the same to the last bit.
    """
    bands, pixels = numbers.shape
    trees, groups = words.shape[1], shares.shape[0]
    possible = np.empty((_BLOCK, trees), np.uint64)
    mean = np.empty((_BLOCK, groups * GROUP))
    last = bands - 1
    for start in range(0, pixels, _BLOCK):
        block = min(_BLOCK, pixels - start)
        # Each pass over the block keeps one table in the cache: first the words, then the shares.
        for one in range(block):
            pixel = start + one
            for tree in range(trees):
                possible[one, tree] = _EVERY
            for band in range(0, bands, 9):  # nine rows in one pass; a band that comes twice changes nothing
                r0 = row[band, numbers[band, pixel]]
                r1 = row[min(band + 1, last), numbers[min(band + 1, last), pixel]]
                r2 = row[min(band + 2, last), numbers[min(band + 2, last), pixel]]
                r3 = row[min(band + 3, last), numbers[min(band + 3, last), pixel]]
                r4 = row[min(band + 4, last), numbers[min(band + 4, last), pixel]]
                r5 = row[min(band + 5, last), numbers[min(band + 5, last), pixel]]
                r6 = row[min(band + 6, last), numbers[min(band + 6, last), pixel]]
                r7 = row[min(band + 7, last), numbers[min(band + 7, last), pixel]]
                r8 = row[min(band + 8, last), numbers[min(band + 8, last), pixel]]
                for tree in range(trees):
                    low = words[r0, tree] & words[r1, tree] & words[r2, tree] & words[r3, tree] & words[r4, tree]
                    possible[one, tree] &= low & words[r5, tree] & words[r6, tree] & words[r7, tree] & words[r8, tree]
        for group in range(groups):
            for one in range(block):
                a = b = c = d = e = f = 0.0  # sums that stay in registers
                for tree in range(trees):
                    slot = (possible[one, tree] * _SPREAD) >> _SHIFT
                    a += shares[group, tree, slot, 0]
                    b += shares[group, tree, slot, 1]
                    c += shares[group, tree, slot, 2]
                    d += shares[group, tree, slot, 3]
                    e += shares[group, tree, slot, 4]
                    f += shares[group, tree, slot, 5]
                for index, total in enumerate((a, b, c, d, e, f)):
                    mean[one, group * GROUP + index] = total / trees
        for one in range(block):
            best, second, first = mean[one, 0], -1.0, 0
            for index in range(1, classes):
                if mean[one, index] > best:
                    best, second, first = mean[one, index], best, index
                elif mean[one, index] > second:
                    second = mean[one, index]
            winner[start + one], share[start + one], margin[start + one] = first, best, best - second
