"""What is known of each class: moments of its reflectance per band, from spectra or from the shipped table.

The table is `class_statistics.csv` with the columns class, origin, count, band, mean, sd, min, max, and one column per
band with the correlation of the logarithms; empty where the class was read off a figure.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import BadTable
from shared.science.classes import SurfaceClass

Floats = npt.NDArray[np.float64]

STATISTICS = Path(__file__).with_name("class_statistics.csv")
STATISTICS_DRONE = Path(__file__).with_name("class_statistics_drone.csv")
FIELD, FIGURE = "field", "figure"  # origin of a class's numbers
_COLUMNS = ("class", "origin", "count", "band", "mean", "sd", "min", "max")
# Classes known from a figure only: their visible and near-infrared bands are taken to move together as closely as
# those of the measured classes do, the nearer the closer; the short-wave infrared hardly follows.
_FAR, _REACH, _ACROSS = 0.95, 12.0, -0.2
_LEAST = 1e-6  # of the largest eigenvalue
_FEWEST = 3  # spectra that make statistics
_DARKEST = 1e-3  # reflectance; below it a logarithm says nothing


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Reflectance of one class; arrays are (bands,) unless said otherwise."""

    surface: SurfaceClass
    origin: str  # FIELD or FIGURE
    count: int  # spectra behind the numbers
    mean: Floats
    sd: Floats
    low: Floats  # smallest seen
    high: Floats  # largest seen
    correlation: Floats | None  # (bands, bands), of the logarithms; None: not known

    @property
    def log_sd(self) -> Floats:
        """Standard deviation of the logarithms, of the log-normal distribution with this mean and sd."""
        return np.asarray(np.sqrt(np.log1p((self.sd / self.mean) ** 2)))

    @property
    def log_mean(self) -> Floats:
        """Mean of the logarithms, of the log-normal distribution with this mean and sd."""
        return np.asarray(np.log(self.mean) - self.log_sd**2 / 2)


def of_spectra(
    platforms: npt.NDArray[np.floating], codes: npt.NDArray[np.uint8], bands: Sequence[str] = ()
) -> list[ClassStatistics]:
    """The statistics of measured spectra (platforms, spectra, bands), one entry per class with at least three.

    The same spectra, seen by each platform, are taken together: one forest serves them all. Raises BadTable, with the
    name from ``bands`` where it is given, where all spectra of a class are alike in a band.
    """
    found = []
    for code in np.unique(codes):
        chosen = np.maximum(platforms[:, codes == code].astype(np.float64), _DARKEST)
        count = int((codes == code).sum())
        if count < _FEWEST:
            continue
        _check_spread(chosen, SurfaceClass(code), bands)
        mine = chosen.reshape(-1, platforms.shape[2])
        logs = np.log(mine)
        sd = mine.std(axis=0) * np.sqrt(count / (count - 1))  # further platforms are no further spectra
        moments = (mine.mean(axis=0), sd, mine.min(axis=0), mine.max(axis=0))
        found.append(ClassStatistics(SurfaceClass(code), FIELD, count, *moments, np.corrcoef(logs.T)))
    return found


def _check_spread(spectra: Floats, surface: SurfaceClass, bands: Sequence[str]) -> None:
    """BadTable where the spectra (platforms, spectra, bands) of a class have no spread to draw others from."""
    alike = np.flatnonzero((np.ptp(spectra, axis=1) == 0).any(axis=0))
    if len(alike):
        band = bands[alike[0]] if bands else f"band {alike[0] + 1} of {spectra.shape[2]}"
        raise BadTable(
            f"The {spectra.shape[1]} spectra of {surface.short} are all alike in {band} (what is darker than "
            f"{_DARKEST:g} counts as {_DARKEST:g}); their statistics would have no spread."
        )


