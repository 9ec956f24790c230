"""Smooth random fields that can be evaluated anywhere, row by row, and always give the same values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Fractal:
    """Sum of interpolated random lattices, each finer and weaker: mean 0, variance 1 at every place."""

    seed: tuple[int, ...]
    coarsest: int = 4  # cells per side of the first lattice
    octaves: int = 6
    gain: float = 0.55  # amplitude of a lattice relative to the one before; larger is rougher

    def at(self, y: NDArray[np.float64], x: NDArray[np.float64]) -> Pixels:
        """Values at all crossings of the rows ``y`` and columns ``x``, in fractions of the tile: (len(y), len(x))."""
        total = np.zeros((len(y), len(x)), np.float32)
        power = 0.0
        for octave in range(self.octaves):
            amplitude, cells = self.gain**octave, self.coarsest * 2**octave
            lattice = _lattice((*self.seed, octave), cells)
            columns = _between(lattice.T, x * cells).T  # interpolated along x: (lattice rows, len(x))
            total += np.float32(amplitude) * _between(columns, y * cells)
            power += amplitude**2
        return np.asarray(total / np.sqrt(power), dtype=np.float32)


def _lattice(seed: tuple[int, ...], cells: int) -> Pixels:
    """Random nodes; one more than cells, and one on each side for places just outside the tile."""
    return np.random.default_rng(seed).standard_normal((cells + 3, cells + 3), dtype=np.float32)


def _between(nodes: Pixels, place: NDArray[np.float64]) -> Pixels:
    """Interpolate ``nodes`` along the first axis, scaled so that the variance stays one between nodes."""
    shifted = np.clip(place + 1, 0, nodes.shape[0] - 1.001)  # node 1 lies at the tile's edge
    first = shifted.astype(np.intp)
    part = shifted - first
    part = part * part * (3 - 2 * part)
    scale = np.sqrt((1 - part) ** 2 + part**2)
    low, high = ((1 - part) / scale).astype(np.float32), (part / scale).astype(np.float32)
    return np.asarray(nodes[first] * low[:, np.newaxis] + nodes[first + 1] * high[:, np.newaxis])
