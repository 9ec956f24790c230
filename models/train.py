"""Train the shipped classifier: ``python -m models.train [--out FOLDER] [--seed N] [--per-class N]``.

Draws spectra from `models/class_statistics.csv`, trains a random forest, measures it on spectra held out, and
writes a model folder: model.skops (no pickle), card.json for programs, card.md for people. The same seed and the
same library versions give the same forest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
import skops
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from skops import io

from models.card import as_markdown
from models.training import Disturbance, read_statistics, sample
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass

FOLDER = Path(__file__).with_name("ice_surface")
NAME, VERSION = "ice_surface", "1"
SOURCE = (
    "Class statistics (mean, standard deviation, smallest, largest reflectance per band) of Cook et al. (2020), "
    "The Cryosphere 14, 309-330, doi 10.5194/tc-14-309-2020, and its data archive: field spectra of July 2017 on the "
    "south-western Greenland Ice Sheet, weighted with the spectral response of Sentinel-2A; cryoconite and water "
    "read off the published figure of all training spectra."
)
LIMITS = (
    (
        "The accuracy is measured on spectra drawn from the same statistics as the training: it tells how far the "
        "classes can be told apart, not how true a map is."
    ),
    (
        "Six classes of ice surface only. Rock, soil, vegetation and open water are set aside by index thresholds "
        "before the forest is asked; where those thresholds fail, the forest will still name one of its classes."
    ),
    "Snow rests on 4 spectra, water and cryoconite on ranges read off a figure: their spread is a guess.",
    "One region, one month, one year; the bands of Sentinel-2A. Elsewhere the classes may look different.",
    "Bright clean ice and old snow overlap, and so do dark heavy algae and cryoconite.",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what forest results."""

    seed: int = 20200129
    per_class: int = 2000  # spectra to train on
    held_out: int = 500  # spectra per class to measure on
    trees: int = 64
    leaves: int = 64  # at most, per tree
    disturbance: Disturbance = field(default_factory=Disturbance)


def train(recipe: Recipe) -> Any:
    """The forest (a scikit-learn RandomForestClassifier) of ``recipe``."""
    spectra, codes = sample(
        read_statistics(), recipe.per_class, recipe.disturbance, np.random.default_rng((recipe.seed, 0))
    )
    forest = RandomForestClassifier(
        n_estimators=recipe.trees, max_leaf_nodes=recipe.leaves, random_state=recipe.seed, n_jobs=1
    )
    return forest.fit(spectra, codes)


def measure(forest: Any, recipe: Recipe) -> dict[str, Any]:
    """Accuracy, macro-averaged precision, recall and F1, per class and as a confusion matrix, on spectra held out."""
    spectra, codes = sample(
        read_statistics(), recipe.held_out, recipe.disturbance, np.random.default_rng((recipe.seed, 1))
    )
    guess: npt.NDArray[np.uint8] = forest.predict(spectra)
    labels = [surface.value for surface in SurfaceClass]
    precision, recall, f1, support = precision_recall_fscore_support(codes, guess, labels=labels, zero_division=0.0)
    return {
        "spectra": len(codes),
        "accuracy": round(float(accuracy_score(codes, guess)), 4),
        "precision": round(float(precision.mean()), 4),
        "recall": round(float(recall.mean()), 4),
        "f1": round(float(f1.mean()), 4),
        "classes": {
            surface.short: {
                "precision": round(float(precision[i]), 4),
                "recall": round(float(recall[i]), 4),
                "f1": round(float(f1[i]), 4),
                "spectra": int(support[i]),
            }
            for i, surface in enumerate(SurfaceClass)
        },
        "confusion": {
            "rows": "true class",
            "columns": "predicted class",
            "order": [surface.short for surface in SurfaceClass],
            "counts": confusion_matrix(codes, guess, labels=labels).tolist(),
        },
    }


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "skops": skops.__version__,
    }


def card_of(forest: Any, recipe: Recipe, model: bytes) -> dict[str, Any]:
    """The card of a trained forest whose stored bytes are ``model``."""
    return {
        "name": NAME,
        "version": VERSION,
        "bands": list(ICE_BANDS),
        "features": "surface reflectance",
        "classes": [SurfaceClass(code).short for code in forest.classes_],
        "class_labels": {surface.short: surface.label for surface in SurfaceClass},
        "sha256": hashlib.sha256(model).hexdigest(),
        "bytes": len(model),
        "data": {
            "source": SOURCE,
            "training_spectra_per_class": recipe.per_class,
            "held_out_spectra_per_class": recipe.held_out,
            "disturbance": asdict(recipe.disturbance),
        },
        "forest": {
            "trees": recipe.trees,
            "leaves_at_most": recipe.leaves,
            "largest_tree": int(max(tree.get_n_leaves() for tree in forest.estimators_)),
        },
        "seed": recipe.seed,
        "held_out": measure(forest, recipe),
        "limits": list(LIMITS),
        "versions": _versions(),
        "licence": "GPL-3.0-or-later",
    }


def write(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Train, measure and write the model folder; returns the card."""
    forest = train(recipe)
    model: bytes = io.dumps(forest, compression=8)  # 8: zip's deflate
    card = card_of(forest, recipe, model)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.skops").write_bytes(model)
    (folder / "card.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n")
    (folder / "card.md").write_text(as_markdown(card))
    return card


def main() -> None:
    """The command line."""
    usual = Recipe()
    parser = argparse.ArgumentParser(prog="python -m models.train", description="Train the shipped classifier.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="model folder to write")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of all random numbers")
    parser.add_argument("--per-class", type=int, default=usual.per_class, help="training spectra per class")
    chosen = parser.parse_args()
    if chosen.per_class < 1 or chosen.seed < 0:
        parser.error("--per-class must be at least 1 and --seed at least 0")
    card = write(chosen.out, Recipe(seed=chosen.seed, per_class=chosen.per_class))
    held_out = card["held_out"]
    print(f"{chosen.out}: {card['bytes']} bytes, accuracy {held_out['accuracy']:.3f}, F1 {held_out['f1']:.3f}")


if __name__ == "__main__":
    main()
