"""Which recipe: nested cross-validation on field spectra. ``python -m models.compare SPECTRA LABELS RESPONSES...``.

Within each outer fold the recipe is chosen by an inner cross-validation that knows nothing of that fold; the outer
score is therefore that of the choosing too, and not only that of the winner. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed  # type: ignore[import-untyped]

from models.evaluation import UNASKED, Codes, folds, predicted_in_turn, scores
from models.recipe import Growth, Recipe
from models.spectra import read_responses, read_spectra
from models.statistics import FIGURE, ClassStatistics, read_statistics
from models.training import Sampling
from shared.safe import ICE_BANDS

_OUTER, _INNER = 10, 4
_PER_CLASS = 120
_SMALL = Recipe(trees=16)  # of the candidates: their order needs no full forest
_SHAPES = {
    "best split, 3 bands, gini": replace(_SMALL, growth=Growth.BEST, bands_tried=3),
    "best split, 6 bands, entropy": replace(_SMALL, growth=Growth.BEST, bands_tried=6, criterion="entropy"),
    "random split, all bands, gini": _SMALL,
}


@dataclass(frozen=True, slots=True)
class Data:
    """Labelled spectra as one platform sees them, and the classes known from figures only."""

    spectra: npt.NDArray[np.float32]  # (1, spectra, bands)
    codes: Codes
    others: Sequence[ClassStatistics]

    def part(self, chosen: npt.NDArray[np.bool_]) -> Data:
        """Some of the spectra."""
        return Data(self.spectra[:, chosen], self.codes[chosen], self.others)

    def named(self, recipe: Recipe, fold: npt.NDArray[np.intp]) -> Codes:
        """What the recipe's forests call each spectrum, each forest knowing the other folds only."""
        codes: Codes = predicted_in_turn(self.spectra, self.codes, self.others, recipe, fold)[0]
        return codes


def candidates() -> dict[str, Recipe]:
    """The recipes compared, by name."""
    return {
        f"{shape}, balance {balance:g}": replace(recipe, sampling=Sampling(per_class=_PER_CLASS, balance=balance))
        for shape, recipe in _SHAPES.items()
        for balance in (0.5, 1.0)
    }


def nested(data: Data, recipes: Mapping[str, Recipe], seed: int, workers: int) -> tuple[list[str], dict[str, Any]]:
    """The recipe chosen in each outer fold, and the scores of all outer folds together."""
    fold = folds(data.codes, _OUTER, np.random.default_rng((seed, 0)))
    done = Parallel(workers)(delayed(_outer)(data, recipes, seed, fold == number) for number in range(_OUTER))
    guess = np.zeros_like(data.codes)
    for number, (_, named) in enumerate(done):
        guess[fold == number] = named
    return [name for name, _ in done], scores(data.codes, guess, seed)


def _outer(data: Data, recipes: Mapping[str, Recipe], seed: int, asked: npt.NDArray[np.bool_]) -> tuple[str, Codes]:
    known = data.part(~asked)
    fold = folds(known.codes, _INNER, np.random.default_rng((seed, 1)))
    right = {name: float((known.named(recipe, fold) == known.codes).mean()) for name, recipe in recipes.items()}
    best = max(right, key=right.__getitem__)
    return best, data.named(recipes[best], np.where(asked, 0, UNASKED))[asked]


def plain(data: Data, recipes: Mapping[str, Recipe], seeds: Sequence[int], workers: int) -> dict[str, list[float]]:
    """Accuracy and weighted F1 of each recipe in plain cross-validation, means over the seeds."""

    def one(recipe: Recipe, seed: int) -> tuple[float, float]:
        fold = folds(data.codes, _OUTER, np.random.default_rng((seed, 0)))
        found = scores(data.codes, data.named(replace(recipe, seed=seed), fold), seed)
        return found["accuracy"], found["f1_weighted"]

    return {
        name: np.mean(Parallel(workers)(delayed(one)(recipe, seed) for seed in seeds), axis=0).tolist()
        for name, recipe in recipes.items()
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.compare", description="Choose the recipe.")
    parser.add_argument("spectra", type=Path, help="CSV of field spectra")
    parser.add_argument("labels", type=Path, help="CSV with the columns spectrum and class")
    parser.add_argument("responses", type=Path, help="band responses of one platform")
    parser.add_argument("--only-measured", action="store_true", help="leave out the classes known from figures only")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    field = read_spectra(chosen.spectra, chosen.labels)
    figures = [one for one in read_statistics(ICE_BANDS) if one.origin == FIGURE and not chosen.only_measured]
    data = Data(field.weighted(read_responses(chosen.responses, ICE_BANDS))[np.newaxis], field.codes, figures)
    print("| recipe | accuracy | F1, weighted |\n| --- | --- | --- |")
    for name, (accuracy, f1) in plain(data, candidates(), (1, 2, 3), chosen.workers).items():
        print(f"| {name} | {accuracy:.3f} | {f1:.3f} |", flush=True)
    names, found = nested(data, candidates(), 1, chosen.workers)
    low, high = found["interval_95"]["accuracy"]
    print(
        f"\nNested: accuracy {found['accuracy']:.3f} ({low:.3f} to {high:.3f}), weighted F1 {found['f1_weighted']:.3f}."
    )
    print(f"Chosen: {dict(Counter(names))}")


if __name__ == "__main__":
    main()
