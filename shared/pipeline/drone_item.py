"""The STAC Item of one mapped orthomosaic (STAC 1.1), with hrefs relative to the result folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pystac import Item
from pystac.extensions.projection import ProjectionExtension
from shapely.geometry import mapping

from shared.pipeline.drone_results import MadeByDrone, rounded
from shared.pipeline.surface_item import PROCESSING, add_asset, outline
from shared.pipeline.surface_results import VERSION, File, instant, model_facts
from shared.science.layers import Layer

_DIGITS = 9  # of a degree: a tenth of a millimetre, as small as a pixel may be


def item(made: MadeByDrone, files: Sequence[tuple[File, Layer | None]]) -> dict[str, Any]:
    """The Item as a dictionary; ``files`` are those emitted so far, which become its assets.

    Its datetime is what the file states, or else when the results were made, and a property says which.
    """
    shape, bbox = outline(made.place.outline, digits=_DIGITS)
    stac = Item(
        id=made.name,
        geometry=mapping(shape),
        bbox=bbox,
        datetime=made.taken or made.created,
        properties=_properties(made),
        stac_extensions=[PROCESSING],
    )
    a, _, left, _, e, top = made.place.transform
    is_code = made.place.crs.startswith("EPSG:")
    ProjectionExtension.ext(stac, add_if_missing=True).apply(
        code=made.place.crs if is_code else None,
        wkt2=None if is_code else made.place.crs,
        shape=list(made.place.shape),
        transform=list(made.place.transform),
        bbox=[left, top + e * made.place.rows, left + a * made.place.columns, top],
    )
    for file, layer in files:
        key = file.name.rpartition(".")[0]
        if layer:
            key = key.removeprefix(f"{made.name}_").lower()
        add_asset(stac, file, layer, key)
    return stac.to_dict(include_self_link=False, transform_hrefs=False)


def _properties(made: MadeByDrone) -> dict[str, Any]:
    return {
        "created": instant(made.created),
        "updated": instant(made.created),
        "title": f"Ice surface of orthomosaic {made.name}",
        "gsd": rounded(made.place.metres),
        "processing:level": "L3",
        "processing:datetime": instant(made.created),
        "processing:software": {"IceWatch": VERSION},
        "processing:lineage": (
            f"Orthomosaic {made.name}, classified with model {made.classifier.name} {made.classifier.version}."
        ),
        "icewatch:datetime_is": "stated by the orthomosaic" if made.taken else "when the results were made",
        "icewatch:usable_percent": round(made.usability.usable_percent, 3),
        "icewatch:classified_percent": round(made.usability.classified_percent, 3),
        "icewatch:model": model_facts(made.classifier),
        "icewatch:class_percent": {c.short: percent for c, percent in made.tally.percents().items()},
    }
