"""A model folder from class statistics: forest, card, pictures.

A model folder holds forest.npz (plain arrays, no pickle), card.json for programs, card.md and two pictures for people.
The same tables, seed and scikit-learn give the same forest, to the last bit.
"""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from models.card import as_markdown
from models.evaluation import on_drawn
from models.pictures import CONFUSION, SPECTRA, draw_confusion, draw_spectra
from models.recipe import Recipe, as_trees, grow
from models.statistics import STATISTICS, STATISTICS_DRONE, ClassStatistics, read_statistics
from shared.adapters.models import CARD, MODEL, SHIPPED, SHIPPED_DRONE
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from shared.science.drone import DRONE_BANDS
from shared.science.trees import Trees

_SOURCE = (
    "Class statistics (mean, standard deviation, smallest, largest reflectance per band, correlations) of Cook et al. "
    "(2020), The Cryosphere 14, 309-330, doi 10.5194/tc-14-309-2020, and its data archive: field spectra of July 2017 "
    "on the south-western Greenland Ice Sheet (4 snow, 12 clean ice, 25 light algae, 22 heavy algae); cryoconite (16) "
    "and water (5) read off the published figure of all training spectra."
)
_LIMITS = (
    (
        "The scores on drawn spectra tell how far the classes can be told apart, not how true a map is. Field spectra "
        "left out of everything are the better guide: docs/model.md."
    ),
    "Snow rests on 4 spectra, water and cryoconite on ranges read off a figure: their spread is a guess.",
    "One region, one month, one year. Elsewhere the classes may look different.",
    "Bright clean ice and old snow overlap, and so do dark heavy algae and cryoconite.",
)
_NO_OTHERS = "Six classes of ice surface only; what is none of them is set aside by rules before the forest is asked."
_NO_RULES = (
    "Six classes of ice surface only. Without short-wave infrared nothing tells rock, soil and vegetation from dark "
    "ice: fly over ice, or cut the image to it."
)


@dataclass(frozen=True, slots=True)
class Model:
    """What is to be trained, and what its card says of where it comes from."""

    name: str
    version: str
    bands: tuple[str, ...]
    responses: str  # a sentence
    source: str
    classes: Sequence[ClassStatistics]
    limits: tuple[str, ...]
    recipe: Recipe = field(default_factory=Recipe)
    cross_validation: dict[str, Any] | None = None  # of the field spectra, where they are at hand


def shipped(recipe: Recipe) -> dict[Path, Model]:
    """The models that come with IceWatch, by their folder."""
    satellite = Model(
        "ice_surface",
        "2",
        ICE_BANDS,
        "Responses of Sentinel-2A, 2B and 2C taken together: one forest serves all platforms.",
        _SOURCE,
        read_statistics(ICE_BANDS, STATISTICS),
        (_NO_OTHERS, *_LIMITS),
        recipe,
    )
    drone = Model(
        "ice_surface_drone",
        "1",
        DRONE_BANDS,
        "Gaussian bands with the MicaSense RedEdge's centres and widths: 475/20, 560/20, 668/10, 717/10, 840/40 nm.",
        _SOURCE + " The latter two are interpolated between Sentinel-2 bands.",
        read_statistics(DRONE_BANDS, STATISTICS_DRONE),
        (_NO_RULES, *_LIMITS),
        recipe,
    )
    return {SHIPPED: satellite, SHIPPED_DRONE: drone}


def write(folder: Path, model: Model) -> dict[str, Any]:
    """Train, measure and write the model folder; returns the card. The card is written last: without it no folder."""
    forest = grow(model.classes, model.recipe)
    trees = as_trees(forest)
    card = card_of(forest, trees, model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    (folder / MODEL).write_bytes(as_bytes(trees))
    draw_spectra(folder / SPECTRA, model.classes, model.bands)
    measured = card["cross_validation"] or card["drawn"]
    title = "field spectra, cross-validated, %" if card["cross_validation"] else "drawn spectra, held out, %"
    draw_confusion(folder / CONFUSION, measured["confusion"], title)
    (folder / "card.md").write_text(as_markdown(card), encoding="utf-8")
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


def as_bytes(trees: Trees) -> bytes:
    """The content of forest.npz."""
    body = io.BytesIO()
    np.savez_compressed(body, **{part.name: getattr(trees, part.name) for part in fields(trees)})
    return body.getvalue()


def card_of(forest: Any, trees: Trees, model: Model) -> dict[str, Any]:
    """The card of a grown forest."""
    shorts = [SurfaceClass(code).short for code in forest.classes_]
    recipe = model.recipe
    return {
        "name": model.name,
        "version": model.version,
        "bands": list(model.bands),
        "features": "surface reflectance",
        "classes": shorts,
        "class_labels": {short: SurfaceClass.of(short).label for short in shorts},
        "sha256": trees.digest(model.bands, shorts),
        "data": {
            "source": model.source,
            "responses": model.responses,
            "spectra_behind_classes": {one.surface.short: one.count for one in model.classes},
            "sampling": asdict(recipe.sampling),
        },
        "forest": {
            "trees": recipe.trees,
            "leaves_at_most": recipe.leaves,
            "spectra_per_leaf_at_least": recipe.leaf,
            "growth": recipe.growth.value,
            "bands_tried_per_node": recipe.bands_tried,
            "criterion": recipe.criterion,
            "largest_tree": trees.largest,
        },
        "seed": recipe.seed,
        "drawn": on_drawn(forest, model.classes, recipe),
        "cross_validation": model.cross_validation,
        "limits": list(model.limits),
        "versions": _versions(),
        "licence": "GPL-3.0-or-later",
    }


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}
