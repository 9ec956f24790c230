"""Metrics for those who look: OpenTelemetry, and the text format of Prometheus.

Who reads OpenTelemetry is not decided here. In Azure the Python worker sets up azure-monitor-opentelemetry (setting
PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY), once, before any function runs; elsewhere whoever starts the process may
set a meter provider. Without one, everything is quietly dropped. This module only uses the API and configures nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from shared.measures import METRICS, Measure, Metric

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from prometheus_client.metrics_core import Metric as Family

_SUFFIXES = {"s": "seconds", "By": "bytes", "{USD}": "dollars"}  # as Prometheus names units
_FLUSH = 10_000  # milliseconds


class Telemetry:
    """Hands measurements to OpenTelemetry, each exactly once.

    They are exported at once and then forgotten: another instance may measure next time, and what this one still
    remembered would go on beside it as stale values for as long as the instance lives.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        """``provider``: by default the one of the process."""
        from opentelemetry.metrics import get_meter_provider

        self._provider = provider or get_meter_provider()
        self._pending: Sequence[Measure] = ()
        self._lock = threading.Lock()
        meter = self._provider.get_meter("icewatch")
        for metric in METRICS:
            meter.create_observable_gauge(
                metric.name, [self._observe(metric)], unit=metric.unit, description=metric.description
            )

    def export(self, measures: Sequence[Measure]) -> None:
        """Export ``measures`` now; trouble with that is the provider's to log and never raised."""
        flush: Callable[[int], Any] | None = getattr(self._provider, "force_flush", None)
        with self._lock:
            self._pending = measures
            try:
                if flush is not None:  # the provider that drops everything has none
                    flush(_FLUSH)
            finally:
                self._pending = ()

    def _observe(self, metric: Metric) -> Callable[[CallbackOptions], Iterable[Observation]]:
        from opentelemetry.metrics import Observation

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [
                Observation(measure.value, dict(measure.attributes))
                for measure in self._pending
                if measure.metric is metric
            ]

        return observe


def prometheus(measures: Iterable[Measure]) -> str:
    """``measures`` in the text format of Prometheus, version 0.0.4."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Families(measures))
    return generate_latest(registry).decode()


class _Families:
    """What prometheus_client collects from."""

    def __init__(self, measures: Iterable[Measure]) -> None:
        self._measures = list(measures)

    def collect(self) -> Iterable[Family]:
        """One family per metric that was measured."""
        from prometheus_client.core import GaugeMetricFamily

        for metric in METRICS:
            mine = [measure for measure in self._measures if measure.metric is metric]
            if not mine:
                continue
            labels = sorted(mine[0].attributes)
            family = GaugeMetricFamily(_prometheus_name(metric), metric.description, labels=labels)
            for measure in mine:
                family.add_metric([measure.attributes[label] for label in labels], measure.value)
            yield family


def _prometheus_name(metric: Metric) -> str:
    name = metric.name.replace(".", "_")
    suffix = _SUFFIXES.get(metric.unit)
    return f"{name}_{suffix}" if suffix else name
