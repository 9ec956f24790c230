"""From digital numbers to reflectance, as the product's own metadata says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

# Satellite snow passes 1 on slopes that face the sun; short-wave infrared over wet ice falls a little below 0.
PLAUSIBLE = (-0.1, 1.6)


@dataclass(frozen=True, slots=True)
class Radiometry:
    """How the digital numbers of some bands become reflectances."""

    offsets: tuple[int, ...]  # digital numbers to add, one per band
    quantification: float
    nodata: int  # digital number, looked for before the offset is added
    saturated: int  # digital number

    @classmethod
    def of(
        cls, bands: Sequence[str], offsets: Mapping[str, int], quantification: float, nodata: int, saturated: int
    ) -> Radiometry:
        """The radiometry of ``bands`` in their order."""
        return cls(tuple(offsets[band] for band in bands), quantification, nodata, saturated)

    def reflectance(self, numbers: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
        """Reflectance (0-1 and a little beyond) of digital numbers with shape (bands, ...); nodata is not looked at."""
        shape = (-1,) + (1,) * (numbers.ndim - 1)
        offsets = np.asarray(self.offsets, np.float32).reshape(shape)
        return (numbers.astype(np.float32) + offsets) / np.float32(self.quantification)

    def table(self) -> npt.NDArray[np.float32]:
        """Reflectance of every digital number, (bands, 65536); ascending in each band."""
        every = np.arange(np.iinfo(np.uint16).max + 1, dtype=np.uint16)
        return self.reflectance(np.broadcast_to(every, (len(self.offsets), every.size)))

    def lacks_data(self, numbers: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
        """Where any band of (bands, ...) holds nodata."""
        return _in_any(one == self.nodata for one in numbers)

    def is_saturated(self, numbers: npt.NDArray[np.uint16]) -> npt.NDArray[np.bool_]:
        """Where any band of (bands, ...) is saturated."""
        return _in_any(one == self.saturated for one in numbers)


def implausible(reflectance: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Where any band of (bands, ...) lies outside what a surface can reflect."""
    low, high = PLAUSIBLE
    return np.asarray((reflectance.min(axis=0) < low) | (reflectance.max(axis=0) > high))


def _in_any(bands: Iterable[npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    return reduce(np.bitwise_or, bands)  # band by band: several times faster than any() across them
