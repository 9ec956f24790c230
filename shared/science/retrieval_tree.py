"""Spectra in a tree of boxes, so that a pixel is compared with few of them and the nearest is found all the same.

A k-d tree (Friedman, Bentley and Finkel 1977, doi 10.1145/355744.355745) in the city-block distance, which is the sum
of the absolute errors over the bands: the distance to the box around some spectra is never more than that to any of
them, so a box that is farther away than the best spectrum so far need not be opened. Four halvings are one step down,
so that sixteen boxes, or sixteen spectra, are compared at once.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.science.retrieval_kernel import HALVINGS, WIDTH, Walk

_FAR = 1_000_000  # in places without a box or spectrum: farther than any pixel, and sums stay exact


@dataclass(frozen=True, slots=True)
class SpectraTree:
    """A balanced tree; nodes are counted from the root row by row, and after the last node the leaves.

    All numbers are whole. They are kept as float32, whose sums are exact below 2**24 and fast.
    """

    low: npt.NDArray[np.float32]  # (nodes, bands, WIDTH): the boxes around the spectra of a node's children
    high: npt.NDArray[np.float32]  # (nodes, bands, WIDTH)
    child: npt.NDArray[np.int32]  # (nodes,): number of a node's first child; the others follow
    spectra: npt.NDArray[np.float32]  # (leaves, bands, WIDTH)
    rows: npt.NDArray[np.int32]  # (leaves, WIDTH): which spectrum it is; larger than any where there is none

    @classmethod
    def of(cls, spectra: npt.NDArray[np.int32]) -> SpectraTree:
        """The tree over ``spectra`` (spectra, bands), 1/10000 of reflectance."""
        count, bands = spectra.shape
        levels = _levels(spectra)
        nodes = sum(map(len, levels[:-1]))
        low, high = (np.full((nodes, bands, WIDTH), _FAR, np.float32) for _ in range(2))
        child, node, first = np.empty(nodes, np.int32), 0, 1
        for parents, parts in itertools.pairwise(levels):
            many = len(parts) // len(parents)
            for start in range(0, len(parts), many):
                child[node] = first + start
                for place, part in enumerate(parts[start : start + many]):
                    low[node, :, place], high[node, :, place] = spectra[part].min(axis=0), spectra[part].max(axis=0)
                node += 1
            first += len(parts)
        leaves = np.full((len(levels[-1]), bands, WIDTH), _FAR, np.float32)
        rows = np.full((len(levels[-1]), WIDTH), count, np.int32)
        for leaf, part in enumerate(levels[-1]):
            leaves[leaf, :, : len(part)], rows[leaf, : len(part)] = spectra[part].T, part
        return cls(low, high, child, leaves, rows)

    def nearest(
        self, walk: Walk, numbers: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Row and sum of absolute errors of the spectrum nearest to each pixel of (pixels, bands)."""
        rows, sums = np.empty(len(numbers), np.int32), np.empty(len(numbers), np.float32)
        pixels = numbers.astype(np.float32, order="C")
        walk(pixels, self.low, self.high, self.child, self.spectra, self.rows, rows, sums)
        return rows, sums.astype(np.int32)


def _levels(spectra: npt.NDArray[np.int32]) -> list[list[npt.NDArray[np.int32]]]:
    """The rows of ``spectra`` as the root has them, as its children have them, and so on down to the leaves."""
    parts = [np.arange(len(spectra), dtype=np.int32)]
    halved = [parts]
    while max(map(len, parts)) > WIDTH:
        parts = [half for part in parts for half in _halves(part, spectra)]
        halved.append(parts)
    deepest = len(halved) - 1
    return [halved[0], *(halved[depth] for depth in range(deepest % HALVINGS, deepest + 1, HALVINGS))]


def _halves(
    part: npt.NDArray[np.int32], spectra: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The spectra of ``part`` cut in two across the band in which they differ most."""
    mine = spectra[part]
    band = (mine.max(axis=0) - mine.min(axis=0)).argmax()
    order = part[np.argsort(mine[:, band], kind="stable")]
    middle = (len(order) + 1) // 2
    return order[:middle], order[middle:]
