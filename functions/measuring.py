"""What watch exports and the API shows: the pipeline in numbers, measured from the ledger and the queues."""

from __future__ import annotations

import threading
from functools import cache
from time import monotonic
from typing import TYPE_CHECKING

from shared.wiring import services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.adapters.telemetry import Telemetry
    from shared.measures import Measure
    from shared.records import MonthRecord, Record
    from shared.wiring import Services

_KEPT = 15.0  # seconds; as often as a collector asks
_lock = threading.Lock()
_last: list[tuple[float, Services, str]] = []  # when, monotonic; of which account; the text


def measured() -> list[Measure]:
    """Measure now; raises TransientError where storage is busy."""
    outside = services()
    return _measured(list(outside.ledger.records()), list(outside.ledger.months()), outside)


def _measured(records: Sequence[Record], months: Sequence[MonthRecord], outside: Services) -> list[Measure]:
    from shared.pipeline.metrics import Seen, look_at, measures
    from shared.pipeline.watching import watchlist

    seen = Seen(
        records=records,
        months=months,
        queues=look_at(outside.queues),
        watched=watchlist(outside.store),
        now=outside.clock(),
    )
    return measures(seen, outside.settings.prices)


def export(measures: Sequence[Measure]) -> None:
    """Hand ``measures`` to whoever reads this process's OpenTelemetry."""
    _telemetry().export(measures)


@cache
def _telemetry() -> Telemetry:
    from shared.adapters.telemetry import Telemetry

    return Telemetry()


def prometheus_text() -> str:
    """What is measured, in the text format of Prometheus (0.0.4); measured anew every 15 seconds at most.

    The ledger is seen as the API's lists see it: a collector asks for ever, and would read all of it each time.
    """
    from functions.api.snapshot import snapshot
    from shared.adapters.telemetry import prometheus

    outside = services()
    with _lock:
        if not _last or _last[0][1] is not outside or monotonic() - _last[0][0] > _KEPT:
            seen = snapshot()
            _last[:] = [(monotonic(), outside, prometheus(_measured(seen.records, seen.months, outside)))]
        return _last[0][2]
