"""Everything that decides what forest results, and the growing of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from models.errors import BadTable
from models.statistics import ClassStatistics
from models.training import Sampling, sample
from shared.science.trees import Trees

DRAWN_TO_TRAIN, DRAWN_TO_MEASURE = 0, 1  # streams of random numbers


class Growth(StrEnum):
    """How a node's threshold is found."""

    BEST = "best"  # the best one of each band tried: a random forest
    RANDOM = "random"  # one drawn at random for each band tried, the best of these: extremely randomised trees


@dataclass(frozen=True, slots=True)
class Recipe:
    """Seed, sampling and the shape of the forest."""

    seed: int = 20200129
    held_out: int = 500  # spectra per class drawn to measure on
    trees: int = 64
    leaves: int = 64  # at most, per tree: more would not fit the machine word that votes are counted with
    leaf: int = 2  # spectra at least in a leaf
    growth: Growth = Growth.RANDOM
    bands_tried: int | None = None  # at each node; None: all
    criterion: str = "gini"  # what makes a split good: "gini" or "entropy"
    sampling: Sampling = field(default_factory=Sampling)


def grow(classes: Sequence[ClassStatistics], recipe: Recipe) -> Any:
    """The forest (one of scikit-learn's classifiers) of ``recipe``; the same seed gives the same forest.

    Raises BadTable where there are fewer than two classes.
    """
    if len(classes) < 2:
        raise BadTable(f"A forest tells classes apart; the tables give {len(classes)} with three spectra or more.")
    spectra, codes = sample(classes, recipe.sampling, np.random.default_rng((recipe.seed, DRAWN_TO_TRAIN)))
    kind = RandomForestClassifier if recipe.growth is Growth.BEST else ExtraTreesClassifier
    forest = kind(
        n_estimators=recipe.trees,
        criterion=recipe.criterion,
        max_features=recipe.bands_tried,
        max_leaf_nodes=recipe.leaves,
        min_samples_leaf=recipe.leaf,
        random_state=recipe.seed,
        n_jobs=1,
    )
    return forest.fit(spectra, codes)


def as_trees(forest: Any) -> Trees:
    """The arrays of a grown forest, as they are stored and evaluated."""
    trees = [one.tree_ for one in forest.estimators_]

    def joined(name: str, dtype: type) -> Any:
        return np.concatenate([getattr(tree, name) for tree in trees]).astype(dtype)

    return Trees(
        starts=np.cumsum([0, *(tree.node_count for tree in trees)]).astype(np.int64),
        left=joined("children_left", np.int32),
        right=joined("children_right", np.int32),
        feature=joined("feature", np.int32),
        threshold=joined("threshold", np.float64),
        value=np.concatenate([tree.value[:, 0, :] for tree in trees]).astype(np.float64),
    )
