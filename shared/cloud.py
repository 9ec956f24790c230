"""Which clouds are believed: a choice that settings, watchlist and masks share."""

from __future__ import annotations

from enum import StrEnum


class CloudRule(StrEnum):
    """Which of a product's two cloud masks count; shadow and cirrus of the scene classification always do."""

    PROBABILITY = "probability"  # the cloud probability alone, at or above the limit
    SCL = "scl"  # the scene classification alone: cloud of medium or high probability
    BOTH = "both"  # where the two agree: keeps the most of bright snow and ice, which both take for cloud
    EITHER = "either"  # where one of them says so: the fewest clouds pass for ice
