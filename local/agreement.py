"""How well class maps agree with the truth of simulated scenes: one percentage, or class by class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from local.scenes import Truth
from shared.science.classes import Quality, SurfaceClass

if TYPE_CHECKING:
    from rich.table import Table

Codes = npt.NDArray[np.uint8]
_SHOWN = 0.05  # percent; less reads as 0.0
VERDICTS = {Truth(surface): surface.short for surface in SurfaceClass} | {Truth.ROCK: "not ice"}


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often each truth was found to be what, over the usable pixels of any number of scenes.

    Usable is what the pipeline took for usable: pixels with a class, and pixels it found not to be ice, which are right
    where the truth is rock. A cloud that it missed has no right verdict, so that it counts against the one it got.
    """

    counts: npt.NDArray[np.int64]  # (truth, verdict), both by codes of Truth; ROCK is the verdict "not ice"

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.counts + other.counts)

    @classmethod
    def none(cls) -> Confusion:
        """Of no pixel at all."""
        return cls(np.zeros((len(Truth), len(Truth)), np.int64))

    @property
    def percent(self) -> float:
        """Percent of the usable pixels whose verdict equals the truth; NaN where there are none."""
        return _percent(int(sum(self.counts[one, one] for one in VERDICTS)), int(self.counts.sum()))

    def recall(self, truth: Truth) -> float:
        """Percent of the pixels that are ``truth`` which were found to be it; NaN where there are none."""
        return _percent(int(self.counts[truth, truth]), int(self.counts[truth].sum()))

    def precision(self, truth: Truth) -> float:
        """Percent of the pixels found to be ``truth`` which are it; NaN where there are none."""
        return _percent(int(self.counts[truth, truth]), int(self.counts[:, truth].sum()))

    def as_json(self) -> dict[str, object]:
        """Plain values: rates in percent by verdict, and the counts by truth and verdict."""
        return {
            "agreement_percent": _number(self.percent),
            "classes": {
                name: {
                    "pixels": int(self.counts[truth].sum()),
                    "recall_percent": _number(self.recall(truth)),
                    "precision_percent": _number(self.precision(truth)),
                }
                for truth, name in VERDICTS.items()
            },
            "counts": {
                truth.name.lower(): {name: int(self.counts[truth, verdict]) for verdict, name in VERDICTS.items()}
                for truth in Truth
                if self.counts[truth].any()
            },
        }


def confusion(classes: Codes, quality: Codes, truth: Codes) -> Confusion:
    """Truth and verdict of the usable pixels of one map; arrays of one shape (rows, columns).

    ``classes`` and ``quality`` are a map's layers, ``truth`` holds codes of Truth.
    """
    not_ice = quality == Quality.NOT_ICE
    usable = (quality == Quality.CLASSIFIED) | not_ice
    verdict = np.where(not_ice, np.uint8(Truth.ROCK), classes)[usable]
    pairs = truth[usable].astype(np.intp) * len(Truth) + verdict
    return Confusion(np.bincount(pairs, minlength=len(Truth) ** 2).reshape(len(Truth), -1))


def confusion_of_files(results: Path, truth: Path) -> Confusion:
    """The same for a folder of results and a truth raster on disk."""
    import rasterio

    def read(path: Path) -> Codes:
        with rasterio.open(path) as raster:
            codes: Codes = raster.read(1)
        return codes

    (classes,), (quality,) = results.glob("*_CLASS_20m.tif"), results.glob("*_QUALITY_20m.tif")
    return confusion(read(classes), read(quality), read(truth))


def table(found: Confusion, title: str) -> Table:
    """Recall, precision and what each truth was mistaken for, for a terminal."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for name in ("truth", "pixels", "recall %", "precision %", "mistaken for, %"):
        shown.add_column(name, justify="left" if name in {"truth", "mistaken for, %"} else "right")
    for truth in (*VERDICTS, Truth.CLOUD):
        rates = (found.recall(truth), found.precision(truth)) if truth in VERDICTS else ()
        cells = [f"{rate:.1f}" if np.isfinite(rate) else "" for rate in rates] or ["", ""]
        name = VERDICTS.get(truth, "cloud, missed")
        shown.add_row(name, str(found.counts[truth].sum()), *cells, _mistaken(found, truth))
    return shown


def _mistaken(found: Confusion, truth: Truth) -> str:
    """The wrong verdicts on ``truth``, the most frequent first."""
    shares = {
        name: _percent(int(found.counts[truth, verdict]), int(found.counts[truth].sum()))
        for verdict, name in VERDICTS.items()
        if verdict is not truth
    }
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    return "  ".join(f"{name} {share:.1f}" for name, share in ordered if share >= _SHOWN)


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else float("nan")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 2)
