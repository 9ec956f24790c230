from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier

from models.recipe import as_trees
from shared.adapters.models import load_classifier
from shared.safe import ICE_BANDS
from shared.science import forest_kernel
from shared.science.classes import SurfaceClass
from shared.science.forest import Classifier, Voter
from shared.science.forest_bits import BitVectors
from shared.science.reflectance import Radiometry
from shared.science.trees import Trees

CLASSES = tuple(SurfaceClass)
OFFSETS = (0, -1000, -1003, 200)  # before and from baseline 04.00, and two that nobody has published


def radiometry(bands: int = 3, *, offset: int = -1000, quantification: float = 10000.0) -> Radiometry:
    return Radiometry((offset,) * bands, quantification, 0, 65535)


def trained(
    *, seed: int, trees: int = 5, leaves: int = 16, classes: int = 4, bands: int = 3, spectra: int = 200
) -> RandomForestClassifier:
    """A forest on random spectra; of no more spectra than leaves, every leaf is pure and many votes tie."""
    random = np.random.default_rng(seed)
    features = random.uniform(-0.1, 1.5, (spectra, bands)).astype(np.float32)
    labels = random.integers(0, classes, len(features))
    labels[:classes] = np.arange(classes)
    forest = RandomForestClassifier(trees, max_leaf_nodes=leaves, random_state=seed, n_jobs=1)
    return forest.fit(features, labels)


