"""A forest turned into bit vectors over digital numbers: exact, and a few table look-ups per pixel.

The idea is QuickScorer's (Lucchese et al. 2015, doi 10.1145/2766462.2767733): a 64-bit word per tree has one bit per
leaf, each decision clears the bits of the leaves it rules out, and the bit that is left is the leaf. Here a feature is
a digital number, so all decisions on one band are known beforehand: the thresholds of a band cut the 65536 digital
numbers into bins, and for each bin there is one ready-made word per tree. A pixel takes one row of words per band and
ANDs them. Offset and quantification are in the bins; the reflectances themselves are never computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.science.reflectance import Radiometry
from shared.science.trees import LEAF, Trees

WORD = 64  # bits, hence leaves of the largest tree
GROUP = 6  # classes whose shares the kernel adds up at once: those of the ice surface
# One multiplication sends each of the 64 words with a single bit to a number of its own, 0-63, in its upper six bits:
# a de Bruijn sequence (Leiserson, Prokop and Randall 1998).
DE_BRUIJN = 0x03F79D71B4CB0A89
_ALL = (1 << WORD) - 1
_MOST_BYTES = 64 * 1024 * 1024  # of the words; beyond, look-ups miss the caches and the plain way is no slower
_MOST_ROWS = 65536  # their numbers fit 16 bits, and more of them a cache
_SLOT = np.array([((DE_BRUIJN << bit) & _ALL) >> 58 for bit in range(WORD)])

Found = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], npt.NDArray[np.float64]]
Kernel = Callable[..., None]  # see `shared.science.forest_kernel.evaluate`


@dataclass(frozen=True, slots=True)
class BitVectors:
    """A forest for digital numbers of one radiometry."""

    row: npt.NDArray[np.uint16]  # (bands, 65536): the row of `words` for a digital number of a band
    words: npt.NDArray[np.uint64]  # (rows, trees): the leaves that are still possible
    shares: npt.NDArray[np.float64]  # (groups of classes, trees, slots, GROUP): of the leaf in a slot of a tree
    classes: int

    @classmethod
    def of(cls, trees: Trees, radiometry: Radiometry) -> BitVectors | None:
        """The same forest; None where a tree has more than 64 leaves or the tables would be very large."""
        rows = np.count_nonzero(trees.left != LEAF) + len(radiometry.offsets)
        if trees.largest > WORD or rows > _MOST_ROWS or rows * trees.count * 8 > _MOST_BYTES:
            return None
        masks = _Masks.of(trees)
        row, words = _tables(trees, radiometry, masks)
        return cls(row, words, _slotted(trees, masks), trees.classes)

    def run(self, kernel: Kernel, numbers: npt.NDArray[np.uint16]) -> Found:
        """Winner, its share and its margin, each (pixels,), for digital numbers (bands, pixels)."""
        pixels = numbers.shape[1]
        winner, share, margin = np.empty(pixels, np.uint8), np.empty(pixels), np.empty(pixels)
        kernel(numbers, self.row, self.words, self.shares, self.classes, winner, share, margin)
        return winner, share, margin


@dataclass(frozen=True, slots=True)
class _Masks:
    """The leaves of all trees as bits; arrays are (nodes,) over all trees."""

    tree: npt.NDArray[np.int64]  # which tree a node belongs to
    bit: npt.NDArray[np.int64]  # a leaf's number in its tree
    under: npt.NDArray[np.uint64]  # the leaves under a node

    @classmethod
    def of(cls, trees: Trees) -> _Masks:
        tree = np.repeat(np.arange(trees.count), np.diff(trees.starts))
        is_leaf = trees.left == LEAF
        before = np.cumsum(is_leaf) - is_leaf  # leaves before a node, in all trees
        bit = before - before[trees.starts[tree]]
        root = trees.starts[tree]
        left, right = (trees.left + root).tolist(), (trees.right + root).tolist()
        under = [1 << one if leaf else 0 for one, leaf in zip(bit.tolist(), is_leaf.tolist(), strict=True)]
        for node in np.flatnonzero(~is_leaf)[::-1].tolist():  # children have larger numbers than parents
            under[node] = under[left[node]] | under[right[node]]
        return cls(tree, bit, np.asarray(under, np.uint64))


def _slotted(trees: Trees, masks: _Masks) -> npt.NDArray[np.float64]:
    groups = -(-trees.classes // GROUP)
    table = np.zeros((trees.count, WORD, groups * GROUP))
    leaves = np.flatnonzero(trees.left == LEAF)
    table[masks.tree[leaves], _SLOT[masks.bit[leaves]], : trees.classes] = trees.value[leaves]
    return np.ascontiguousarray(table.reshape(trees.count, WORD, groups, GROUP).transpose(2, 0, 1, 3))


def _tables(
    trees: Trees, radiometry: Radiometry, masks: _Masks
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint64]]:
    row, words, used = [], list[npt.NDArray[np.uint64]](), 0
    whole = masks.under[trees.starts[:-1]]
    root = trees.starts[masks.tree]
    for band, reflectance in enumerate(radiometry.table()):
        nodes = np.flatnonzero((trees.feature == band) & (trees.left != LEAF))
        # A forest compares a float32 with a float64 threshold: the first digital number that goes right.
        first = np.searchsorted(reflectance.astype(np.float64), trees.threshold[nodes], side="right")
        edges, edge = np.unique(first, return_inverse=True)
        table = np.tile(whole, (len(edges) + 1, 1))
        for node, cut in zip(nodes.tolist(), edge.tolist(), strict=True):
            column = table[:, masks.tree[node]]
            column[: cut + 1] &= ~masks.under[root[node] + trees.right[node]]
            column[cut + 1 :] &= ~masks.under[root[node] + trees.left[node]]
        row.append(np.searchsorted(edges, np.arange(reflectance.size), side="right") + used)
        words.append(table)
        used += len(table)
    return np.asarray(row, np.uint16), np.concatenate(words)
