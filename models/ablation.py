"""What each disturbance in training does: ``python -m models.ablation``. Prints Markdown, percent named rightly.

Forests are grown with some of the disturbances and asked for spectra that are drawn from the same statistics, others
than those of the training and as many of each class, and disturbed in one way only, harder than in training.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.recipe import DRAWN_TO_MEASURE, Recipe, grow
from models.statistics import ClassStatistics, read_statistics
from models.training import Disturbance, disturb, sample
from shared.safe import ICE_BANDS

NONE = Disturbance(0, 0, 0, 0, 0)
USUAL = Disturbance()
TRAINED_WITH = {
    "nothing": NONE,
    "all, as shipped": USUAL,
    "without brightness": replace(USUAL, brightness=0),
    "without haze": replace(USUAL, haze=0),
    "without band noise": replace(USUAL, noise=0),
    "without mixing": replace(USUAL, mixed=0),
    "three times all": replace(
        USUAL,
        brightness=3 * USUAL.brightness,
        haze=3 * USUAL.haze,
        noise=3 * USUAL.noise,
        mixed=3 * USUAL.mixed,
    ),
}
ASKED = {
    "undisturbed": NONE,
    "haze 0.02": replace(NONE, haze=0.02),
    "band noise 0.008": replace(NONE, noise=0.008),
    "mixed up to 30 %": replace(NONE, mixed=1, mixture=0.3),
}
SLOPE = 0.15  # relative brightness, at most either way: a sun 45 degrees high and slopes of some 8 degrees
Spectra = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def asked(classes: Sequence[ClassStatistics], recipe: Recipe) -> dict[str, Spectra]:
    """Spectra (samples, bands) and their codes (samples,), for each way of disturbing them."""
    plain = replace(recipe.sampling, per_class=recipe.held_out, balance=0.0, disturbance=NONE)
    random = np.random.default_rng((recipe.seed, DRAWN_TO_MEASURE))
    spectra, codes = sample(classes, plain, random)
    found = {name: (disturb(spectra.astype(np.float64), how, random), codes) for name, how in ASKED.items()}
    sunlit = spectra * random.uniform(1 - SLOPE, 1 + SLOPE, (len(spectra), 1)).astype(np.float32)
    return found | {f"slope ±{100 * SLOPE:g} %": (sunlit, codes)}


def named(classes: Sequence[ClassStatistics], recipe: Recipe, how: Disturbance) -> Mapping[str, float]:
    """Percent named rightly by a forest trained with ``how``, for each way of disturbing what it is asked."""
    forest = grow(classes, replace(recipe, sampling=replace(recipe.sampling, disturbance=how)))
    return {
        name: 100 * float((forest.predict(spectra) == codes).mean())
        for name, (spectra, codes) in asked(classes, recipe).items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.ablation", description="What each disturbance does.")
    parser.add_argument("--seeds", type=int, default=3, help="forests and spectra of so many seeds, their mean")
    parser.add_argument("--per-class", type=int, default=Recipe().sampling.per_class, help="training spectra")
    chosen = parser.parse_args(arguments)
    classes, rows = read_statistics(ICE_BANDS), dict[str, list[Mapping[str, float]]]()
    for name, how in TRAINED_WITH.items():
        for number in range(chosen.seeds):
            usual = Recipe(seed=Recipe().seed + number, held_out=1500)
            recipe = replace(usual, sampling=replace(usual.sampling, per_class=chosen.per_class))
            rows.setdefault(name, []).append(named(classes, recipe, how))
    columns = list(rows["nothing"][0])
    print(f"| trained with | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
    for name, found in rows.items():
        means = (np.mean([one[column] for one in found]) for column in columns)
        print(f"| {name} | {' | '.join(f'{mean:.1f}' for mean in means)} |")


if __name__ == "__main__":
    main()
