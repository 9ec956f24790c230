"""The classifier as a value, and one pixel's class and confidence by the votes of its trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared.science.classes import SurfaceClass


class Forest(Protocol):
    """What gives each class its share of the vote."""

    def shares(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Shares (pixels, classes), rows summing to 1, for reflectances (pixels, bands).

        A pixel's shares do not depend on which other pixels are asked for with it; callable from several threads.
        """
        ...


@dataclass(frozen=True, slots=True)
class Classifier:
    """A trained classifier and what must be known to use and to cite it."""

    name: str
    version: str
    sha256: str  # of the stored forest
    bands: tuple[str, ...]  # order of the features
    classes: tuple[SurfaceClass, ...]  # order of the forest's shares
    forest: Forest

    def vote(self, features: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Class codes and confidences (the winner's share, 0-1) for reflectances (pixels, bands).

        On a tie the class listed first wins, as in scikit-learn.
        """
        shares = self.forest.shares(features)
        winner = shares.argmax(axis=1)
        codes = np.asarray(self.classes, np.uint8)[winner]
        confidence = np.take_along_axis(shares, winner[:, None], axis=1)[:, 0]
        return codes, confidence.astype(np.float32)
