from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from models.folder import as_bytes
from models.recipe import as_trees
from shared.adapters.models import MODEL, load_classifier, parse_classifier
from shared.errors import BadModel
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from shared.science.drone import DRONE_BANDS
from shared.science.trees import MOST_TREES, Trees
from tests.npz_files import Evil, zip_with

SHORTS = tuple(surface.short for surface in SurfaceClass)


def forest(seed: int = 1, kind: Any = RandomForestClassifier, leaves: int = 16) -> Any:
    random = np.random.default_rng(seed)
    features = random.random((300, 9), np.float32)
    return kind(5, max_leaf_nodes=leaves, random_state=seed).fit(features, random.integers(1, 7, 300))


TREES = as_trees(forest())


def card(trees: Trees = TREES, **changes: Any) -> bytes:
    """A card that fits ``trees``, except for ``changes``."""
    facts = {"name": "x", "version": "1", "bands": ICE_BANDS, "classes": SHORTS, "features": "surface reflectance"}
    return json.dumps({**facts, "sha256": trees.digest(ICE_BANDS, SHORTS)} | changes).encode()


def parsed(model: bytes, **changes: Any) -> Any:
    return parse_classifier(card(**changes), model, source="x")


def archive(**arrays: npt.NDArray[Any]) -> bytes:
    body = BytesIO()
    np.savez(body, **arrays)  # type: ignore[arg-type]  # the stub takes the names for options
    return body.getvalue()


def content(trees: Trees = TREES) -> dict[str, npt.NDArray[Any]]:
    return {part.name: getattr(trees, part.name) for part in fields(trees)}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from([RandomForestClassifier, ExtraTreesClassifier]))
def test_the_plain_walk_votes_as_scikit_learn_does_to_the_last_bit(seed: int, kind: Any) -> None:
    grown = forest(seed, kind)
    trees = as_trees(grown)
    features = np.random.default_rng(seed + 1).random((60, 9), np.float32)
    asked = trees.threshold[trees.left >= 0][:9].astype(np.float32)
    features[: len(asked)] = asked[:, None]  # values that lie exactly on thresholds
    assert (trees.shares(features) == grown.predict_proba(features)).all()


def test_a_forest_survives_being_written_and_read() -> None:
    classifier = parsed(as_bytes(TREES))
    assert (classifier.name, classifier.bands, classifier.classes) == ("x", ICE_BANDS, tuple(SurfaceClass))
    assert classifier.sha256 == TREES.digest(ICE_BANDS, SHORTS)
    assert all((content(classifier.forest)[name] == array).all() for name, array in content().items())


def test_the_digest_is_of_the_content_and_not_of_the_file() -> None:
    assert as_bytes(TREES) != archive(**content())
    assert parsed(archive(**content())).sha256 == parsed(as_bytes(TREES)).sha256


def test_the_digest_tells_forests_bands_and_classes_apart() -> None:
    other = replace(TREES, threshold=TREES.threshold + 1e-12)
    digests = {
        TREES.digest(ICE_BANDS, SHORTS),
        other.digest(ICE_BANDS, SHORTS),
        TREES.digest(ICE_BANDS[::-1], SHORTS),
        TREES.digest(ICE_BANDS, SHORTS[::-1]),
    }
    assert len(digests) == 4


def test_a_single_tree_that_is_a_leaf_votes() -> None:
    alone = Trees(
        np.array([0, 1]),
        np.array([-1], np.int32),
        np.array([-1], np.int32),
        np.array([-2], np.int32),
        np.array([-2.0]),
        np.array([[0.25, 0.75]]),
    )
    assert alone.shares(np.zeros((2, 9), np.float32)).tolist() == [[0.25, 0.75]] * 2
    assert (alone.count, alone.classes, alone.bands, alone.largest) == (1, 2, 0, 1)


def test_votes_do_not_depend_on_the_company() -> None:
    features = np.random.default_rng(3).random((40, 9), np.float32)
    alone = np.concatenate([TREES.shares(row[None]) for row in features])
    assert (alone == TREES.shares(features)).all()


def test_a_forest_that_is_not_its_cards_is_refused() -> None:
    with pytest.raises(BadModel, match="is not the forest its card describes"):
        parsed(as_bytes(as_trees(forest(2))))


