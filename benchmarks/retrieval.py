"""``python -m benchmarks.retrieval``: seconds per million pixels to look up the nearest spectra, by table size.

The table mixes the mean spectra of the surface classes in shares and brightness; the pixels do the same, smoothly from
one to the next, with noise. The search through the tree is compared with comparing every pixel with every spectrum in
numpy, which is measured on a few pixels only. Seconds are of one processor.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.table import Table

from models.statistics import read_statistics
from shared.safe import ICE_BANDS
from shared.science.retrieval import LookupTable, Parameter, whole

_SIDE = 1000  # pixels
_PLAIN = 2000  # pixels that are compared with every spectrum
_T = TypeVar("_T")
_Numbers = npt.NDArray[np.float64]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--spectra", type=int, nargs="+", default=[1000, 50_000], help="sizes of the table")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.005, 0.02, 0.05], help="sd, reflectance")
    chosen = parser.parse_args()
    shown = Table("spectra", "made ready, s", "noise", "error", "tree, s/Mpx", "all, s/Mpx", "times")
    for column in shown.columns:
        column.justify = "right"
    for count in chosen.spectra:
        table = _table(count)
        inverter, ready = _measured(lambda table=table: table.inverter(None))  # type: ignore[misc]
        for noise in chosen.noise:
            pixels = _pixels(noise)
            some = pixels[:: len(pixels) // _PLAIN]
            found, fast = _measured(lambda i=inverter, p=pixels: i.nearest(p))  # type: ignore[misc]
            plainly, slow = _measured(lambda i=inverter, p=some: i.plainly(p))  # type: ignore[misc]
            if (found.rows[:: len(pixels) // _PLAIN] != plainly.rows).any():
                raise SystemExit("The two ways disagree.")
            fast, slow = fast / len(pixels) * 1e6, slow / len(some) * 1e6
            error = f"{found.residual().mean():.4f}"
            shown.add_row(
                str(count), f"{ready:.2f}", f"{noise:g}", error, f"{fast:.2f}", f"{slow:.0f}", f"{slow / fast:.0f}"
            )
    Console().print(shown)


def _measured(work: Callable[[], _T]) -> tuple[_T, float]:
    began = time.process_time()
    return work(), time.process_time() - began


def _mixed(shares: _Numbers, brightness: _Numbers) -> _Numbers:
    """Spectra (n, bands) of shares (n, classes), which need not sum to 1, and brightness (n,)."""
    means = np.array([one.mean for one in read_statistics(ICE_BANDS)])
    mixed = brightness[:, None] * (shares / shares.sum(axis=1, keepdims=True)) @ means
    return np.asarray(np.clip(mixed, 0, 1.5))


def _table(count: int) -> LookupTable:
    random = np.random.default_rng(1)
    shares, brightness = random.exponential(size=(count, 6)), random.uniform(0.6, 1.2, count)
    names = tuple(Parameter(f"share_{one}", "1") for one in range(6))
    return LookupTable("benchmark", "0" * 64, names, shares, _mixed(shares, brightness))


def _pixels(noise: float) -> npt.NDArray[np.int32]:
    random = np.random.default_rng(2)
    fields = np.column_stack([_smooth(random) for _ in range(7)])
    spectra = _mixed(fields[:, :6] ** 2 + 0.01, 0.6 + 0.6 * fields[:, 6])
    return whole(np.maximum(spectra + random.normal(0, noise, spectra.shape), 0))


def _smooth(random: np.random.Generator) -> _Numbers:
    coarse = Image.fromarray(random.random((25, 25), np.float32))
    return np.asarray(coarse.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float64).reshape(-1)


if __name__ == "__main__":
    main()
