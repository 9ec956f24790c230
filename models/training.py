"""Training spectra drawn from class statistics: seeded, correlated, and disturbed as satellites disturb them.

Why disturbed: field spectra know no slope, no haze and no mixed pixel. docs/model.md shows what each part does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.statistics import ClassStatistics, Floats, covariances

_DARKEST = 0.001  # reflectance; atmospheric correction writes no less


@dataclass(frozen=True, slots=True)
class Disturbance:
    """How far spectra are taken away from the field's."""

    brightness: float = 0.04  # relative, whole spectrum, sd: slope and shadow; it takes snow beyond 1
    haze: float = 0.005  # reflectance in the first band, sd: what atmospheric correction leaves or takes too much
    noise: float = 0.002  # reflectance, band by band, sd
    mixed: float = 0.1  # share of the spectra that hold some of another class
    mixture: float = 0.3  # of another class in a mixed spectrum, at most


def haze_shape(bands: int) -> Floats:
    """How a residue of the atmosphere spreads over the bands (bands,): aerosol scatters blue most, 2 um hardly."""
    return np.linspace(1.0, 0.2, bands)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many spectra are drawn, and how."""

    per_class: int = 1200  # of the class with the most
    balance: float = 0.5  # 0: as many of each class; 1: in proportion to the spectra behind each
    shrinkage: float = 5.0  # see models.statistics.covariances
    beyond: float = 2.0  # standard deviations allowed beyond the smallest and largest seen
    disturbance: Disturbance = Disturbance()


def draw(one: ClassStatistics, covariance: Floats, count: int, *, beyond: float, random: np.random.Generator) -> Floats:
    """``count`` spectra (count, bands) of one class: log-normal, within what was seen and a little beyond."""
    margin = beyond * one.log_sd
    low, high = np.log(one.low) - margin, np.log(one.high) + margin
    kept = np.empty((0, len(low)))
    while len(kept) < count:
        logs = random.multivariate_normal(one.log_mean, covariance, size=2 * count + 20, method="cholesky")
        kept = np.concatenate([kept, logs[((logs >= low) & (logs <= high)).all(axis=1)]])
    return np.asarray(np.exp(kept[:count]))


def sample(
    classes: Sequence[ClassStatistics], sampling: Sampling, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Spectra (samples, bands) and class codes (samples,) of all classes."""
    counts = _counts(classes, sampling)
    matrices = covariances(classes, sampling.shrinkage)
    drawn = [
        draw(one, matrix, count, beyond=sampling.beyond, random=random)
        for one, matrix, count in zip(classes, matrices, counts, strict=True)
    ]
    codes = np.repeat([one.surface.value for one in classes], counts).astype(np.uint8)
    return disturb(np.concatenate(drawn), sampling.disturbance, random), codes


def _counts(classes: Sequence[ClassStatistics], sampling: Sampling) -> list[int]:
    most = max(one.count for one in classes)
    return [max(1, round(sampling.per_class * (one.count / most) ** sampling.balance)) for one in classes]


def disturb(spectra: Floats, how: Disturbance, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Spectra (samples, bands) as a satellite might see them; a mixed pixel keeps the name of its larger part."""
    count, bands = spectra.shape
    other = random.integers(0, count, count)
    share = np.where(random.random(count) < how.mixed, random.uniform(0, how.mixture, count), 0.0)[:, None]
    seen = (1 - share) * spectra + share * spectra[other]
    seen = seen * np.exp(random.normal(0, how.brightness, (count, 1)))
    seen = seen + random.normal(0, how.haze, (count, 1)) * haze_shape(bands)
    seen = seen + random.normal(0, how.noise, seen.shape)
    # Processors differ in the last bits of a factorised covariance; rounded, the forest is the same on all of them.
    return np.asarray(np.maximum(seen, _DARKEST).round(6), np.float32)
