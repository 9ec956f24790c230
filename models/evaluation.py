"""How good a forest is: on spectra held out, and on field spectra that took no part in anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.recipe import DRAWN_TO_MEASURE, Recipe, grow
from models.statistics import ClassStatistics, of_spectra
from models.training import sample
from shared.science.classes import SurfaceClass

Codes = npt.NDArray[np.uint8]

UNASKED = -1  # fold of spectra that are always known and never named
_RESAMPLES = 2000  # of the bootstrap
_PERCENT = (2.5, 97.5)


def scores(truth: Codes, guess: Codes, seed: int) -> dict[str, Any]:
    """Accuracy, precision, recall and F1 with 95 % intervals, per class, and the confusion matrix.

    Means over the classes that occur in ``truth``, plain ("macro") and weighted by their number. The intervals are
    percentiles of the same numbers on spectra drawn again with replacement.
    """
    matrix = _confusion(truth, guess)
    random = np.random.default_rng(seed)
    drawn = [
        _summary(_confusion(truth[pick], guess[pick]))
        for pick in random.integers(0, len(truth), (_RESAMPLES, len(truth)))
    ]
    plain = _summary(matrix)
    interval = {name: np.percentile([one[name] for one in drawn], _PERCENT).round(4).tolist() for name in plain}
    return {
        "spectra": len(truth),
        **{name: round(value, 4) for name, value in plain.items()},
        "interval_95": interval,
        "classes": _per_class(matrix),
        "confusion": {
            "rows": "true class",
            "columns": "predicted class",
            "order": [surface.short for surface in SurfaceClass],
            "counts": matrix.tolist(),
        },
    }


def over_seeds(truth: Codes, guesses: Codes) -> tuple[tuple[float, float], npt.NDArray[np.float64]]:
    """Accuracy and weighted F1, mean over the seeds of ``guesses`` (seeds, spectra), and their 95 % intervals (2, 2).

    The interval is that of the mean, low and high, on spectra drawn again with replacement: how far the score would
    move with other spectra of the same kind. More seeds do not narrow it.
    """
    count = len(truth)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), _RESAMPLES)
    times = np.vstack([np.ones(count), drawn])  # how often each spectrum counts; first, as measured, each once
    accuracy = times @ (guesses == truth).mean(axis=0) / count
    f1 = np.mean([_weighted_f1(truth, guess, times) for guess in guesses], axis=0)
    return (float(accuracy[0]), float(f1[0])), np.percentile([accuracy[1:], f1[1:]], _PERCENT, axis=1).T


def _weighted_f1(truth: Codes, guess: Codes, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weighted F1 (draws,) where spectrum s counts ``times[draw, s]``-fold."""
    total = np.zeros(len(times))
    for code in np.unique(truth):
        true, named = times @ (truth == code), times @ (guess == code)
        hits = times @ ((truth == code) & (guess == code))
        total += true * 2 * hits / np.maximum(true + named, 1)
    return np.asarray(total / times.sum(axis=1))


def _confusion(truth: Codes, guess: Codes) -> npt.NDArray[np.int64]:
    """Counts (true class, predicted class), in the order of the codes."""
    classes = len(SurfaceClass)
    return np.bincount((truth.astype(np.int64) - 1) * classes + guess - 1, minlength=classes**2).reshape(classes, -1)


def _rates(matrix: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], ...]:
    hits, named, true = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    precision = hits / np.maximum(named, 1)
    recall = hits / np.maximum(true, 1)
    return precision, recall, 2 * hits / np.maximum(named + true, 1)


def _summary(matrix: npt.NDArray[np.int64]) -> dict[str, float]:
    true = matrix.sum(axis=1)
    found = {"accuracy": float(np.trace(matrix) / true.sum())}
    for name, rate in zip(("precision", "recall", "f1"), _rates(matrix), strict=True):
        found[name] = float(rate[true > 0].mean())
        found[f"{name}_weighted"] = float(np.average(rate, weights=true))
    return found


def _per_class(matrix: npt.NDArray[np.int64]) -> dict[str, dict[str, float]]:
    rates, true = _rates(matrix), matrix.sum(axis=1)
    return {
        surface.short: {
            **{name: round(float(rate[i]), 4) for name, rate in zip(("precision", "recall", "f1"), rates, strict=True)},
            "spectra": int(true[i]),
        }
        for i, surface in enumerate(SurfaceClass)
        if true[i]
    }


def on_drawn(forest: Any, classes: Sequence[ClassStatistics], recipe: Recipe) -> dict[str, Any]:
    """Scores on spectra drawn as for the training, but others, and as many of each class."""
    sampling = replace(recipe.sampling, per_class=recipe.held_out, balance=0.0)
    spectra, codes = sample(classes, sampling, np.random.default_rng((recipe.seed, DRAWN_TO_MEASURE)))
    return scores(codes, forest.predict(spectra), recipe.seed)


def folds(codes: Codes, count: int, random: np.random.Generator) -> npt.NDArray[np.intp]:
    """The fold (spectra,) of each spectrum: every class is dealt evenly over ``count`` folds."""
    number = np.empty(len(codes), np.intp)
    dealt = 0
    for code in np.unique(codes):
        mine = random.permutation(np.flatnonzero(codes == code))
        number[mine] = (dealt + np.arange(len(mine))) % count
        dealt += len(mine)
    return number


def predicted_in_turn(
    platforms: npt.NDArray[np.float32],
    codes: Codes,
    others: Sequence[ClassStatistics],
    recipe: Recipe,
    fold: npt.NDArray[np.intp],
) -> npt.NDArray[np.uint8]:
    """Classes (platforms, spectra) named by forests that knew nothing of the fold that a spectrum lies in.

    ``platforms`` are the spectra (platforms, spectra, bands); ``others`` are classes without spectra of their own,
    present in every forest. Statistics, sampling and growing are repeated for each fold.
    """
    guess = np.zeros(platforms.shape[:2], np.uint8)
    for number in np.unique(fold[fold != UNASKED]):
        known, asked = fold != number, fold == number
        forest = grow(with_others(of_spectra(platforms[:, known], codes[known]), others), recipe)
        for index, spectra in enumerate(platforms):
            guess[index, asked] = forest.predict(spectra[asked])
    return guess


def with_others(own: Sequence[ClassStatistics], others: Sequence[ClassStatistics]) -> list[ClassStatistics]:
    """One list in the order of the codes; where a class is in both, its own spectra count."""
    chosen = {one.surface: one for one in [*others, *own]}
    return [chosen[surface] for surface in SurfaceClass if surface in chosen]


def cross_validate(
    platforms: npt.NDArray[np.float32],
    codes: Codes,
    others: Sequence[ClassStatistics],
    recipe: Recipe,
    count: int,
) -> dict[str, Any]:
    """Scores of `predicted_in_turn` over ``count`` folds, on the spectra as the first platform sees them.

    ``same_on_all_platforms`` is the share of the spectra that get the same name from every platform's bands.
    """
    fold = folds(codes, min(count, len(codes)), np.random.default_rng(recipe.seed))
    guess = predicted_in_turn(platforms, codes, others, recipe, fold)
    return {
        **scores(codes, guess[0], recipe.seed),
        "folds": int(fold.max()) + 1,
        "platforms": len(platforms),
        "same_on_all_platforms": round(float((guess == guess[0]).all(axis=0).mean()), 4),
    }
