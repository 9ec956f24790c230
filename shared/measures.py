"""What is measured: the table of all metrics, and the value of one measurement.

Units are UCUM codes (https://ucum.org/ucum), as OpenTelemetry asks for; a word in braces counts things.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Metric:
    """A thing that is measured; every metric is a gauge."""

    name: str
    unit: str  # UCUM
    description: str


QUEUE_DEPTH = Metric("icewatch.queue.depth", "{message}", "Messages that wait or are in work, about")
QUEUE_AGE = Metric("icewatch.queue.oldest.age", "s", "Age of the oldest message that waits; 0 where none does")
PRODUCTS = Metric("icewatch.products", "{product}", "Products in the ledger")
REFUSALS = Metric("icewatch.refusals", "{row}", "Refused messages, names and watchlists, and months given up")
LATENCY = Metric("icewatch.latency", "s", "Time from one event to a later one, of new acquisitions")
STEP_SECONDS = Metric("icewatch.step.duration", "s", "Duration of a step's last successful run")
INTAKE = Metric("icewatch.intake.size", "By", "Sizes of the products staged, added up")
COST = Metric("icewatch.product.cost", "{USD}", "Estimated cost of computing one product, mean")
SUCCESS_AGE = Metric("icewatch.tile.success.age", "s", "Time since a product of a watched tile was classified")
SILENT_TILES = Metric("icewatch.tiles.without_success", "{tile}", "Watched tiles of which nothing was ever classified")
MISSING = Metric("icewatch.acquisitions.missing", "{acquisition}", "Passes that the orbit's repeat leads to expect")
UNLISTED = Metric("icewatch.catalogue.missing", "{product}", "Products in the catalogue without a row in the ledger")
RESCUES = Metric("icewatch.watch.rescues", "{message}", "Messages that this run of watch sent again")

METRICS = (
    QUEUE_DEPTH,
    QUEUE_AGE,
    PRODUCTS,
    REFUSALS,
    LATENCY,
    STEP_SECONDS,
    INTAKE,
    COST,
    SUCCESS_AGE,
    SILENT_TILES,
    MISSING,
    UNLISTED,
    RESCUES,
)


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured value."""

    metric: Metric
    value: float
    attributes: Mapping[str, str] = field(default_factory=dict)
