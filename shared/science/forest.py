"""The classifier as a value, and one pixel's class, confidence and margin by the votes of its trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.science.classes import SurfaceClass
from shared.science.forest_bits import BitVectors
from shared.science.reflectance import Radiometry
from shared.science.trees import Trees


class Forest(Protocol):
    """What gives each class its share of the vote."""

    def shares(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Shares (pixels, classes), rows summing to 1, for reflectances (pixels, bands).

        A pixel's shares do not depend on which other pixels are asked for with it; callable from several threads.
        """
        ...


@dataclass(frozen=True, slots=True)
class Votes:
    """What the trees say about some pixels; all arrays are (pixels,)."""

    codes: npt.NDArray[np.uint8]  # of SurfaceClass; on a tie the class listed first wins, as in scikit-learn
    confidence: npt.NDArray[np.float32]  # the winner's share, 0-1
    margin: npt.NDArray[np.float32]  # the winner's share less the runner-up's, 0-1


Voter = Callable[[npt.NDArray[np.uint16]], Votes]  # digital numbers (bands, pixels) -> votes; from several threads


@dataclass(frozen=True, slots=True)
class Classifier:
    """A trained classifier and what must be known to use and to cite it."""

    name: str
    version: str
    sha256: str  # of the stored forest
    bands: tuple[str, ...]  # order of the features
    classes: tuple[SurfaceClass, ...]  # order of the forest's shares
    forest: Forest

    def vote(self, features: npt.NDArray[np.float32]) -> Votes:
        """The votes on reflectances (pixels, bands), the plain way."""
        shares = self.forest.shares(features)
        winner = shares.argmax(axis=1)
        confidence = np.take_along_axis(shares, winner[:, None], axis=1)[:, 0]
        runner_up = np.partition(shares, -2, axis=1)[:, -2]
        return self._votes(winner, confidence, confidence - runner_up)

    def voter(self, radiometry: Radiometry) -> Voter:
        """The votes on digital numbers of that radiometry: the same as `vote`, but fast where that is possible.

        It is where the forest is made of small trees and Numba is at hand.
        """
        if isinstance(self.forest, Trees) and (bits := BitVectors.of(self.forest, radiometry)):
            from shared.science.forest_kernel import compiled

            if kernel := compiled():
                return lambda numbers: self._votes(*bits.run(kernel, numbers))
        return lambda numbers: self.vote(np.ascontiguousarray(radiometry.reflectance(numbers).T))

    def _votes(
        self,
        winner: npt.NDArray[np.integer],
        confidence: npt.NDArray[np.float64],
        margin: npt.NDArray[np.float64],
    ) -> Votes:
        codes = np.asarray(self.classes, np.uint8)[winner]
        return Votes(codes, confidence.astype(np.float32), margin.astype(np.float32))
