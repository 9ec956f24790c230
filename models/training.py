"""Training spectra drawn from class statistics: seeded, correlated, and disturbed as satellites disturb them.

Why disturbed: field spectra know no slope, no haze and no mixed pixel. Each drawn spectrum is brightened or darkened
as a whole (slope and shadow), and shifted as a whole and band by band (what atmospheric correction leaves).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass

STATISTICS = Path(__file__).with_name("class_statistics.csv")
_SHORT_WAVE = slice(7, 9)  # B11, B12 among ICE_BANDS


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Reflectance of one class in the nine bands."""

    surface: SurfaceClass
    mean: npt.NDArray[np.float64]  # (bands,)
    sd: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]  # smallest seen
    high: npt.NDArray[np.float64]  # largest seen


@dataclass(frozen=True, slots=True)
class Disturbance:
    """How far spectra are taken away from the field's."""

    brightness: float = 0.06  # relative, whole spectrum, sd
    offset: float = 0.012  # reflectance, whole spectrum, sd
    noise: float = 0.004  # reflectance, band by band, sd
    beyond: float = 0.5  # standard deviations of the class allowed beyond the smallest and largest seen


def read_statistics(path: Path = STATISTICS) -> list[ClassStatistics]:
    """The classes of a table with the columns class, band, mean, sd, min, max; in the order of their codes."""
    lines: Iterable[str] = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    rows = {(row["class"], row["band"]): row for row in csv.DictReader(lines)}

    def column(surface: SurfaceClass, name: str) -> npt.NDArray[np.float64]:
        return np.array([float(rows[surface.short, band][name]) for band in ICE_BANDS])

    return [ClassStatistics(c, *(column(c, name) for name in ("mean", "sd", "min", "max"))) for c in SurfaceClass]


def correlation(surface: SurfaceClass) -> npt.NDArray[np.float64]:
    """Correlation (bands, bands) within a class.

    The visible and near-infrared bands move together, neighbours most: 0.75 to 0.99 in the field spectra. The
    short-wave infrared does not follow (about -0.2), except on snow (about 0.9: grain size moves all).
    """
    count = len(ICE_BANDS)
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    matrix = 0.75 + 0.25 * np.exp(-apart / 4)
    across = 0.9 if surface is SurfaceClass.SNOW else -0.2
    matrix[_SHORT_WAVE, : _SHORT_WAVE.start] = matrix[: _SHORT_WAVE.start, _SHORT_WAVE] = across
    values, vectors = np.linalg.eigh(matrix)
    positive = (vectors * np.maximum(values, 1e-6)) @ vectors.T  # the nearest matrix that is a correlation at all
    scale = np.sqrt(np.diag(positive))
    return np.asarray(positive / np.outer(scale, scale))


def draw(
    statistics: ClassStatistics, count: int, disturbance: Disturbance, random: np.random.Generator
) -> npt.NDArray[np.float32]:
    """``count`` spectra (count, bands) of one class, within what was seen and a little beyond, then disturbed."""
    covariance = correlation(statistics.surface) * np.outer(statistics.sd, statistics.sd)
    low = statistics.low - disturbance.beyond * statistics.sd
    high = statistics.high + disturbance.beyond * statistics.sd
    kept = np.empty((0, len(ICE_BANDS)))
    while len(kept) < count:
        spectra = random.multivariate_normal(statistics.mean, covariance, size=2 * count, method="cholesky")
        kept = np.concatenate([kept, spectra[((spectra >= low) & (spectra <= high)).all(axis=1)]])
    spectra = kept[:count]
    spectra = spectra * random.normal(1, disturbance.brightness, (count, 1))
    spectra = spectra + random.normal(0, disturbance.offset, (count, 1))
    spectra = spectra + random.normal(0, disturbance.noise, spectra.shape)
    return np.maximum(spectra, 0.001).astype(np.float32)


def sample(
    classes: list[ClassStatistics], per_class: int, disturbance: Disturbance, random: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Spectra (samples, bands) and class codes (samples,), ``per_class`` of each."""
    spectra = np.concatenate([draw(one, per_class, disturbance, random) for one in classes])
    codes = np.repeat([one.surface.value for one in classes], per_class).astype(np.uint8)
    return spectra, codes
