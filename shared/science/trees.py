"""A trained forest as plain arrays: what a model file holds, and what every evaluator of it starts from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

LEAF = -1  # "no child", as scikit-learn has it
MOST_TREES = 1000  # the tables of the fast evaluation grow with them
_SHARE_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Trees:
    """All trees of a random forest one after another, with scikit-learn's own numbers.

    A value is sound once it exists: a walk from any root ends in a leaf of the same tree, whatever the features are.
    ValueError, with a sentence, where the arrays would not allow that.
    """

    starts: npt.NDArray[np.int64]  # (trees + 1,): the nodes of tree t are starts[t]:starts[t + 1]
    left: npt.NDArray[np.int32]  # (nodes,): child inside the tree, LEAF where there is none
    right: npt.NDArray[np.int32]  # (nodes,)
    feature: npt.NDArray[np.int32]  # (nodes,): column of the features; negative in leaves
    threshold: npt.NDArray[np.float64]  # (nodes,): left where float32 value <= threshold
    value: npt.NDArray[np.float64]  # (nodes, classes): shares, summing to 1 in leaves

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_walks()

    def _check_shapes(self) -> None:
        nodes = len(self.left)
        kinds = {"starts": "i8", "left": "i4", "right": "i4", "feature": "i4", "threshold": "f8", "value": "f8"}
        for name, kind in kinds.items():
            array = getattr(self, name)
            if array.dtype != np.dtype(f"<{kind}"):
                raise ValueError(f"The array '{name}' holds {array.dtype}, expected {np.dtype(kind)}.")
            expected = 2 if name == "value" else 1
            if array.ndim != expected or (name != "starts" and len(array) != nodes):
                raise ValueError(f"The array '{name}' has the shape {array.shape}; it does not fit {nodes} nodes.")
        if self.value.shape[1] < 2:
            raise ValueError("The forest knows fewer than two classes.")
        starts = self.starts
        if len(starts) > MOST_TREES + 1:
            raise ValueError(f"The forest has {len(starts) - 1} trees; at most {MOST_TREES} are accepted.")
        if len(starts) < 2 or starts[0] != 0 or starts[-1] != nodes or (np.diff(starts) < 1).any():
            raise ValueError("The trees' nodes do not follow one another without a gap.")

    def _check_walks(self) -> None:
        """A child's number is larger than its parent's and below its tree's size: a walk always ends.

        Every node but the roots is the child of one node: the bit vectors of the fast evaluation rule out a leaf by
        the one way that leads to it.
        """
        sizes = np.diff(self.starts)
        size = np.repeat(sizes, sizes)
        number = np.arange(len(self.left)) - np.repeat(self.starts[:-1], sizes)
        inner = self.left != LEAF
        for child in (self.left, self.right):
            if not ((child > number) & (child < size))[inner].all():
                raise ValueError("The forest holds trees whose nodes point outside the tree.")
        if (self.right[~inner] != LEAF).any():
            raise ValueError("The forest holds a node with one child.")
        first = np.repeat(self.starts[:-1], sizes)[inner]
        parents = np.bincount(
            np.concatenate([first + self.left[inner], first + self.right[inner]]), minlength=len(size)
        )
        parents[self.starts[:-1]] += 1
        if (parents != 1).any():
            raise ValueError("The forest holds a node that is the child of no node or of several.")
        if (self.feature[inner] < 0).any() or not np.isfinite(self.threshold[inner]).all():
            raise ValueError("The forest holds a node that asks for no band or compares with no number.")
        leaves = self.value[~inner]
        if not (leaves >= 0).all() or not (np.abs(leaves.sum(axis=1) - 1) <= _SHARE_TOLERANCE).all():
            raise ValueError("The forest holds a leaf whose shares do not sum to 1.")

    @property
    def count(self) -> int:
        """Number of trees."""
        return len(self.starts) - 1

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.value.shape[1])

    @property
    def bands(self) -> int:
        """How many features at least it must be given."""
        return int(self.feature.max(initial=-1)) + 1

    @property
    def largest(self) -> int:
        """Leaves of the largest tree."""
        return int(np.add.reduceat(self.left == LEAF, self.starts[:-1]).max())

    def digest(self, bands: Sequence[str], classes: Sequence[str]) -> str:
        """SHA-256 over everything that decides a result; the same on every machine and for every way of storing it."""
        sha = hashlib.sha256(repr((list(bands), list(classes))).encode())
        for part in fields(self):
            array = getattr(self, part.name)
            sha.update(f"{part.name} {array.dtype.str} {array.shape}".encode())
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    def shares(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Mean of the trees' shares (pixels, classes) for reflectances (pixels, bands).

        The plain way, for trees of any size: every pixel walks down every tree. Bit for bit what scikit-learn's
        ``predict_proba`` gives, which also adds the trees in order and divides at the end.
        """
        total = np.zeros((len(features), self.classes))
        rows = np.arange(len(features))
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            tree = slice(start, end)
            total += self.value[tree][self._leaves(features, rows, tree)]
        return total / self.count

    def _leaves(
        self, features: npt.NDArray[np.float32], rows: npt.NDArray[np.intp], tree: slice
    ) -> npt.NDArray[np.intp]:
        left, right, feature, threshold = self.left[tree], self.right[tree], self.feature[tree], self.threshold[tree]
        node = np.zeros(len(features), np.intp)
        walking = rows[left[node] != LEAF]
        while len(walking):
            at = node[walking]
            goes_left = features[walking, feature[at]] <= threshold[at]
            node[walking] = np.where(goes_left, left[at], right[at])
            walking = walking[left[node[walking]] != LEAF]
        return node
