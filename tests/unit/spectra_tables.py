"""Small tables of field spectra, as a user would hand them in, and draws of the shipped classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.statistics import covariances, read_statistics
from models.training import draw
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass

Codes = npt.NDArray[np.uint8]
CENTRES = (490, 560, 665, 704, 740, 783, 865, 1610, 2190)  # nm


def facts(folder: Path) -> dict[str, Any]:
    """What the card of a model folder says."""
    found: dict[str, Any] = json.loads((folder / "card.json").read_bytes())
    return found


def drawn(count: int, seed: int = 5, beyond: float = 0.0) -> tuple[npt.NDArray[np.float32], Codes]:
    """``count`` undisturbed spectra of each of the six classes, within what was seen and ``beyond``."""
    random, classes = np.random.default_rng(seed), read_statistics(ICE_BANDS)
    pairs = zip(classes, covariances(classes, 20.0), strict=True)
    parts = [draw(one, matrix, count, beyond=beyond, random=random) for one, matrix in pairs]
    codes = np.repeat([one.surface.value for one in classes], count).astype(np.uint8)
    return np.concatenate(parts).astype(np.float32), codes


def write_tables(folder: Path, *, per_class: int = 6, shorts: tuple[str, ...] = ("CI", "LA", "HA")) -> list[str]:
    """Spectra from 400 to 2400 nm in steps of 10, labels, and box-shaped responses; returns command line arguments."""
    wavelengths = np.arange(400, 2401, 10)
    features, codes = drawn(per_class)
    columns, labels = {}, []
    for short in shorts:
        for number, spectrum in enumerate(features[codes == SurfaceClass.of(short)]):
            columns[f"{short}{number}"] = np.interp(wavelengths, CENTRES, spectrum)
            labels.append(f"{short}{number},{short}")
    rows = [",".join(f"{value:.5f}" for value in row) for row in zip(*columns.values(), strict=True)]
    lines = [f"{nm},{row}" for nm, row in zip(wavelengths, rows, strict=True)]
    (folder / "spectra.csv").write_text("\n".join([",".join(["wavelength", *columns]), *lines]) + "\n")
    (folder / "labels.csv").write_text("\n".join(["spectrum,class", *labels]) + "\n")
    boxes = [[int(abs(nm - centre) <= 20) for centre in CENTRES] for nm in range(400, 2401, 5)]
    table = ["\t".join(map(str, (nm, *box))) for nm, box in zip(range(400, 2401, 5), boxes, strict=True)]
    head = "\t".join(["Wavelength", *(band.replace("B0", "B") for band in ICE_BANDS)])
    (folder / "responses.tsv").write_text("\n".join([head, *table]) + "\n")
    return [
        "--spectra",
        str(folder / "spectra.csv"),
        "--labels",
        str(folder / "labels.csv"),
        "--responses",
        str(folder / "responses.tsv"),
    ]
