"""Retrievals of one product: the layers that a lookup table adds to its map, and their statistics.

For every pixel that has a class, whatever it is. Statistics are over clean ice, light and heavy algae, as for the algae
index; they are made from whole numbers (how often a spectrum won), so windows and threads do not show in them.

Of a pixel is kept which spectrum won: 1, 2 or 4 bytes by the size of the table, however many parameters it has. Their
layers are made from that one after the other when all windows are done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.errors import BadModel
from shared.models import shown
from shared.safe import ICE_BANDS
from shared.science.classes import ALGAL_ICE
from shared.science.layers import CLASS, LAYERS, Layer, Stored
from shared.science.reflectance import Radiometry
from shared.science.retrieval import NOTHING, RESIDUAL, STEPS, Inverter, LookupTable, Nearest, whole
from shared.science.surface import Surface
from shared.science.windows import Window

_TOGETHER = 65_536  # pixels looked up at a time
_FEWEST = 10  # spectra of a sun zenith angle, unless the whole table has fewer
_IS_ALGAL = np.isin(np.arange(256), ALGAL_ICE)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """The lookup table at work on one product; `added` may be called from several threads, each window once."""

    table: LookupTable
    tile_zenith: float  # degrees, mean over the tile
    zenith: float | None  # degrees, of the spectra that are looked at; none: the table does not say
    layers: tuple[Layer, ...]  # one per parameter, then the residual
    bands: tuple[int, ...]  # where the numbers have the bands of the table
    radiometry: Radiometry  # of the numbers
    inverter: Inverter
    _winner: npt.NDArray[np.unsignedinteger]  # (rows, columns) of the tile: which spectrum won; their count: none
    _values: npt.NDArray[np.float32]  # (spectra + 1, parameters): of the spectra, then nodata
    _won: npt.NDArray[np.int64]  # (spectra,): pixels of algal ice whose nearest it is
    _sums: list[int]  # over these pixels: of the errors' sums, and of their squares
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(
        cls,
        table: LookupTable,
        sun_zenith: float,
        bands: tuple[str, ...],
        radiometry: Radiometry,
        shape: tuple[int, int],
    ) -> Retrieval:
        """For a tile with that mean ``sun_zenith`` (degrees), whose numbers have ``bands`` in their order.

        ``shape`` is rows, columns. Raises BadModel where the table has next to no spectra for that sun.
        """
        zenith = table.zenith_near(sun_zenith)
        _check_angles(table, zenith)
        inverter = table.inverter(zenith)
        nothing = np.full((1, len(table.parameters)), NOTHING, np.float32)
        return cls(
            table=table,
            tile_zenith=sun_zenith,
            zenith=zenith,
            layers=(*(parameter.layer for parameter in table.parameters), RESIDUAL),
            bands=tuple(bands.index(band) for band in ICE_BANDS),
            radiometry=radiometry,
            inverter=inverter,
            _winner=np.full(shape, len(inverter.spectra), np.min_scalar_type(len(inverter.spectra))),
            _values=np.concatenate([inverter.values, nothing]),
            _won=np.zeros(len(inverter.spectra), np.int64),
            _sums=[0, 0],
        )

    def added(self, surface: Surface, window: Window, numbers: npt.NDArray[np.uint16] | None = None) -> Surface:
        """The layers of ``window`` and the residual; ``numbers`` (bands, rows, columns) where a pixel has a class.

        Which spectra are nearest is noted for `values`.
        """
        classes = surface[CLASS.name]
        residual = RESIDUAL.empty(classes.shape)
        if numbers is not None:
            winner = self._winner[window.slices]
            flat, where = numbers.reshape(len(numbers), -1), np.flatnonzero(classes)
            for start in range(0, len(where), _TOGETHER):
                part = where[start : start + _TOGETHER]
                nearest = self._nearest(flat, part)
                winner[np.unravel_index(part, classes.shape)] = nearest.rows
                residual.reshape(-1)[part] = RESIDUAL.store(nearest.residual())
                self._count(nearest, _IS_ALGAL[classes.reshape(-1)[part]])
        return {**surface, RESIDUAL.name: residual}

    def values(self, layer: Layer, window: Window) -> Stored:
        """A parameter's ``layer`` in ``window``, once `added` has seen all of it."""
        return np.asarray(self._values[self._winner[window.slices], self.layers.index(layer)])

    def _nearest(self, numbers: npt.NDArray[np.uint16], where: npt.NDArray[np.intp]) -> Nearest:
        reflectance = self.radiometry.reflectance(numbers.take(where, axis=1))
        return self.inverter.nearest(whole(reflectance[list(self.bands)].T))

    def _count(self, nearest: Nearest, is_algal: npt.NDArray[np.bool_]) -> None:
        rows, sums = nearest.rows[is_algal], nearest.sums[is_algal].astype(np.int64)
        won = np.bincount(rows, minlength=len(self._won))
        with self._lock:
            self._won[:] += won
            self._sums[0] += int(sums.sum())
            self._sums[1] += int((sums * sums).sum())

    def provenance(self) -> dict[str, Any]:
        """What names the table beyond doubt, and which of its spectra were looked at."""
        return {
            "name": self.table.name,
            "sha256": self.table.sha256,
            "spectra": len(self.inverter.spectra),
            "sun_zenith": self.zenith,
        }

    def facts(self) -> dict[str, Any]:
        """What summary.json says once all windows are done."""
        means = {
            parameter.name: {"unit": parameter.unit, **_mean_and_sd(self._won, values)}
            for parameter, values in zip(self.table.parameters, self.inverter.values.T, strict=True)
        }
        return {
            "lookup_table": self.provenance(),
            "sun_zenith": self.tile_zenith,
            "classes": [surface.short for surface in ALGAL_ICE],
            "pixels": int(self._won.sum()),
            "parameters": means,
            "residual": self._residual(),
        }

    def _residual(self) -> dict[str, float | None]:
        count, (total, squares) = int(self._won.sum()), self._sums
        if not count:
            return {"mean": None, "sd": None}
        unit = len(ICE_BANDS) * STEPS
        sd = math.sqrt((squares * count - total * total) / (count * count))
        return {"mean": _six_digits(total / count / unit), "sd": _six_digits(sd / unit)}


