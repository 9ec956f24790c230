"""How far labelled spectra go: ``python -m models.ceiling SPECTRA LABELS RESPONSES...``. Prints Markdown.

The shipped recipe and classifiers of other kinds are cross-validated on the same folds, over many seeds. Where ways
that have nothing in common mistake the same spectra, not the recipe sets the limit; the second table names them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from models.evaluation import Codes, folds, over_seeds, predicted_in_turn
from models.recipe import Recipe
from models.spectra import FieldSpectra, read_responses, read_spectra
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass

FOLDS = 10
SHIPPED = "the shipped recipe"
PREDECESSOR = "a plain forest of 64 trees, the predecessor's"
VISIBLE, ALL = 3, len(ICE_BANDS)
_DOUBTFUL = 0.25  # of the seeds; what is mistaken less often is not listed
Kind = tuple[
    Callable[[int], Any], int
]  # makes an untrained classifier from a seed; how many bands it sees, from the blue


def _scaled(classifier: Any) -> Any:
    return make_pipeline(StandardScaler(), classifier)


# Each learns from the spectra themselves, with settings that are usual for so few.
KINDS: Mapping[str, Kind] = {
    PREDECESSOR: (lambda seed: RandomForestClassifier(64, random_state=seed), ALL),
    "linear discriminant": (lambda _: LinearDiscriminantAnalysis(), ALL),
    "linear discriminant, B02 alone": (lambda _: LinearDiscriminantAnalysis(), 1),
    "logistic regression": (lambda _: _scaled(LogisticRegression(max_iter=5000)), ALL),
    "logistic regression, B02 to B04": (lambda _: _scaled(LogisticRegression(C=100, max_iter=5000)), VISIBLE),
    "support vectors, linear": (lambda _: _scaled(SVC(kernel="linear", C=10)), ALL),
    "support vectors, linear, B02 to B04": (lambda _: _scaled(SVC(kernel="linear", C=10)), VISIBLE),
    "support vectors, Gaussian": (lambda _: _scaled(SVC(C=10)), ALL),
    "five nearest neighbours": (lambda _: KNeighborsClassifier(5), ALL),
}


def by_kind(kind: Kind, spectra: npt.NDArray[np.float32], codes: Codes, seeds: Sequence[int]) -> Codes:
    """What classifiers of a kind call each spectrum, without having seen it: (seeds, spectra)."""
    make, bands = kind
    guesses = np.zeros((len(seeds), len(codes)), np.uint8)
    for guess, seed in zip(guesses, seeds, strict=True):
        fold = folds(codes, FOLDS, np.random.default_rng(seed))
        for number in range(FOLDS):
            asked = fold == number
            guess[asked] = make(seed).fit(spectra[~asked, :bands], codes[~asked]).predict(spectra[asked, :bands])
    return guesses


def by_recipe(recipe: Recipe, platforms: npt.NDArray[np.float32], codes: Codes, seeds: Sequence[int]) -> Codes:
    """The same for the forests of a recipe, asked as the first of the platforms sees the spectra: (seeds, spectra).

    A seed decides the folds, the spectra drawn and the forest. ``platforms`` is (platforms, spectra, bands).
    """
    dealt = ((seed, folds(codes, FOLDS, np.random.default_rng(seed))) for seed in seeds)
    found = [predicted_in_turn(platforms, codes, (), replace(recipe, seed=seed), fold)[0] for seed, fold in dealt]
    return np.array(found, np.uint8)


def doubtful(field: FieldSpectra, guesses: Mapping[str, Codes]) -> list[str]:
    """A row for each spectrum that the shipped recipe mistakes in more than a quarter of the seeds, worst first."""
    wrong = guesses[SHIPPED] != field.codes
    others = np.mean([guess != field.codes for name, guess in guesses.items() if name != SHIPPED], axis=(0, 1))
    rows = []
    for index in np.argsort(-wrong.mean(axis=0), kind="stable"):
        if (share := wrong[:, index].mean()) <= _DOUBTFUL:
            break
        (code, _), *_ = Counter(guesses[SHIPPED][wrong[:, index], index].tolist()).most_common(1)
        label, called = SurfaceClass(int(field.codes[index])).short, SurfaceClass(code).short
        rows.append(f"| {field.names[index]} | {label} | {called} | {100 * share:.0f} | {100 * others[index]:.0f} |")
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.ceiling", description="How far labelled spectra go.")
    parser.add_argument("spectra", type=Path, help="CSV of field spectra")
    parser.add_argument("labels", type=Path, help="CSV with the columns spectrum and class")
    parser.add_argument("responses", type=Path, nargs="+", help="band responses, one table per platform")
    parser.add_argument("--seeds", type=int, default=12, help="so many, from 1")
    chosen = parser.parse_args(arguments)
    field, seeds = read_spectra(chosen.spectra, chosen.labels), range(1, chosen.seeds + 1)
    platforms = np.stack([field.weighted(read_responses(path, ICE_BANDS)) for path in chosen.responses])
    guesses = {SHIPPED: by_recipe(Recipe(), platforms, field.codes, seeds)}
    guesses |= {name: by_kind(kind, platforms[0], field.codes, seeds) for name, kind in KINDS.items()}
    print("| classifier | accuracy | 95 % interval | seeds, lowest to highest | weighted F1 | 95 % interval |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, guess in guesses.items():
        mean, interval = over_seeds(field.codes, guess)
        rates = (guess == field.codes).mean(axis=1)
        accuracy, f1 = (f"{one:.3f} | {low:.3f} to {high:.3f}" for one, (low, high) in zip(mean, interval, strict=True))
        print(f"| {name} | {accuracy} | {rates.min():.3f} to {rates.max():.3f} | {f1} |", flush=True)
    print("\n| spectrum | class | called | % of the seeds | % of the other kinds |\n| --- | --- | --- | --- | --- |")
    print("\n".join(doubtful(field, guesses)))


if __name__ == "__main__":
    main()
