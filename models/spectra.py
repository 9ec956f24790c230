"""A user's own field spectra: tables read, checked and weighted with the responses of the bands.

Spectra: CSV, one column per spectrum, first row the names. Wavelengths (nm) stand in a column 'wavelength'; where
there is none, row i is 350 + i nm, as field spectrometers write them. Empty cells and NaN are gaps (water vapour).
Labels: CSV with the columns 'spectrum' and 'class' (SN, WAT, CC, CI, LA, HA).
Responses: ESA's tables as text: a column 'Wavelength' (nm) and one per band ('B2' or 'B02'), with tabs or commas.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import BadTable
from shared.models import shown
from shared.science.classes import SurfaceClass
from shared.science.drone import MICASENSE

Floats = npt.NDArray[np.float64]
Responses = Mapping[str, tuple[Floats, Floats]]  # band -> wavelengths in nm, relative response

_MAX_BYTES = 256 * 1024 * 1024
_FIRST = 350  # nm, where no wavelength is written
_REFLECTANCE = (-0.05, 2.0)  # what a spectrum may hold where it is weighted; percent would be far above
_COVERED = 0.9  # share of a band's response that a spectrum must cover
_FWHM_PER_SD = 2.3548


@dataclass(frozen=True, slots=True)
class FieldSpectra:
    """Measured spectra with their classes."""

    wavelengths: Floats  # (samples,) nm, rising
    reflectance: Floats  # (spectra, samples), NaN in gaps
    names: tuple[str, ...]  # of the spectra
    codes: npt.NDArray[np.uint8]  # (spectra,) of SurfaceClass

    def weighted(self, responses: Responses) -> npt.NDArray[np.float32]:
        """Reflectance (spectra, bands) as a sensor with these responses would see it. Raises BadTable."""
        return np.column_stack([self._band(band, *curve) for band, curve in responses.items()]).astype(np.float32)

    def _band(self, band: str, wavelengths: Floats, response: Floats) -> Floats:
        weight = np.interp(self.wavelengths, wavelengths, response, left=0, right=0)
        known = np.isfinite(self.reflectance)
        covered = (known * weight).sum(axis=1) / max(float(weight.sum()), 1e-12)
        for name, share in zip(self.names, covered, strict=True):
            if share < _COVERED:
                raise BadTable(f"Spectrum {shown(name)} covers {100 * share:.0f} % of band {band}; 90 % are needed.")
        values = np.where(known, self.reflectance, 0) @ weight / (known @ weight)
        low, high = _REFLECTANCE
        for name, value in zip(self.names, values, strict=True):
            if not low <= value <= high:
                raise BadTable(f"Spectrum {shown(name)} has {value:.3g} in band {band}; expected reflectance 0 to 1.")
        return np.asarray(values)


def read_spectra(spectra: Path, labels: Path) -> FieldSpectra:
    """The labelled spectra of two tables; BadTable, a sentence with the place, where one of them cannot be used."""
    names, table = _numbers(spectra)
    wanted = _labels(labels)
    if twice := [name for name in wanted if names.count(name) > 1]:
        raise BadTable(f"{spectra} has {names.count(twice[0])} columns with the name {shown(twice[0])}.")
    if missing := [name for name in wanted if name not in names]:
        raise BadTable(f"{labels} names the spectrum {shown(missing[0])}, which {spectra} does not hold.")
    lower = [name.lower() for name in names]
    if "wavelength" in lower:
        wavelengths = table[:, lower.index("wavelength")]
        if not (np.diff(wavelengths) > 0).all():
            raise BadTable(f"The wavelengths in {spectra} do not rise from row to row.")
    else:
        wavelengths = _FIRST + np.arange(len(table), dtype=np.float64)
    columns = [names.index(name) for name in wanted]
    return FieldSpectra(wavelengths, table[:, columns].T, tuple(wanted), np.array(list(wanted.values()), np.uint8))


def read_responses(path: Path, bands: Sequence[str]) -> Responses:
    """The responses of ``bands`` (B02 ...) in one table. Raises BadTable."""
    names, table = _numbers(path)
    plain = {name.strip().upper().replace("B0", "B"): index for index, name in enumerate(names)}
    try:
        columns = {band: plain[band.replace("B0", "B")] for band in bands}
        wavelengths = table[:, plain["WAVELENGTH"]]
    except KeyError as cause:
        raise BadTable(f"{path} has no column {cause.args[0]}; expected Wavelength and one per band.") from cause
    responses = {band: (wavelengths, table[:, column]) for band, column in columns.items()}
    for band, (_, response) in responses.items():
        if not np.isfinite(response).all() or (response < 0).any() or response.sum() <= 0:
            raise BadTable(f"The response of {band} in {path} is not a curve of numbers from 0 upward.")
    return responses


def drone_responses() -> Responses:
    """Gaussian bands of the drone camera, from centre and full width at half maximum."""
    wavelengths = np.arange(350.0, 1000.0)
    return {
        band: (wavelengths, np.exp(-0.5 * ((wavelengths - centre) / (width / _FWHM_PER_SD)) ** 2))
        for band, (centre, width) in MICASENSE.items()
    }


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadTable(f"{path} has {path.stat().st_size} bytes; at most {_MAX_BYTES} are read.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as cause:
        raise BadTable(f"{path} cannot be read ({cause.strerror}).") from cause
    except UnicodeDecodeError as cause:
        raise BadTable(f"{path} is no text table.") from cause


def _numbers(path: Path) -> tuple[list[str], Floats]:
    """Column names and the numbers below them; empty cells are NaN."""
    rows = [row for row in csv.reader(_lines(path), delimiter=_delimiter(path)) if row]
    if len(rows) < 3:
        raise BadTable(f"{path} holds {len(rows)} rows; expected names and a row per wavelength.")
    names = [name.strip() for name in rows[0]]
    table = np.full((len(rows) - 1, len(names)), np.nan)
    for number, row in enumerate(rows[1:]):
        if len(row) != len(names):
            raise BadTable(f"Row {number + 2} of {path} has {len(row)} cells; its first row has {len(names)}.")
        for column, cell in enumerate(row):
            if cell.strip():
                table[number, column] = _number(cell, f"row {number + 2}, column {names[column]}", path)
    return names, table


def _number(cell: str, place: str, path: Path) -> float:
    try:
        value = float(cell)
    except ValueError as cause:
        raise BadTable(f"{path} holds '{shown(cell, 30)}' in {shown(place, 60)}; expected a number.") from cause
    if math.isinf(value):
        raise BadTable(f"{path} holds '{shown(cell, 30)}' in {shown(place, 60)}; expected a number.")
    return value


def _labels(path: Path) -> dict[str, int]:
    found = dict[str, int]()
    reader = csv.DictReader(_lines(path))
    if not {"spectrum", "class"} <= set(reader.fieldnames or ()):
        raise BadTable(f"{path} has no columns 'spectrum' and 'class'.")
    for row in reader:
        name = (row["spectrum"] or "").strip()
        try:
            code = SurfaceClass.of((row["class"] or "").strip()).value
        except ValueError as cause:
            raise BadTable(f"{path}, line {reader.line_num}: {cause}") from cause
        if found.setdefault(name, code) != code:
            first = SurfaceClass(found[name]).short
            raise BadTable(
                f"{path}, line {reader.line_num}: {shown(name)} is {SurfaceClass(code).short} here and {first} above."
            )
    if not found:
        raise BadTable(f"{path} labels no spectrum.")
    return found


def _lines(path: Path) -> list[str]:
    return [line for line in _text(path).splitlines() if not line.startswith("#")]


def _delimiter(path: Path) -> str:
    return "\t" if "\t" in next(iter(_lines(path)), "") else ","
