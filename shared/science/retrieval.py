"""Lookup tables: spectra made beforehand for known parameters, and the spectrum that is nearest to a pixel's.

Nearest is the smallest mean absolute error over the bands, in whole numbers of 1/10000 of reflectance, so that sums are
exact and every way of looking finds the same row; of several rows that are equally near, the lowest is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from shared.models import shown
from shared.safe import ICE_BANDS
from shared.science.layers import Layer
from shared.science.reflectance import PLAUSIBLE
from shared.science.retrieval_kernel import Walk, compiled
from shared.science.retrieval_tree import SpectraTree

STEPS = 10_000  # whole numbers per unit of reflectance
MOST_SPECTRA, MOST_PARAMETERS = 200_000, 32
NOTHING = -9999  # stored where nothing was retrieved
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_PAIRS = 2_000_000  # of pixels and spectra that the plain way compares at once: 8 MB
RESIDUAL = Layer(
    "RETRIEVED-RESIDUAL",
    "uint16",
    65535,
    "Mean absolute error of the nearest spectrum of the lookup table over the nine bands",
    scale=1 / STEPS,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a lookup table tells about a surface; ValueError, with a sentence, where a name or unit cannot be used."""

    name: str
    unit: str  # UDUNITS; "1" where there is none

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"The parameter '{shown(self.name)}' cannot name a file: expected a small letter, "
                "then up to 30 small letters, digits and underscores."
            )
        if self.layer_name == RESIDUAL.name:
            raise ValueError(f"No parameter may be called '{self.name}': that is the layer of the errors.")
        if not (1 <= len(self.unit) <= 40 and self.unit.isprintable()):
            raise ValueError(
                f"The unit of {self.name} is '{shown(self.unit)}'; expected 1 to 40 characters, 1 for a plain number."
            )

    @property
    def layer_name(self) -> str:
        """As in file names, where underscores stand between the parts."""
        return f"RETRIEVED-{self.name.upper().replace('_', '-')}"

    @property
    def layer(self) -> Layer:
        """The layer that holds it."""
        return Layer(
            self.layer_name,
            "float32",
            NOTHING,
            f"{self.name} of the nearest spectrum of the lookup table",
            unit=self.unit,
        )


