"""Metrics reach an OpenTelemetry reader exactly once, and Prometheus as text."""

from __future__ import annotations

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.parser import text_string_to_metric_families

from shared import measures as known
from shared.adapters.telemetry import Telemetry, prometheus
from shared.measures import Measure

SOME = [
    Measure(known.QUEUE_DEPTH, 3, {"queue": "products"}),
    Measure(known.QUEUE_DEPTH, 0, {"queue": "products-poison"}),
    Measure(known.QUEUE_AGE, 12.5, {"queue": "products"}),
    Measure(known.INTAKE, 8e9, {"span": "P1D"}),
    Measure(known.UNLISTED, 2),
]


class Collected(InMemoryMetricReader):
    """Keeps everything it was ever given: (name, unit, attributes) and value."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[tuple[str, str, tuple[tuple[str, object], ...], float]] = []

    def _receive_metrics(self, metrics_data, *args, **kwargs) -> None:
        for resource in metrics_data.resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                for point in metric.data.data_points:
                    labels = tuple(sorted(point.attributes.items()))
                    self.points.append((metric.name, metric.unit, labels, point.value))


def test_every_measure_is_exported_at_once_with_unit_and_attributes():
    reader = Collected()
    Telemetry(MeterProvider([reader])).export(SOME)
    assert sorted(reader.points) == sorted(
        (m.metric.name, m.metric.unit, tuple(m.attributes.items()), m.value) for m in SOME
    )


def test_what_was_exported_is_not_exported_again_as_another_instance_may_measure_next_time():
    reader = Collected()
    telemetry = Telemetry(MeterProvider([reader]))
    telemetry.export(SOME)
    before = len(reader.points)
    reader.collect()  # as a periodic reader does
    assert len(reader.points) == before
    telemetry.export(SOME[:1])
    assert reader.points[before:] == [("icewatch.queue.depth", "{message}", (("queue", "products"),), 3)]


def test_where_nobody_reads_nothing_happens():
    Telemetry().export(SOME)


def test_prometheus_reads_the_same_numbers():
    text = prometheus([*SOME, Measure(known.LATENCY, 60, {"leg": 'odd "\\\n name', "quantile": "0.5"})])
    samples = {(s.name, *s.labels.items()): s.value for f in text_string_to_metric_families(text) for s in f.samples}
    assert samples["icewatch_queue_depth", ("queue", "products")] == 3
    assert samples["icewatch_queue_oldest_age_seconds", ("queue", "products")] == 12.5
    assert samples["icewatch_intake_size_bytes", ("span", "P1D")] == 8e9
    assert samples["icewatch_catalogue_missing",] == 2
    assert samples["icewatch_latency_seconds", ("leg", 'odd "\\\n name'), ("quantile", "0.5")] == 60
    assert len(samples) == len(SOME) + 1