def header(shape: str, data: bytes = b"", descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def npy(array: Any) -> bytes:
    body = BytesIO()
    np.save(body, array)
    return body.getvalue()


@pytest.mark.parametrize(
    "model",
    [
        b"",
        b"no model",
        pickle.dumps(Evil()),
        as_bytes(TREES)[:-200],
        archive(**{**content(), "value": np.array([Evil()], object)}),
        zip_with(**dict.fromkeys(content(), b"")),
        zip_with(**{name: header("(10,)") for name in content()}),
        zip_with(**{name: header("(10000000000000,)") for name in content()}),
        zip_with(**{name: header("(2,)", b"\x00" * 16, "[('a'") for name in content()}),
    ],
    ids=["empty", "text", "pickle", "cut", "pickled array", "no arrays", "short", "absurd shape", "bad header"],
)
def test_an_unreadable_model_is_one_sentence_and_no_pickle_runs(model: bytes) -> None:
    with pytest.raises(BadModel, match=r"^forest\.npz of model x is (unreadable|refused): "):
        parsed(model)


def test_an_array_is_made_only_where_its_header_claims_what_is_there() -> None:
    for claimed in ("(1000000000,)", "(-1,)", "(1000000000000000000,)", "(4,)"):
        members = {name: npy(array) for name, array in content().items()} | {"threshold": header(claimed, bytes(80))}
        with pytest.raises(BadModel, match=r"refused: The array 'threshold' is not of the shape .* its header claims"):
            parsed(zip_with(**members))


def test_a_file_that_unpacks_to_more_than_is_accepted_is_refused_before_it_is_unpacked() -> None:
    members = {name: npy(array) for name, array in content().items()} | {"value": b"\x00" * (65 * 1024 * 1024)}
    model = zip_with(**members)
    assert len(model) < 1_000_000
    with pytest.raises(BadModel, match="at most 67108864 are accepted"):
        parsed(model)


def test_other_arrays_than_a_forests_are_refused() -> None:
    with pytest.raises(BadModel, match="should hold the arrays starts, left, right"):
        parsed(archive(**content(), more=np.zeros(3)))


def changed(name: str, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> bytes:
    return archive(**{**content(), name: change(content()[name])})


def at_root(value: float) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    def change(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = array.copy()
        array[0] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("left", at_root(10**6), "point outside the tree"),
        ("right", at_root(0), "point outside the tree"),
        ("right", at_root(-5), "point outside the tree"),
        ("feature", at_root(-7), "asks for no band"),
        ("threshold", at_root(np.nan), "compares with no number"),
        ("value", lambda array: array * 2, "do not sum to 1"),
        ("value", lambda array: array * np.nan, "do not sum to 1"),
        ("value", lambda array: array[:, :1], "fewer than two classes"),
        ("value", lambda array: array[:-1], "does not fit"),
        ("left", lambda array: array.astype(np.int64), "expected int32"),
        ("starts", at_root(1), "without a gap"),
        ("starts", lambda array: array[:1], "without a gap"),
        ("starts", lambda array: array[::-1].copy(), "without a gap"),
    ],
)
def test_trees_that_cannot_be_walked_are_refused_before_they_are(name: str, change: Any, sentence: str) -> None:
    with pytest.raises(BadModel, match=rf"^forest\.npz of model x is refused: .*{sentence}"):
        parsed(changed(name, change))


def tree(left: list[int], right: list[int]) -> Trees:
    """One tree of two classes on one band, of those children."""
    inner = np.array(left) >= 0
    value = np.where(np.arange(len(left))[:, None] % 2, [1.0, 0.0], [0.0, 1.0])
    return Trees(
        np.array([0, len(left)], np.int64),
        np.array(left, np.int32),
        np.array(right, np.int32),
        np.where(inner, 0, -2).astype(np.int32),
        np.where(inner, 0.5, -2.0),
        value,
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, -1], [1, -1]),  # both ways lead to one leaf
        ([1, 3, -1, -1], [2, 3, -1, -1]),
        ([1, 2, -1, -1], [3, 3, -1, -1]),  # a leaf of two parents
        ([1, -1, -1, -1], [2, -1, -1, -1]),  # a leaf that no way leads to
    ],
)
def test_a_node_that_several_ways_or_none_lead_to_is_refused(left: list[int], right: list[int]) -> None:
    with pytest.raises(ValueError, match="child of no node or of several"):
        tree(left, right)
    assert tree([1, 2, -1, -1, -1], [4, 3, -1, -1, -1]).count == 1


def test_a_forest_of_very_many_trees_is_refused_however_small_they_are() -> None:
    def leaves(count: int) -> Trees:
        none = np.full(count, -1, np.int32)
        shares = np.tile([1.0, 0.0], (count, 1))
        return Trees(np.arange(count + 1), none, none, none, np.full(count, -2.0), shares)

    assert leaves(MOST_TREES).count == MOST_TREES
    with pytest.raises(ValueError, match=r"The forest has 150000 trees; at most 1000 are accepted\."):
        leaves(150_000)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bands": ICE_BANDS[:8]}, "takes 9 bands, its card names 8"),
        ({"bands": ["B01", *ICE_BANDS[1:]]}, "card.json of model x is refused at bands"),
        ({"bands": ["Blue", *ICE_BANDS[1:]]}, "card.json of model x is refused at bands"),
        ({"bands": [*ICE_BANDS[:8], "B02"]}, "names something twice"),
        ({"classes": ["SN", "WAT"]}, "tells 6 classes apart, its card names 2: SN, WAT"),
        ({"classes": ["SN", r"??"]}, "card.json of model x is refused at classes.1"),
        ({"features": "radiance"}, "card.json of model x is refused at features"),
        ({"sha256": "abc"}, "card.json of model x is refused at sha256"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadModel, match=sentence):
        parsed(as_bytes(TREES), **changes)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"is no model folder: card\.json and forest\.npz are needed"):
        load_classifier(tmp_path)


def test_a_drones_model_is_read_like_any_other(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    trees = as_trees(RandomForestClassifier(3).fit(random.random((90, 5)), random.integers(1, 7, 90)))
    facts = card(trees, bands=DRONE_BANDS, sha256=trees.digest(DRONE_BANDS, SHORTS))
    (tmp_path / "card.json").write_bytes(facts)
    (tmp_path / MODEL).write_bytes(as_bytes(trees))
    assert load_classifier(tmp_path).bands == DRONE_BANDS