def boundary_numbers(trees: Trees, by: Radiometry, random: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Random numbers, both ends, and the numbers on either side of every threshold: (bands, pixels)."""
    bands = len(by.offsets)
    numbers = random.integers(0, 65536, (bands, 3000))
    numbers[:, :2], numbers[:, 2:1000] = [0, 65535], random.integers(0, 16000, (bands, 998))
    for band in range(bands):
        near = trees.threshold[trees.feature == band] * by.quantification - by.offsets[band]
        beside = np.concatenate([np.floor(near) + step for step in (-1, 0, 1, 2)])
        numbers[band, 1000 : 1000 + len(beside)] = random.permutation(beside)[:2000]
    return np.ascontiguousarray(np.clip(numbers, 0, 65535), np.uint16)


def assert_same_as_scikit_learn(forest: RandomForestClassifier, by: Radiometry, seed: int) -> None:
    trees, kernel = as_trees(forest), forest_kernel.compiled()
    numbers = boundary_numbers(trees, by, np.random.default_rng(seed))
    bits = BitVectors.of(trees, by)
    assert bits is not None
    assert kernel is not None
    winner, share, margin = bits.run(kernel, numbers)
    shares = forest.predict_proba(np.ascontiguousarray(by.reflectance(numbers).T))
    ordered = np.sort(shares, axis=1)
    assert (winner == shares.argmax(axis=1)).all()
    assert (share == ordered[:, -1]).all()  # to the last bit
    assert (margin == ordered[:, -1] - ordered[:, -2]).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    trees=st.integers(1, 9),
    leaves=st.integers(2, 64),
    classes=st.integers(2, 19),
    bands=st.integers(1, 10),
    offset=st.sampled_from(OFFSETS),
    quantification=st.sampled_from([10000.0, 9999.0, 1000.0]),
)
def test_bit_vectors_give_what_scikit_learn_gives(
    seed: int, trees: int, leaves: int, classes: int, bands: int, offset: int, quantification: float
) -> None:
    forest = trained(seed=seed, trees=trees, leaves=leaves, classes=classes, bands=bands)
    assert_same_as_scikit_learn(forest, radiometry(bands, offset=offset, quantification=quantification), seed)


@pytest.mark.parametrize("bands", [9, 10, 18, 19])
def test_however_many_bands_there_are_the_last_one_counts(bands: int) -> None:
    features = np.random.default_rng(bands).uniform(0, 1, (300, bands)).astype(np.float32)
    features[:, :-1] = features[:1, :-1]  # only the last tells the classes apart
    forest = RandomForestClassifier(5, max_leaf_nodes=16, random_state=1, n_jobs=1)
    forest.fit(features, (features[:, -1] * 3).astype(int))
    trees, by = as_trees(forest), radiometry(bands)
    assert set(trees.feature[trees.feature >= 0]) == {bands - 1}
    assert_same_as_scikit_learn(forest, by, bands)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), offset=st.sampled_from(OFFSETS), trees=st.sampled_from([2, 4, 6]))
def test_ties_go_to_the_class_listed_first_as_in_scikit_learn(seed: int, offset: int, trees: int) -> None:
    forest, by = trained(seed=seed, trees=trees, leaves=64, spectra=60), radiometry(offset=offset)
    numbers = boundary_numbers(as_trees(forest), by, np.random.default_rng(seed))
    ordered = np.sort(forest.predict_proba(np.ascontiguousarray(by.reflectance(numbers).T)), axis=1)
    assert (ordered[:, -1] == ordered[:, -2]).any()  # there are ties to get right
    assert_same_as_scikit_learn(forest, by, seed)


def test_a_tree_that_is_a_single_leaf_votes_too() -> None:
    lone = Trees(
        np.array([0, 1, 4], np.int64),
        np.array([-1, 1, -1, -1], np.int32),
        np.array([-1, 2, -1, -1], np.int32),
        np.array([-2, 0, -2, -2], np.int32),
        np.array([-2, 0.25, -2, -2]),
        np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]),
    )
    kernel, bits = forest_kernel.compiled(), BitVectors.of(lone, radiometry(1))
    assert kernel is not None
    assert bits is not None
    winner, share, margin = bits.run(kernel, np.array([[3500, 3501]], np.uint16))
    assert (winner.tolist(), share.tolist(), margin.tolist()) == ([0, 1], [0.875, 0.625], [0.75, 0.25])


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return load_classifier()


def both(classifier: Classifier, by: Radiometry) -> tuple[npt.NDArray[np.uint16], Voter]:
    assert isinstance(classifier.forest, Trees)
    return boundary_numbers(classifier.forest, by, np.random.default_rng(1)), classifier.voter(by)


@pytest.mark.parametrize("offset", OFFSETS)
def test_the_shipped_model_votes_alike_on_numbers_and_on_reflectances(shipped: Classifier, offset: int) -> None:
    by = radiometry(len(ICE_BANDS), offset=offset)
    numbers, vote = both(shipped, by)
    fast, plain = vote(numbers), shipped.vote(np.ascontiguousarray(by.reflectance(numbers).T))
    for name in ("codes", "confidence", "margin"):
        assert (getattr(fast, name) == getattr(plain, name)).all()


def test_an_old_and_a_new_baseline_of_one_scene_vote_alike(shipped: Classifier) -> None:
    old, new = radiometry(len(ICE_BANDS), offset=0), radiometry(len(ICE_BANDS), offset=-1000)
    numbers = np.random.default_rng(2).integers(1, 12000, (len(ICE_BANDS), 4000)).astype(np.uint16)
    before, after = shipped.voter(old)(numbers), shipped.voter(new)(numbers + np.uint16(1000))
    assert (before.codes == after.codes).all()
    assert (before.confidence == after.confidence).all()


def test_pixels_vote_alone_however_many_there_are(shipped: Classifier) -> None:
    by = radiometry(len(ICE_BANDS))
    numbers, vote = both(shipped, by)
    whole = vote(numbers)
    for pixels in (0, 1, 127, 128, 129, 1000):
        assert (vote(np.ascontiguousarray(numbers[:, :pixels])).codes == whole.codes[:pixels]).all()


def by_classifier(forest: RandomForestClassifier) -> Classifier:
    return Classifier("test", "1", "0" * 64, ICE_BANDS[:3], CLASSES[:4], as_trees(forest))


def test_trees_of_more_than_64_leaves_go_the_plain_way() -> None:
    forest, by = trained(seed=3, leaves=90), radiometry()
    assert BitVectors.of(as_trees(forest), by) is None
    numbers, vote = both(by_classifier(forest), by)
    shares = forest.predict_proba(np.ascontiguousarray(by.reflectance(numbers).T))
    assert (vote(numbers).codes == np.array(CLASSES)[shares.argmax(axis=1)]).all()


def test_a_forest_whose_tables_would_be_very_large_goes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.science.forest_bits._MOST_BYTES", 100)
    assert BitVectors.of(as_trees(trained(seed=3)), radiometry()) is None


def test_without_numba_the_votes_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, by = by_classifier(trained(seed=4)), radiometry()
    numbers, fast = both(classifier, by)
    real = builtins.__import__

    def without_numba(name: str, *rest: Any, **named: Any) -> Any:
        if name == "numba":
            raise ImportError(name)
        return real(name, *rest, **named)

    forest_kernel.compiled.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without_numba)
    assert forest_kernel.compiled() is None
    plain = classifier.voter(by)
    monkeypatch.undo()
    forest_kernel.compiled.cache_clear()
    assert (plain(numbers).codes == fast(numbers).codes).all()
    assert (plain(numbers).margin == fast(numbers).margin).all()


def test_where_machine_code_cannot_be_kept_it_is_compiled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    real, asked = numba.njit, list[bool]()

    def on_a_read_only_disk(signature: str, **options: Any) -> Any:
        asked.append(bool(options.get("cache")))
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'evaluate': no locator available")
        return real(signature, **options)

    forest_kernel.compiled.cache_clear()
    monkeypatch.setattr(numba, "njit", on_a_read_only_disk)
    kernel = forest_kernel.compiled()
    forest_kernel.compiled.cache_clear()
    assert asked == [True, False]
    forest, by = trained(seed=5), radiometry()
    bits = BitVectors.of(as_trees(forest), by)
    assert bits is not None
    assert kernel is not None
    winner, _, _ = bits.run(kernel, np.array([[5000], [3000], [2000]], np.uint16))
    features = by.reflectance(np.array([[5000], [3000], [2000]], np.uint16)).T
    assert winner[0] == forest.predict_proba(features).argmax()
