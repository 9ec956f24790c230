"""Classifiers as folders: ``forest.npz``, plain arrays read without pickle, and ``card.json``.

Both may come from outside. Nothing in them is ever executed: the arrays are numbers of known type and bounded size,
and the trees are walked only after every node was checked (`shared.science.trees`).
"""

from __future__ import annotations

import zipfile
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.adapters.arrays import parse_array
from shared.errors import BadModel
from shared.models import shown
from shared.refusals import first_fault
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from shared.science.drone import DRONE_BANDS
from shared.science.forest import Classifier
from shared.science.trees import Trees

MODEL, CARD = "forest.npz", "card.json"
_MODELS = Path(__file__).resolve().parents[2] / "models"
SHIPPED = _MODELS / "ice_surface"
SHIPPED_DRONE = _MODELS / "ice_surface_drone"
_ARRAYS = tuple(part.name for part in fields(Trees))
_MAX_BYTES = 64 * 1024 * 1024  # of the file, and of its arrays together


def _class(short: str) -> str:
    return SurfaceClass.of(short).short


def _one_camera(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"{', '.join(names)} names something twice.")
    if not set(names) <= set(ICE_BANDS) and not set(names) <= set(DRONE_BANDS):
        raise ValueError(f"expected bands out of {', '.join(ICE_BANDS)}, or out of {', '.join(DRONE_BANDS)}.")
    return names


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"{', '.join(names)} names something twice.")
    return names


class Card(BaseModel):
    """The part of card.json that loading needs; the rest is for people."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=100)
    version: str = Field(min_length=1, max_length=40)
    bands: Annotated[tuple[str, ...], AfterValidator(_one_camera)] = Field(min_length=1, max_length=20)
    classes: Annotated[tuple[Annotated[str, AfterValidator(_class)], ...], AfterValidator(_once)] = Field(min_length=2)
    features: Literal["surface reflectance"]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")  # of the forest's content: Trees.digest


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
    trees = parse_trees(model, source=source)
    if trees.bands > len(facts.bands):
        raise BadModel(f"Model {shown(source)} takes {trees.bands} bands, its card names {len(facts.bands)}.")
    if trees.classes != len(facts.classes):
        raise BadModel(
            f"Model {shown(source)} tells {trees.classes} classes apart, its card names {len(facts.classes)}: "
            f"{', '.join(facts.classes)}."
        )
    digest = trees.digest(facts.bands, facts.classes)
    if digest != facts.sha256:
        raise BadModel(
            f"{MODEL} of model {shown(source)} is not the forest its card describes: "
            f"SHA-256 {digest[:12]}…, the card says {facts.sha256[:12]}…."
        )
    classes = tuple(SurfaceClass.of(short) for short in facts.classes)
    return Classifier(facts.name, facts.version, digest, facts.bands, classes, trees)


def parse_trees(model: bytes, *, source: str) -> Trees:
    """The forest in the bytes of a ``forest.npz``; BadModel, naming ``source``, where it is none that can be walked."""
    if len(model) > _MAX_BYTES:
        raise BadModel(f"{MODEL} of model {shown(source)} has {len(model)} bytes; at most {_MAX_BYTES} are accepted.")
    try:
        return Trees(**_arrays(model))
    except ValueError as cause:
        raise BadModel(f"{MODEL} of model {shown(source)} is refused: {shown(cause)}") from cause
    except Exception as cause:  # a damaged zip raises many things; whatever it is, the file is unreadable
        raise BadModel(f"{MODEL} of model {shown(source)} is unreadable: {shown(cause)}.") from cause


def _arrays(model: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(BytesIO(model)) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        if set(sizes) != {f"{name}.npy" for name in _ARRAYS} or len(archive.infolist()) != len(_ARRAYS):
            raise ValueError(f"it should hold the arrays {', '.join(_ARRAYS)} and nothing else.")
        if sum(sizes.values()) > _MAX_BYTES:
            raise ValueError(f"its arrays have {sum(sizes.values())} bytes; at most {_MAX_BYTES} are accepted.")
        return {name: np.array(parse_array(archive.read(f"{name}.npy"), name)) for name in _ARRAYS}
