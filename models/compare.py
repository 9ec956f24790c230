"""Which recipe: nested cross-validation on field spectra. ``python -m models.compare SPECTRA LABELS RESPONSES``.

Within each outer fold the recipe is chosen by an inner cross-validation that knows nothing of that fold; the outer
score is therefore that of the choosing too, and not only that of the winner. Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed  # type: ignore[import-untyped]

from models.evaluation import UNASKED, Codes, folds, over_seeds, predicted_in_turn
from models.recipe import Growth, Recipe
from models.spectra import read_responses, read_spectra
from models.statistics import FIGURE, ClassStatistics, read_statistics
from models.training import Disturbance, Sampling
from shared.safe import ICE_BANDS

_OUTER, _INNER = 10, 4
_DRAWN = Sampling(per_class=120)
_SMALL = Recipe(trees=16, sampling=_DRAWN)  # of the candidates: their order needs no full forest
_SHAPES = {
    "best split, 3 bands, gini": replace(_SMALL, growth=Growth.BEST, bands_tried=3),
    "best split, 6 bands, entropy": replace(_SMALL, growth=Growth.BEST, bands_tried=6, criterion="entropy"),
    "random split, all bands, gini": _SMALL,
}
_USUAL = Disturbance()
# What else might be drawn or grown otherwise, each alone, as the last shape with the balance 0.5 has it.
_OTHERWISE = {
    "random split of one band": replace(_SMALL, bands_tried=1),
    "random split, leaves of ten spectra": replace(_SMALL, leaf=10),
    "random split, spectra within what was seen": replace(_SMALL, sampling=replace(_DRAWN, beyond=0)),
    "random split, correlations of all classes": replace(_SMALL, sampling=replace(_DRAWN, shrinkage=1e6)),
    "random split, twice the brightness, haze and noise": replace(
        _SMALL,
        sampling=replace(
            _DRAWN,
            disturbance=replace(_USUAL, brightness=2 * _USUAL.brightness, haze=2 * _USUAL.haze, noise=2 * _USUAL.noise),
        ),
    ),
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
    shaped = {
        f"{shape}, balance {balance:g}": replace(recipe, sampling=replace(_DRAWN, balance=balance))
        for shape, recipe in _SHAPES.items()
        for balance in (0.5, 1.0)
    }
    return shaped | _OTHERWISE


def nested(data: Data, recipes: Mapping[str, Recipe], seed: int, workers: int) -> tuple[list[str], Codes]:
    """The recipe chosen in each outer fold, and what the chosen ones call the spectra (spectra,) of those folds."""
    fold = folds(data.codes, _OUTER, np.random.default_rng((seed, 0)))
    done = Parallel(workers)(delayed(_outer)(data, recipes, seed, fold == number) for number in range(_OUTER))
    guess = np.zeros_like(data.codes)
    for number, (_, named) in enumerate(done):
        guess[fold == number] = named
    return [name for name, _ in done], guess


def _outer(data: Data, recipes: Mapping[str, Recipe], seed: int, asked: npt.NDArray[np.bool_]) -> tuple[str, Codes]:
    known = data.part(~asked)
    fold = folds(known.codes, _INNER, np.random.default_rng((seed, 1)))
    right = {name: float((known.named(recipe, fold) == known.codes).mean()) for name, recipe in recipes.items()}
    best = max(right, key=right.__getitem__)
    return best, data.named(recipes[best], np.where(asked, 0, UNASKED))[asked]


def plain(data: Data, recipe: Recipe, seeds: Sequence[int], workers: int) -> Codes:
    """What a recipe calls the spectra in plain cross-validation: (seeds, spectra)."""

    def one(seed: int) -> Codes:
        return data.named(replace(recipe, seed=seed), folds(data.codes, _OUTER, np.random.default_rng((seed, 0))))

    return np.array(Parallel(workers)(delayed(one)(seed) for seed in seeds))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.compare", description="Choose the recipe.")
    parser.add_argument("spectra", type=Path, help="CSV of field spectra")
    parser.add_argument("labels", type=Path, help="CSV with the columns spectrum and class")
    parser.add_argument("responses", type=Path, help="band responses of one platform")
    parser.add_argument("--only-measured", action="store_true", help="leave out the classes known from figures only")
    parser.add_argument("--seeds", type=int, default=6, help="of folds and forests: so many, from 1")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    field = read_spectra(chosen.spectra, chosen.labels)
    figures = [one for one in read_statistics(ICE_BANDS) if one.origin == FIGURE and not chosen.only_measured]
    data = Data(field.weighted(read_responses(chosen.responses, ICE_BANDS))[np.newaxis], field.codes, figures)
    seeds, recipes = range(1, chosen.seeds + 1), candidates()
    print("| recipe | accuracy | F1, weighted |\n| --- | --- | --- |")
    for name, recipe in recipes.items():
        (accuracy, f1), _ = over_seeds(data.codes, plain(data, recipe, seeds, chosen.workers))
        print(f"| {name} | {accuracy:.3f} | {f1:.3f} |", flush=True)
    found = [nested(data, recipes, seed, chosen.workers) for seed in seeds]
    (accuracy, f1), ((low, high), _) = over_seeds(data.codes, np.array([guess for _, guess in found]))
    print(f"\nNested: accuracy {accuracy:.3f} ({low:.3f} to {high:.3f}), weighted F1 {f1:.3f}.")
    print(f"Chosen: {dict(Counter(name for names, _ in found for name in names))}")


if __name__ == "__main__":
    main()
