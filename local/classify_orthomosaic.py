"""``python -m local classify ORTHO.tif --out DIR``: one drone orthomosaic to maps, without Azure and without a host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import BadProduct
from shared.pipeline.drone_results import DroneSummary


def is_orthomosaic(path: Path) -> bool:
    """Whether ``path`` names a GeoTIFF rather than a SAFE folder."""
    return path.suffix.lower() in {".tif", ".tiff"}


def classify_orthomosaic(
    path: Path, out: Path, *, model: Path | None, progress: Callable[[int, int], None]
) -> DroneSummary:
    """Map the orthomosaic at ``path`` into the folder ``out``; raises what is wrong with one of them."""
    from shared.adapters.folders import ResultFolder
    from shared.adapters.models import SHIPPED_DRONE, load_classifier
    from shared.adapters.orthomosaics import GdalOrthomosaics
    from shared.adapters.quicklook import quicklook
    from shared.adapters.rasters import GdalRasters
    from shared.pipeline.drone import map_orthomosaic
    from shared.pipeline.drone_drop import name_of
    from shared.pipeline.drone_ports import DroneTools

    name = name_of(path.name)
    results = ResultFolder(out, name)
    classifier = load_classifier(model or SHIPPED_DRONE)
    tools = DroneTools(GdalOrthomosaics(), GdalRasters(), quicklook)
    try:
        file = path.open("rb")
    except OSError as cause:
        raise BadProduct(f"{path} cannot be read: {cause.strerror}.") from cause
    with file, tools.orthomosaics.open(file, name) as orthomosaic:
        return map_orthomosaic(
            orthomosaic,
            name,
            classifier,
            tools=tools,
            emit=results.emit,
            clock=lambda: datetime.now(UTC),
            progress=progress,
        )