def check_shapes(parameters: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse the ``shapes`` of a table's arrays, by their names, where they do not fit together, or are too large.

    Raises ValueError with a sentence. For readers too: arrays that have passed may be brought to double precision.
    """
    count = shapes["spectra"][0]
    if not 1 <= count <= MOST_SPECTRA:
        raise ValueError(f"It holds {count} spectra; expected 1 to {MOST_SPECTRA}.")
    if not 1 <= parameters <= MOST_PARAMETERS:
        raise ValueError(f"It holds {parameters} parameters; expected 1 to {MOST_PARAMETERS}.")
    expected = {"spectra": (count, len(ICE_BANDS)), "values": (count, parameters), "sun_zenith": (count,)}
    for name, shape in shapes.items():
        if shape != expected[name]:
            raise ValueError(f"The array '{name}' has the shape {shape}; expected {expected[name]}.")


@dataclass(frozen=True, slots=True)
class LookupTable:
    """Spectra and the parameters they were made for; ValueError, with a sentence, where they do not fit together."""

    name: str
    sha256: str  # of the file
    parameters: tuple[Parameter, ...]
    values: npt.NDArray[np.float64] = field(repr=False)  # (spectra, parameters), in the parameters' units
    spectra: npt.NDArray[np.float64] = field(repr=False)  # (spectra, bands), reflectance in the order of ICE_BANDS
    sun_zenith: npt.NDArray[np.float64] | None = field(default=None, repr=False)  # (spectra,), degrees

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_numbers()

    def _check_shapes(self) -> None:
        names = [parameter.name for parameter in self.parameters]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"It names {', '.join(twice)} twice.")
        arrays = {name: getattr(self, name) for name in ("spectra", "values", "sun_zenith")}
        shapes = {name: array.shape for name, array in arrays.items() if array is not None}
        check_shapes(len(names), shapes)

    def _check_numbers(self) -> None:
        for name in ("spectra", "values", "sun_zenith"):
            array = getattr(self, name)
            if array is not None and not np.isfinite(array).all():
                raise ValueError(f"The array '{name}' holds numbers that are not finite.")
        low, high = PLAUSIBLE
        if self.spectra.min() < low or self.spectra.max() > high:
            raise ValueError(
                f"The spectra reach from {self.spectra.min():g} to {self.spectra.max():g}; "
                f"expected reflectances, from {low:g} to {high:g}."
            )
        if np.abs(self.values).max() > np.finfo(np.float32).max or (self.values.astype(np.float32) == NOTHING).any():
            raise ValueError(
                f"The array 'values' holds numbers beyond float32, or {NOTHING}, which is nodata in the layers."
            )
        if self.sun_zenith is not None and not (self.sun_zenith.min() >= 0 and self.sun_zenith.max() < 90):
            raise ValueError(
                f"The sun's zenith angles reach from {self.sun_zenith.min():g} to {self.sun_zenith.max():g} degrees; "
                "expected 0 and more, below 90."
            )

    def zenith_near(self, degrees: float) -> float | None:
        """The table's sun zenith angle nearest to ``degrees``, the lower of two; None where the table has none."""
        if self.sun_zenith is None:
            return None
        angles = np.unique(self.sun_zenith)
        return float(angles[np.abs(angles - degrees).argmin()])

    def inverter(self, zenith: float | None) -> Inverter:
        """What looks among the spectra of that sun zenith angle, one of the table's; None: among all."""
        at = np.arange(len(self.spectra))
        return Inverter.of(self, at if zenith is None or self.sun_zenith is None else at[self.sun_zenith == zenith])


@dataclass(frozen=True, slots=True)
class Nearest:
    """The spectra nearest to some pixels; arrays are (pixels,)."""

    rows: npt.NDArray[np.int32]  # of the inverter's spectra
    sums: npt.NDArray[np.int32]  # absolute errors added over the bands, 1/10000 of reflectance

    def residual(self) -> npt.NDArray[np.float32]:
        """Mean absolute error over the bands, reflectance."""
        return (self.sums / (len(ICE_BANDS) * STEPS)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Inverter:
    """Some spectra of a table, made ready for looking."""

    values: npt.NDArray[np.float32]  # (spectra, parameters)
    spectra: npt.NDArray[np.int32]  # (spectra, bands), 1/10000 of reflectance
    tree: SpectraTree | None  # none where Numba is missing
    walk: Walk | None  # over the tree

    @classmethod
    def of(cls, table: LookupTable, rows: npt.NDArray[np.intp]) -> Inverter:
        """For the spectra in ``rows`` of ``table``, ascending."""
        spectra, walk = whole(table.spectra[rows]), compiled()
        tree = SpectraTree.of(spectra) if walk else None
        return cls(table.values[rows].astype(np.float32), spectra, tree, walk)

    def nearest(self, numbers: npt.NDArray[np.int32]) -> Nearest:
        """The nearest spectra to pixels (pixels, bands) in 1/10000 of reflectance, from -10 to 10.

        A pixel's answer does not depend on which others are asked for with it; callable from several threads.
        """
        if self.tree is not None and self.walk is not None:
            return Nearest(*self.tree.nearest(self.walk, numbers))
        return self.plainly(numbers)

    def plainly(self, numbers: npt.NDArray[np.int32]) -> Nearest:
        """The same by comparing every pixel with every spectrum."""
        pixels = len(numbers)
        rows, sums = np.empty(pixels, np.int32), np.empty(pixels, np.int32)
        step = max(1, _PAIRS // len(self.spectra))
        for start in range(0, pixels, step):
            part = slice(start, start + step)
            errors = np.zeros((len(rows[part]), len(self.spectra)), np.int32)
            for band in range(self.spectra.shape[1]):
                errors += np.abs(numbers[part, band, None] - self.spectra[:, band])
            rows[part] = errors.argmin(axis=1)  # the first of several
            sums[part] = errors.min(axis=1)
        return Nearest(rows, sums)


def whole(reflectance: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
    """Reflectance in whole numbers of 1/10000."""
    return np.asarray(np.rint(np.asarray(reflectance, np.float64) * STEPS).astype(np.int32))