def read_statistics(bands: Sequence[str], path: Path = STATISTICS) -> list[ClassStatistics]:
    """The classes of a table that know all ``bands``, in the order of their codes. Raises BadTable."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if not line.startswith("#")]
        rows = {(row["class"], row["band"]): row for row in csv.DictReader(lines)}
        names = {name for name, _ in rows}
        return [_class(surface, rows, bands) for surface in SurfaceClass if surface.short in names]
    except OSError as cause:
        raise BadTable(f"The class statistics {path} cannot be read ({cause.strerror}).") from cause
    except (KeyError, ValueError, TypeError, csv.Error) as cause:
        raise BadTable(
            f"{path} is no table of class statistics with the columns {', '.join(_COLUMNS)} and rows for the bands "
            f"{', '.join(bands)}: {cause!r}."
        ) from cause


def _class(surface: SurfaceClass, rows: dict[tuple[str, str], dict[str, str]], bands: Sequence[str]) -> ClassStatistics:
    mine = [rows[surface.short, band] for band in bands]
    mean, sd, low, high = (np.array([float(row[name]) for row in mine]) for name in ("mean", "sd", "min", "max"))
    ordered = (low > 0) & (low <= mean) & (mean <= high) & np.isfinite(high) & (sd > 0) & np.isfinite(sd)
    if not ordered.all():
        raise ValueError(f"{surface.short}: expected 0 < min <= mean <= max and sd > 0 in every band")
    known = all(row.get(band) for row in mine for band in bands)
    correlation = np.array([[float(row[band]) for band in bands] for row in mine]) if known else None
    if correlation is not None and not (np.abs(correlation) <= 1).all():
        raise ValueError(f"{surface.short}: expected correlations from -1 to 1")
    if (count := int(mine[0]["count"])) < 1:
        raise ValueError(f"{surface.short}: expected a count of at least 1")
    return ClassStatistics(surface, mine[0]["origin"], count, mean, sd, low, high, correlation)


def covariances(classes: Sequence[ClassStatistics], shrinkage: float) -> list[Floats]:
    """Covariance of the logarithms (bands, bands) per class.

    Its spread in each band is the class's own. Its correlations, where they were measured, are drawn toward the mean of
    all measured classes as if ``shrinkage`` more spectra had been measured that look like it: four spectra of snow say
    little about how nine bands move together.
    """
    bands = len(classes[0].mean)
    known = [(one.count - 1, one.correlation) for one in classes if one.correlation is not None]
    freedom = sum(weight for weight, _ in known)
    pooled = sum((weight * matrix for weight, matrix in known), np.zeros((bands, bands))) / max(freedom, 1)
    return [
        (
            _assumed(one)
            if one.correlation is None
            else _positive(((one.count - 1) * one.correlation + shrinkage * pooled) / (one.count - 1 + shrinkage))
        )
        * np.outer(one.log_sd, one.log_sd)
        for one in classes
    ]


def _assumed(one: ClassStatistics) -> Floats:
    """Correlation of a class known from a figure."""
    bands = len(one.mean)
    apart = np.abs(np.subtract.outer(np.arange(bands), np.arange(bands)))
    correlation = _FAR + (1 - _FAR) * np.exp(-apart / _REACH)
    short_wave = np.arange(bands) >= 7  # B11 and B12; a drone has none
    correlation[np.ix_(short_wave, ~short_wave)] = _ACROSS
    correlation[np.ix_(~short_wave, short_wave)] = _ACROSS
    positive = _positive(correlation)
    scale = np.sqrt(np.diag(positive))
    return np.asarray(positive / np.outer(scale, scale))


def _positive(matrix: Floats) -> Floats:
    """The nearest matrix that is a covariance at all: rounding, and fewer spectra than bands, leave others."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, _LEAST * values.max())) @ vectors.T)


def as_csv(classes: Sequence[ClassStatistics], bands: Sequence[str]) -> str:
    """The rows of a table, without its head, for the classes measured."""
    lines = []
    for one in classes:
        for index, band in enumerate(bands):
            numbers = [f"{array[index]:.4f}" for array in (one.mean, one.sd, one.low, one.high)]
            related = (
                [""] * len(bands) if one.correlation is None else [f"{value:.5f}" for value in one.correlation[index]]
            )
            lines.append(",".join([one.surface.short, one.origin, str(one.count), band, *numbers, *related]))
    return "\n".join(lines) + "\n"
