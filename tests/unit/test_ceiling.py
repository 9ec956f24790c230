"""Cross-validation over many seeds, and how far it can go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import accuracy_score, f1_score

from models import ceiling
from models.compare import Data, nested
from models.evaluation import over_seeds
from models.recipe import Recipe
from models.spectra import read_responses, read_spectra
from models.training import Sampling
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from tests.conftest import SHARED, needs_shared
from tests.unit.spectra_tables import drawn, write_tables

SMALL = Recipe(trees=4, sampling=Sampling(per_class=60))
SEEDS = range(1, 6)  # the first, as they come; the shipped seed is a lucky one and not among them


def test_the_nested_choice_takes_the_recipe_that_can_tell_the_classes_apart() -> None:
    features, codes = drawn(12)
    kept = np.isin(codes, (SurfaceClass.CLEAN_ICE, SurfaceClass.LIGHT_ALGAE, SurfaceClass.HEAVY_ALGAE))
    data = Data(features[None, kept], codes[kept], ())
    recipes = {"two leaves": replace(SMALL, leaves=2), "usual": SMALL}
    chosen, guess = nested(data, recipes, seed=1, workers=1)
    assert chosen == ["usual"] * 10
    assert (guess == data.codes).mean() > 0.8


def test_the_ceiling_prints_a_row_per_classifier_and_the_spectra_that_are_mistaken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, spectra, _, labels, _, responses = write_tables(tmp_path, per_class=10)
    lines = Path(labels).read_text().replace("CI0,CI", "CI0,HA")
    Path(labels).write_text(lines)
    ceiling.main([spectra, labels, responses, "--seeds", "1"])
    rates, mistaken = (part.splitlines() for part in capsys.readouterr().out.split("\n\n"))
    assert [row.split(" | ")[0].strip("| ") for row in rates[2:]] == [ceiling.SHIPPED, *ceiling.KINDS]
    assert all(0.6 < float(row.split(" | ")[1]) <= 1 for row in rates[2:])
    assert "| CI0 | HA | CI | 100 | 100 |" in mistaken


def test_the_score_over_seeds_is_their_mean_and_its_interval_that_of_the_spectra() -> None:
    truth = np.repeat([4, 5], 20).astype(np.uint8)
    right, wrong = truth.copy(), truth.copy()
    wrong[:4] = 5
    (accuracy, f1), intervals = over_seeds(truth, np.array([right, wrong]))
    assert accuracy == pytest.approx((1 + 36 / 40) / 2)
    assert f1 == pytest.approx((1 + (2 * 16 / 36 + 2 * 20 / 44) / 2) / 2)
    assert all(low < mean < high <= 1 for mean, (low, high) in zip((accuracy, f1), intervals, strict=True))
    assert (over_seeds(truth, np.array([right, right]))[1] == 1).all()


@needs_shared
def test_field_spectra_left_out_of_everything_are_named_as_well_as_they_can_be() -> None:
    """On the four classes that the open spectra cover: 0.92, which docs/model.md shows to be what they allow.

    The statistics are those of all platforms together, the spectra are asked as Sentinel-2A sees them. Over many seeds
    the means of five have a standard deviation of 0.009 around 0.92. The predecessor's forest has the same folds.
    """
    data = SHARED / "data/spectra"
    field = read_spectra(data / "field_hcrf_2017.csv", data / "site_classes_2017.csv")
    tables = [read_responses(data / f"msi_srf_{platform}.tsv", ICE_BANDS) for platform in ("S2A", "S2B", "S2C")]
    features = np.stack([field.weighted(one) for one in tables])
    ours = mean_scores(field.codes, ceiling.by_recipe(Recipe(), features, field.codes, SEEDS))
    theirs = mean_scores(
        field.codes, ceiling.by_kind(ceiling.KINDS[ceiling.PREDECESSOR], features[0], field.codes, SEEDS)
    )
    assert min(ours) >= 0.905
    assert min(np.subtract(ours, theirs)) >= 0.02


def mean_scores(truth: npt.NDArray[np.uint8], guesses: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Accuracy and weighted F1, means over the rows, counted here by another's code than that of the cards."""
    accuracy = np.mean([accuracy_score(truth, guess) for guess in guesses])
    return float(accuracy), float(np.mean([weighted_f1(truth, guess) for guess in guesses]))


def weighted_f1(truth: npt.NDArray[np.uint8], guess: npt.NDArray[np.uint8]) -> float:
    """As the predecessor scored itself, counted here by another's code than that of the cards."""
    return float(f1_score(truth, guess, average="weighted", zero_division=0))
