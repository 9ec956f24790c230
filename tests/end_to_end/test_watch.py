"""The real watch function: it measures, heals each thing once, and the API's process sees the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client.parser import text_string_to_metric_families

from functions import measuring
from functions.watch import watch
from local.azurite import Azurite
from shared.adapters.telemetry import Telemetry
from shared.errors import StorageUnavailable
from shared.messages import CORRECTIONS, PRODUCTS, CorrectionMessage, poison_of
from shared.models import ProductName, State, staged_zip
from shared.pipeline import runs, watch_poison
from shared.pipeline.watch import LIMITS
from shared.records import Record
from shared.settings import STORAGE
from shared.wiring import Services, services
from tests.products import L1C, OLDER

run_watch = watch._function.get_user_function()


@dataclass(frozen=True)
class Place:
    """Azurite, the app's services on it, and what was exported."""

    outside: Services
    exported: list[dict[tuple[str, ...], float]]  # one per run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    exported: list[dict[tuple[str, ...], float]] = []

    class Kept(InMemoryMetricReader):
        def _receive_metrics(self, metrics_data, *args, **kwargs) -> None:
            metrics = [m for r in metrics_data.resource_metrics for s in r.scope_metrics for m in s.metrics]
            exported.append(
                {(m.name, *map(str, p.attributes.values())): p.value for m in metrics for p in m.data.data_points}
            )

    telemetry = Telemetry(MeterProvider([Kept()]))
    monkeypatch.setattr(measuring, "_telemetry", lambda: telemetry)
    monkeypatch.setattr(watch_poison, "LEFT_TO_HANDLERS", timedelta(0))
    with Azurite(tmp_path / "azurite") as azurite:
        monkeypatch.setenv(STORAGE, azurite.connection_string)
        yield Place(services(), exported)
        services().close()


def test_watch_measures_heals_once_and_enters_poison(place: Place):
    outside, now = place.outside, datetime.now(UTC)
    long_ago = now - LIMITS[State.STAGED] - timedelta(hours=1)
    stuck = Record("22WEV", L1C, State.STAGED, id="id-1", times={"discover": long_ago, "stage": long_ago})
    outside.ledger.add(stuck)
    outside.store.write(staged_zip(ProductName.parse(L1C)), b"zip")
    outside.queues.send(poison_of(CORRECTIONS), CorrectionMessage(product=OLDER).encode())

    for _ in range(2):
        run_watch(None)

    assert [w.text for w in outside.queues.peek(CORRECTIONS)] == [CorrectionMessage(product=L1C).encode()]
    assert outside.queues.depth(PRODUCTS) == 0
    entered = outside.ledger.get("22WEV", OLDER)
    assert entered is not None
    assert entered.state is State.FAILED
    first, second = place.exported
    assert (first["icewatch.watch.rescues",], second["icewatch.watch.rescues",]) == (1, 0)
    assert first["icewatch.queue.depth", CORRECTIONS] == 1
    assert first["icewatch.queue.depth", poison_of(CORRECTIONS)] == 1
    assert first["icewatch.products", "STAGED"] == 1
    assert first["icewatch.products", "FAILED"] == 1
    assert runs.runs("watch", outside.store).last is not None

    samples = {
        (s.name, *s.labels.values()): s.value
        for family in text_string_to_metric_families(measuring.prometheus_text())
        for s in family.samples
    }
    assert samples["icewatch_queue_depth", poison_of(CORRECTIONS)] == 1
    assert samples["icewatch_products", "FAILED"] == 1


def test_a_queue_that_cannot_be_looked_into_hides_no_number_and_fails_the_run(place: Place, monkeypatch):
    peek = place.outside.queues.peek

    def broken(queue: str):
        if queue == poison_of(PRODUCTS):
            raise StorageUnavailable("The queue answers 500.")
        return peek(queue)

    monkeypatch.setattr(place.outside.queues, "peek", broken)
    with pytest.raises(StorageUnavailable, match="answers 500"):
        run_watch(None)
    assert place.exported[0]["icewatch.queue.depth", CORRECTIONS] == 0
    assert ("icewatch.queue.depth", poison_of(PRODUCTS)) not in place.exported[0]
    assert runs.runs("watch", place.outside.store).last is None
