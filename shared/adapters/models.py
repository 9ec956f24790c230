"""Classifiers as folders: ``model.skops`` and ``card.json``, read without pickle.

skops builds only types that it trusts or that stand in a list. The list here has one entry, the storage of a tree's
nodes: scikit-learn follows node numbers without looking whether they exist, so every node is checked here before
anything is predicted. A file with any other type in it is refused, never executed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import BadModel
from shared.models import shown
from shared.refusals import first_fault
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from shared.science.forest import Classifier

MODEL, CARD = "model.skops", "card.json"
SHIPPED = Path(__file__).resolve().parents[2] / "models" / "ice_surface"
_TRUSTED = ["sklearn.tree._tree.Tree"]
_LEAF = -1  # scikit-learn's number for "no child"
_MAX_BYTES = 64 * 1024 * 1024


def _class(short: str) -> str:
    return SurfaceClass.of(short).short


def _band(name: str) -> str:
    if name not in ICE_BANDS:
        raise ValueError(f"'{name}' is none of {', '.join(ICE_BANDS)}.")
    return name


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"{', '.join(names)} names something twice.")
    return names


class Card(BaseModel):
    """The part of card.json that loading needs; the rest is for people."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=100)
    version: str = Field(min_length=1, max_length=40)
    bands: Annotated[tuple[Annotated[str, AfterValidator(_band)], ...], AfterValidator(_once)] = Field(min_length=1)
    classes: Annotated[tuple[Annotated[str, AfterValidator(_class)], ...], AfterValidator(_once)] = Field(min_length=2)
    features: Literal["surface reflectance"]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")  # of model.skops


class SklearnForest:
    """A random forest evaluated by scikit-learn, one thread per call."""

    def __init__(self, forest: Any) -> None:
        forest.n_jobs = 1  # windows run on several threads already, and one thread adds votes in a fixed order
        self._forest = forest

    def shares(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Shares (pixels, classes) for reflectances (pixels, bands)."""
        return np.asarray(self._forest.predict_proba(features), np.float64)


def load_classifier(folder: Path = SHIPPED) -> Classifier:
    """Read the classifier in ``folder``; BadModel where a file is missing, damaged or not what the card says."""
    try:
        card, model = (folder / CARD).read_bytes(), (folder / MODEL).read_bytes()
    except OSError as cause:
        raise BadModel(
            f"{shown(folder)} is no model folder: {CARD} and {MODEL} are needed ({cause.strerror})."
        ) from cause
    return parse_classifier(card, model, source=str(folder))


def parse_classifier(card: bytes, model: bytes, *, source: str) -> Classifier:
    """Build a classifier from the two files' bytes; ``source`` names it in errors. Raises BadModel."""
    try:
        facts = Card.model_validate_json(card)
    except ValidationError as cause:
        fault = first_fault(cause, "the whole file")
        raise BadModel(f"{CARD} of model {shown(source)} is refused at {fault}.") from cause
    digest = hashlib.sha256(model).hexdigest()
    if digest != facts.sha256:
        raise BadModel(
            f"{MODEL} of model {shown(source)} is not the file its card describes: "
            f"SHA-256 {digest[:12]}…, the card says {facts.sha256[:12]}…."
        )
    forest = _forest(model, source)
    if forest.n_features_in_ != len(facts.bands):
        raise BadModel(f"Model {shown(source)} takes {forest.n_features_in_} bands, its card names {len(facts.bands)}.")
    classes = tuple(SurfaceClass.of(short) for short in facts.classes)
    if [int(code) for code in forest.classes_] != [surface.value for surface in classes]:
        raise BadModel(f"Model {shown(source)} has other classes than its card names: {', '.join(facts.classes)}.")
    return Classifier(facts.name, facts.version, digest, facts.bands, classes, SklearnForest(forest))


def _forest(model: bytes, source: str) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from skops import io
    from skops.io.exceptions import UntrustedTypesFoundException

    if len(model) > _MAX_BYTES:
        raise BadModel(f"{MODEL} of model {shown(source)} has {len(model)} bytes; at most {_MAX_BYTES} are accepted.")
    try:
        forest = io.loads(model, trusted=_TRUSTED)
    except UntrustedTypesFoundException as cause:
        raise BadModel(f"{MODEL} of model {shown(source)} holds types that are not trusted.") from cause
    except (
        Exception
    ) as cause:  # a file from outside is unpacked by two libraries; whatever they raise, it is unreadable
        raise BadModel(f"{MODEL} of model {shown(source)} is unreadable: {shown(cause)}.") from cause
    if not isinstance(forest, RandomForestClassifier) or not hasattr(forest, "estimators_"):
        raise BadModel(f"{MODEL} of model {shown(source)} is a {type(forest).__name__}; expected a trained forest.")
    if not _is_sound(forest):
        raise BadModel(f"{MODEL} of model {shown(source)} holds trees whose nodes point outside the tree.")
    return forest


def _is_sound(forest: Any) -> bool:
    """Whether each tree can be walked from its root to a leaf without leaving it, whatever the features are."""
    try:
        bands, classes = int(forest.n_features_in_), len(forest.classes_)
        return bool(forest.estimators_) and all(_is_tree(one.tree_, bands, classes) for one in forest.estimators_)
    except (AttributeError, TypeError, ValueError):
        return False


def _is_tree(tree: Any, bands: int, classes: int) -> bool:
    number = np.arange(tree.node_count)
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    inner = left != _LEAF
    # A child's number is larger than its parent's, so a walk always ends.
    children_fit = all(((number < child) & (child < tree.node_count))[inner].all() for child in (left, right))
    features_fit = ((feature >= 0) & (feature < bands))[inner].all()
    shape_fits = tree.n_features == bands and tree.value.shape == (tree.node_count, 1, classes)
    leaves_fit = (right[~inner] == _LEAF).all()
    return bool(tree.node_count > 0 and children_fit and features_fit and shape_fits and leaves_fit)
