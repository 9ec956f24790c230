"""Small results of two seasons, made by the real classification: what export and the notebook read.

Per season up to three dates: all clear; cloud over the lower half; all clear again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from shared.adapters.folders import ResultFolder
from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.models import ProductName, surface_folder
from shared.pipeline.surface import Options, Tools, map_surface
from shared.science.forest import Classifier
from tests.small_l2a import Members, Scene, l2a_files_of

ROWS, COLUMNS = 40, 42
CLOUDED = slice(20, 40)  # rows on the second date
_SEEDS = {"0611": 1, "0621": 2, "0711": 3}


def name_of(year: int, day: str) -> ProductName:
    """The L2A product of month and day ``day`` of ``year``."""
    return ProductName.parse(f"S2B_MSIL2A_{year}{day}T151809_N9999_R068_T22WEV_{year}{day}T184612")


@cache
def _classifier() -> Classifier:
    return load_classifier()


def write_results(folder: Path, product: ProductName, scene: Scene) -> Path:
    """Classify ``scene`` as ``product`` into its mirrored place below ``folder``; returns the result folder."""
    target = folder / str(surface_folder(product))
    target.mkdir(parents=True)
    map_surface(
        Members(l2a_files_of(scene, product=product)),
        product,
        _classifier(),
        tools=Tools(GdalRasters(), quicklook),
        options=Options(resolution=60),
        emit=ResultFolder(target, product).emit,
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )
    return target


def write_seasons(folder: Path, years: tuple[int, ...], *, dates: int = 3) -> Path:
    """The results of the first ``dates`` of each season, below ``folder``."""
    for year in years:
        for day, seed in list(_SEEDS.items())[:dates]:
            scene = Scene.of_classes(ROWS, COLUMNS, seed=seed + year)
            write_results(folder, name_of(year, day), scene.with_scl(9, CLOUDED) if day == "0621" else scene)
    return folder
