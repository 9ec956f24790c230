from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import ablation
from models.evaluation import UNASKED, folds, predicted_in_turn, scores, with_others
from models.folder import shipped, write
from models.recipe import Growth, Recipe, as_trees, grow
from models.spectra import read_responses, read_spectra
from models.statistics import STATISTICS, STATISTICS_DRONE, covariances, of_spectra, read_statistics
from models.training import Disturbance, Sampling, disturb, sample
from shared.adapters.models import SHIPPED, SHIPPED_DRONE, load_classifier
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from shared.science.drone import DRONE_BANDS
from tests.conftest import SHARED, needs_shared
from tests.unit.spectra_tables import drawn, facts

SMALL = Recipe(held_out=20, trees=4, sampling=Sampling(per_class=60))
FOLDERS = {SHIPPED: (ICE_BANDS, STATISTICS), SHIPPED_DRONE: (DRONE_BANDS, STATISTICS_DRONE)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_shipped_card_says_what_must_be_known(folder: Path) -> None:
    card, text = facts(folder), (folder / "card.md").read_text()
    assert card["classes"] == [surface.short for surface in SurfaceClass]
    assert card["bands"] == list(FOLDERS[folder][0])
    assert "10.5194/tc-14-309-2020" in card["data"]["source"]
    assert card["data"]["spectra_behind_classes"] == {"SN": 4, "WAT": 5, "CC": 16, "CI": 12, "LA": 25, "HA": 22}
    assert np.array(card["drawn"]["confusion"]["counts"]).sum() == card["drawn"]["spectra"]
    low, high = card["drawn"]["interval_95"]["accuracy"]
    assert 0.8 < low < card["drawn"]["accuracy"] < high
    assert card["limits"]
    assert card["sha256"] in text
    assert all((folder / name).stat().st_size < 150_000 for name in ("spectra.png", "confusion.png"))
    assert (folder / "forest.npz").stat().st_size < 500_000


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_shipped_forest_is_the_recipes(folder: Path) -> None:
    import sklearn

    card, model = facts(folder), shipped(Recipe())[folder]
    if card["versions"]["scikit-learn"] != sklearn.__version__:
        pytest.skip("the shipped forest was grown with another scikit-learn")
    trees = as_trees(grow(model.classes, model.recipe))
    assert trees.digest(card["bands"], card["classes"]) == card["sha256"] == load_classifier(folder).sha256
    assert (trees.count, trees.largest <= 64) == (64, True)


@pytest.mark.parametrize("bias", [-0.01, 0.0, 0.01])
def test_the_shipped_classifier_withstands_small_biases(bias: float) -> None:
    features, codes = drawn(150)
    found = load_classifier().vote(features + np.float32(bias))
    assert (found.codes == codes).mean() > 0.85


def test_the_same_seed_grows_the_same_forest_and_another_seed_another() -> None:
    classes = read_statistics(ICE_BANDS)
    digests = [as_trees(grow(classes, one)).digest((), ()) for one in (SMALL, SMALL, replace(SMALL, seed=2))]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("growth", Growth)
def test_no_tree_has_more_leaves_than_the_evaluation_can_count(growth: Growth) -> None:
    recipe = replace(SMALL, growth=growth, sampling=Sampling(per_class=400))
    assert as_trees(grow(read_statistics(ICE_BANDS), recipe)).largest <= 64


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_table_names_every_class_and_band(folder: Path) -> None:
    bands, table = FOLDERS[folder]
    found = read_statistics(bands, table)
    assert [one.surface for one in found] == list(SurfaceClass)
    assert {one.surface.short for one in found if one.correlation is None} == {"WAT", "CC"}
    assert all(len(one.mean) == len(bands) for one in found)


def test_drawn_spectra_have_the_moments_of_their_class() -> None:
    undisturbed = Sampling(8000, balance=0, shrinkage=0, beyond=9, disturbance=Disturbance(0, 0, 0, 0, 0))
    classes = read_statistics(ICE_BANDS)
    spectra, codes = sample(classes, undisturbed, np.random.default_rng(1))
    for one in classes:
        mine = spectra[codes == one.surface].astype(float)
        assert mine[:, :7].mean(axis=0) == pytest.approx(one.mean[:7], rel=0.03)
        assert mine[:, :7].std(axis=0) == pytest.approx(one.sd[:7], rel=0.12)
        if one.correlation is not None:
            assert np.corrcoef(np.log(mine.T)) == pytest.approx(one.correlation, abs=0.06)


def test_drawn_spectra_stay_near_what_was_seen() -> None:
    classes = read_statistics(ICE_BANDS)
    still = Sampling(500, beyond=0, disturbance=Disturbance(0, 0, 0, 0, 0))
    spectra, codes = sample(classes, still, np.random.default_rng(1))
    for one in classes:
        mine = spectra[codes == one.surface]
        assert (mine >= one.low - 1e-6).all()
        assert (mine <= one.high + 1e-6).all()


def test_classes_with_more_spectra_behind_them_are_drawn_more_often() -> None:
    classes = read_statistics(ICE_BANDS)
    counts = {}
    for balance in (0.0, 1.0):
        _, codes = sample(classes, Sampling(250, balance=balance), np.random.default_rng(1))
        counts[balance] = [int((codes == one.surface).sum()) for one in classes]
    assert counts[0.0] == [250] * 6
    assert counts[1.0] == [10 * one.count for one in classes]


def test_shrinkage_lends_a_class_of_few_spectra_the_correlations_of_the_others_and_leaves_it_its_spread() -> None:
    classes = read_statistics(ICE_BANDS)
    own, shared = covariances(classes, 0.0), covariances(classes, 1e9)
    correlations = [matrix / np.outer(one.log_sd, one.log_sd) for one, matrix in zip(classes, shared, strict=True)]
    assert np.allclose(correlations[0], correlations[-1], atol=1e-6)
    assert not np.allclose(own[0], shared[0])
    for one, before, after in zip(classes, own, shared, strict=True):
        assert np.sqrt(np.diag(before)) == pytest.approx(one.log_sd, rel=0.1)
        assert np.sqrt(np.diag(after)) == pytest.approx(one.log_sd, rel=0.1)
    assert all(np.linalg.eigvalsh(matrix).min() > -1e-9 for matrix in (*own, *shared))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (Disturbance(0, 0, 0, 0, 0), 0.0),
        (Disturbance(brightness=0.1, haze=0, noise=0, mixed=0, mixture=0), 0.1),
    ],
)
def test_brightness_changes_a_spectrum_as_a_whole(how: Disturbance, expected: float) -> None:
    seen = disturb(np.full((4000, 9), 0.5), how, np.random.default_rng(1)) / 0.5
    assert np.ptp(seen, axis=1).max() == pytest.approx(0, abs=1e-5)
    assert np.log(seen[:, 0]).std() == pytest.approx(expected, abs=0.005)


