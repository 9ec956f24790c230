"""A whole run of watch: what one queue cannot do keeps it from nothing that concerns the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from functions.watch import watch as timed
from shared.errors import StorageUnavailable
from shared.measures import RESCUES, Measure
from shared.messages import CLASSIFICATIONS, CORRECTIONS, PRODUCTS, poison_of
from shared.models import State
from shared.pipeline import runs
from shared.pipeline.reclassify import asked
from shared.records import MonthRecord, Record
from shared.settings import STORAGE
from shared.wiring import services
from tests.fakes import NOON, FakeClock, FakeLedger, FakeQueues, FakeStore
from tests.products import L1C, L2A, OLDER
from tests.unit.test_reconcile import MONTH

LONG_AGO = NOON - timedelta(days=9)
run: Callable[[None], None] = timed._function.get_user_function()


class Queues(FakeQueues):
    """Queues of which one answers nothing."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self.broken = broken

    def _called(self, method: str, *arguments: object) -> None:
        super()._called(method, *arguments)
        if arguments[0] in self.broken:
            raise StorageUnavailable(f"Queue {arguments[0]} answers 500.")


class App:
    """The function over fakes, with a product that waits for its correction and one for its download."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *broken: str) -> None:
        monkeypatch.setenv(STORAGE, "UseDevelopmentStorage=true")
        self.exported: list[Measure] = []
        monkeypatch.setattr("functions.measuring.export", self._export)
        self.clock, self.store, self.queues = FakeClock(), FakeStore(), Queues(*broken)
        rows = [
            Record("22WEV", L1C, State.STAGED, times={"stage": LONG_AGO}),
            Record("22WEV", OLDER, State.DISCOVERED, id="id-2", times={"discover": LONG_AGO}),
        ]
        self.ledger = FakeLedger(rows, [MonthRecord(MONTH, LONG_AGO, 2, closed=True, checked=NOON)])
        parts: dict[str, Any] = {"store": self.store, "ledger": self.ledger, "queues": self.queues}
        for part, fake in (parts | {"clock": self.clock}).items():
            monkeypatch.setitem(vars(services()), part, fake)

    def _export(self, measures: Sequence[Measure]) -> None:
        self.exported += measures

    def run(self) -> tuple[int, int]:
        """How many corrections and products were sent."""
        run(None)
        return self.sent()

    def sent(self) -> tuple[int, int]:
        return len(self.queues.sent[CORRECTIONS]), len(self.queues.sent[PRODUCTS])

    def rescues(self) -> list[float]:
        return [measure.value for measure in self.exported if measure.metric is RESCUES]


def test_a_run_sends_what_is_stuck_measures_and_is_noted(monkeypatch):
    app = App(monkeypatch)
    assert app.run() == (1, 1)
    assert app.rescues() == [2]
    assert runs.runs("watch", app.store).last == NOON


@pytest.mark.parametrize("queue", [poison_of(PRODUCTS), poison_of(CLASSIFICATIONS), CLASSIFICATIONS])
def test_a_queue_that_cannot_be_read_keeps_no_other_from_being_healed_and_measured(monkeypatch, queue):
    app = App(monkeypatch, queue)
    with pytest.raises(StorageUnavailable, match=f"Queue {queue} answers 500"):
        app.run()
    assert app.sent() == (1, 1)
    assert app.rescues() == [2]
    assert runs.runs("watch", app.store).last is None


def test_what_may_wait_in_a_queue_that_cannot_be_read_is_not_taken_for_stuck(monkeypatch):
    app = App(monkeypatch, CORRECTIONS)
    before = app.ledger.rows["22WEV", L1C]
    with pytest.raises(StorageUnavailable):
        app.run()
    assert app.sent() == (0, 1)
    assert app.ledger.rows["22WEV", L1C] == before


def test_an_order_that_may_wait_in_a_queue_that_cannot_be_read_is_not_taken_for_lost(monkeypatch):
    app = App(monkeypatch, CLASSIFICATIONS)
    done = Record("22WEV", L1C, State.CLASSIFIED, l2a=L2A, results="surface/x", times={"classify": LONG_AGO})
    app.ledger.rows = {("22WEV", L1C): asked(done, LONG_AGO + timedelta(days=1))}
    before = dict(app.ledger.rows)
    with pytest.raises(StorageUnavailable):
        app.run()
    assert app.ledger.rows == before
    app.queues.broken = ()
    app.run()
    assert len(app.queues.sent[CLASSIFICATIONS]) == 1


def test_a_queue_that_takes_no_message_keeps_none_from_the_others(monkeypatch):
    app = App(monkeypatch)
    app.queues.fail("send", StorageUnavailable("The queue answers 500."))
    with pytest.raises(StorageUnavailable, match="answers 500"):
        app.run()
    assert sum(app.sent()) == 1
    assert app.rescues() == [1]


def test_the_log_stays_one_of_numbers_as_alarms_take_it_apart(monkeypatch, caplog):
    App(monkeypatch, CORRECTIONS)
    with caplog.at_level("INFO", logger="icewatch"), pytest.raises(StorageUnavailable):
        run(None)
    assert "watch: queue corrections holds -1, poison 0" in caplog.text
    assert "watch: queue products holds 0, poison 0" in caplog.text
