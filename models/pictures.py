"""The two pictures of a model card: the spectra behind the classes, and what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from models.statistics import ClassStatistics
from shared.science.classes import SurfaceClass

SPECTRA, CONFUSION = "spectra.png", "confusion.png"
_DPI = 100
_DARK = 0.6  # share from which a cell's number is written in white


def draw_spectra(path: Path, classes: Sequence[ClassStatistics], bands: Sequence[str]) -> None:
    """Mean and standard deviation per class over the bands, and dotted the smallest and largest seen."""
    figure = Figure(figsize=(7, 4.8), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(bands))
    for one in classes:
        colour = _colour(one.surface)
        axes.fill_between(place, one.mean - one.sd, one.mean + one.sd, color=colour, alpha=0.25, linewidth=0)
        axes.plot(place, one.mean, color=colour, marker="o", markersize=4, label=f"{one.surface.label} ({one.count})")
        for edge in (one.low, one.high):
            axes.plot(place, edge, color=colour, linestyle=":", linewidth=0.9)
    axes.set_xticks(place, bands)
    axes.set(ylabel="surface reflectance", ylim=(0, 1.05), title="mean ± sd; dotted: smallest and largest seen")
    figure.legend(title="class (spectra behind it)", fontsize="small", ncols=3, loc="outside lower center")
    _save(figure, path)


def draw_confusion(path: Path, confusion: Mapping[str, Any], title: str) -> None:
    """The confusion matrix, each row in percent of its true class."""
    counts = np.array(confusion["counts"], float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    names = confusion["order"]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted class", ylabel="true class", title=title)
    for (row, column), value in np.ndenumerate(share):
        if counts[row, column]:
            colour = "white" if value > _DARK else "black"
            axes.text(column, row, f"{100 * value:.1f}", ha="center", va="center", color=colour, fontsize="small")
    _save(figure, path)


def _colour(surface: SurfaceClass) -> tuple[float, ...]:
    """The map's colour, darkened where it would not show on white."""
    shade = 0.75 if sum(surface.colour) > 600 else 1.0
    return tuple(shade * channel / 255 for channel in surface.colour)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})  # no version, no date: the same picture twice