def test_haze_is_strongest_in_the_blue_and_fades_toward_the_infrared() -> None:
    how = Disturbance(brightness=0, haze=0.01, noise=0, mixed=0, mixture=0)
    spread = disturb(np.full((4000, 9), 0.5), how, np.random.default_rng(1)).std(axis=0)
    assert (np.diff(spread) < 0).all()
    assert spread[0] == pytest.approx(0.01, rel=0.05)


def test_a_mixed_pixel_keeps_the_larger_part_of_its_own_class() -> None:
    ends = np.repeat([[0.0], [1.0]], 500, axis=0) * np.ones(9)
    how = Disturbance(brightness=0, haze=0, noise=0, mixed=1, mixture=0.3)
    seen = disturb(ends, how, np.random.default_rng(1))
    assert seen[:500].max() <= 0.3
    assert seen[500:].min() >= 0.7
    assert 0.2 < (seen[:500] > 0.002).mean(axis=0)[0] < 0.8


def test_scores_are_those_counted_by_hand() -> None:
    truth, guess = np.array([1, 1, 1, 4, 4, 5], np.uint8), np.array([1, 1, 4, 4, 4, 4], np.uint8)
    found = scores(truth, guess, 1)
    assert found["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert found["classes"]["SN"] == {"precision": 1.0, "recall": 0.6667, "f1": 0.8, "spectra": 3}
    assert found["classes"]["CI"]["precision"] == 0.5
    assert found["f1"] == pytest.approx((0.8 + 2 / 3 + 0) / 3, abs=1e-4)
    assert found["f1_weighted"] == pytest.approx((3 * 0.8 + 2 * 2 / 3) / 6, abs=1e-4)
    low, high = found["interval_95"]["accuracy"]
    assert low < found["accuracy"] < high


def test_folds_share_every_class_out_evenly() -> None:
    codes = np.repeat([1, 4, 5], [4, 12, 25]).astype(np.uint8)
    fold = folds(codes, 5, np.random.default_rng(1))
    for code in (1, 4, 5):
        assert np.ptp(np.bincount(fold[codes == code], minlength=5)) <= 1


def test_no_forest_is_asked_for_a_spectrum_that_it_knows() -> None:
    """A spectrum of clean ice labelled heavy algae: only a forest that knew it would call it so."""
    features, codes = drawn(12)
    kept = np.isin(codes, (SurfaceClass.CLEAN_ICE, SurfaceClass.HEAVY_ALGAE))
    features, codes = features[kept], codes[kept].copy()
    liar = int(np.flatnonzero(codes == SurfaceClass.CLEAN_ICE)[0])
    codes[liar] = SurfaceClass.HEAVY_ALGAE
    fold = np.full(len(codes), UNASKED)
    fold[liar] = 0
    guess = predicted_in_turn(features[None], codes, (), SMALL, fold)
    assert guess[0, liar] == SurfaceClass.CLEAN_ICE


def test_the_ablation_prints_a_row_per_training_and_a_column_per_question(capsys: pytest.CaptureFixture[str]) -> None:
    ablation.main(["--seeds", "1", "--per-class", "30"])
    head, _, *rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert head == ["trained with", *ablation.ASKED, "slope ±15 %"]
    assert [row[0] for row in rows] == list(ablation.TRAINED_WITH)
    assert all(60 < float(rate) <= 100 for row in rows for rate in row[1:])


def test_what_the_ablation_asks_is_disturbed_in_one_way_only() -> None:
    found = ablation.asked(read_statistics(ICE_BANDS), SMALL)
    plain, codes = found["undisturbed"]
    assert all((found[name][1] == codes).all() for name in found)
    sunlit = found["slope ±15 %"][0] / plain
    assert np.ptp(sunlit, axis=1).max() < 1e-5
    assert 0.8499 < sunlit.min() < 0.9
    assert 1.1 < sunlit.max() < 1.1501
    assert np.std(found["band noise 0.008"][0] - plain) == pytest.approx(0.008, rel=0.1)


def test_own_spectra_replace_the_tables() -> None:
    features, codes = drawn(5)
    own = of_spectra(features[None, codes == SurfaceClass.SNOW], codes[codes == SurfaceClass.SNOW])
    merged = with_others(own, read_statistics(ICE_BANDS))
    assert [one.surface for one in merged] == list(SurfaceClass)
    assert merged[0] is own[0]


def test_further_platforms_are_no_further_spectra() -> None:
    features, codes = drawn(8)
    (once, *_), (thrice, *_) = (of_spectra(np.stack([features] * n), codes) for n in (1, 3))
    assert (thrice.count, once.count) == (8, 8)
    assert thrice.sd == pytest.approx(once.sd)


def test_training_twice_writes_the_same_folder(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for folder, model in shipped(SMALL).items():
            write(tmp_path / name / folder.name, model)
    for folder in FOLDERS:
        for name in ("card.json", "card.md", "forest.npz", "spectra.png", "confusion.png"):
            assert (tmp_path / "a" / folder.name / name).read_bytes() == (
                tmp_path / "b" / folder.name / name
            ).read_bytes(), name


@needs_shared
@pytest.mark.parametrize("platform", ["S2A", "S2B", "S2C"])
def test_measured_field_spectra_are_named_as_their_finders_named_them(platform: str) -> None:
    """The shipped statistics come from these spectra: it shows that nothing got lost, not how good the model is."""
    data = SHARED / "data/spectra"
    field = read_spectra(data / "field_hcrf_2017.csv", data / "site_classes_2017.csv")
    features = field.weighted(read_responses(data / f"msi_srf_{platform}.tsv", ICE_BANDS))
    assert (load_classifier().vote(features).codes == field.codes).mean() > 0.93