def all_layers(retrieval: Retrieval | None) -> tuple[Layer, ...]:
    """The layers of a map, and those that ``retrieval`` adds."""
    return LAYERS if retrieval is None else (*LAYERS, *retrieval.layers)


def grown_layers(retrieval: Retrieval | None) -> tuple[Layer, ...]:
    """Those of `all_layers` that windows give as they are done; `Retrieval.values` gives the others."""
    return LAYERS if retrieval is None else (*LAYERS, RESIDUAL)


def used_table(retrieval: Retrieval | None) -> dict[str, dict[str, Any]]:
    """What manifest and Item say about the lookup table, where there is one."""
    return {} if retrieval is None else {"lookup_table": retrieval.provenance()}


def _check_angles(table: LookupTable, zenith: float | None) -> None:
    if table.sun_zenith is None:
        return
    here, count = int((table.sun_zenith == zenith).sum()), len(table.sun_zenith)
    if here < min(_FEWEST, count):
        raise BadModel(
            f"The lookup table {shown(table.name)} has only {here} of its {count} spectra at {zenith} degrees, of its "
            f"sun zenith angles the nearest to the tile's; expected {_FEWEST} at least. Spectra of one sun must have "
            "the same number."
        )


def _mean_and_sd(counts: npt.NDArray[np.int64], values: npt.NDArray[np.float32]) -> dict[str, float | None]:
    count = int(counts.sum())
    if not count:
        return {"mean": None, "sd": None}
    exact = values.astype(np.float64)
    mean = float((counts * exact).sum()) / count
    variance = float((counts * (exact - mean) ** 2).sum()) / count
    return {"mean": _six_digits(mean), "sd": _six_digits(math.sqrt(variance))}


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")
