"""A year of a tile: schedule after schedule, until the ledger equals the truth, and one more changes nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

import pytest

from shared.errors import StorageUnavailable
from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    PRODUCTS,
    TILE_MONTHS,
    ClassificationMessage,
    CorrectionMessage,
    ProductMessage,
    TileMonthMessage,
)
from shared.models import (
    MANIFEST,
    RESULT_MANIFEST,
    ProductName,
    State,
    l2a_folder,
    staged_zip,
    surface_folder,
)
from shared.pipeline.discover import discover
from shared.pipeline.discover_choice import Rules
from shared.pipeline.reconcile import reconcile
from shared.pipeline.schedule import schedule
from shared.pipeline.stage import stage
from shared.pipeline.stage_fetch import Intake
from shared.pipeline.watch import watch
from shared.settings import Downloads
from shared.watchlist import Watchlist
from tests.end_to_end.year import BEGIN, CLOUD_LIMIT, END, TILE, Year, outcome
from tests.fakes import FakeClock, FakeLedger, FakeQueues, FakeSlots, FakeStore, FakeTally

DAILY = timedelta(days=1)
STAGED_A_DAY = 40
WATCHED = Watchlist.model_validate(
    {"version": 1, "areas": [{"name": "year", "tiles": [TILE.name], "since": "2023-07-01", "scene_cloud_limit": 90}]}
)


class Queues(FakeQueues):
    """Queues whose messages are taken, and sometimes lost or delivered twice."""

    def __init__(self, mishaps: Random | None) -> None:
        super().__init__()
        self.mishaps = mishaps

    def happens(self, one_in: int) -> bool:
        return self.mishaps is not None and self.mishaps.randrange(one_in) == 0

    def send(self, queue: str, text: str, *, delay_seconds: int = 0) -> None:
        if queue != TILE_MONTHS and self.happens(60):
            return  # the sender died between the ledger and the queue
        super().send(queue, text, delay_seconds=delay_seconds)
        if self.happens(30):
            super().send(queue, text, delay_seconds=delay_seconds)

    def breaks(self) -> str | None:
        """The method of the ledger that is busy in the next step, if one is."""
        return self.mishaps.choice(("add", "update", "update_month")) if self.mishaps and self.happens(25) else None

    def take(self, queue: str) -> str | None:
        return self.sent[queue].pop(0) if self.sent[queue] else None


class Pipeline:
    """The pure steps, driven as the functions are, with a corrector and a classifier that only set states."""

    def __init__(self, mishaps: Random | None = None) -> None:
        self.year, self.clock = Year(), FakeClock(BEGIN)
        self.store, self.ledger, self.queues = FakeStore(), FakeLedger(), Queues(mishaps)
        self.store.clock = self.clock
        self.intake = Intake(FakeSlots(), FakeTally(), Downloads())
        self.delays: dict[str, timedelta] = {}  # product -> how long after its publication it was staged
        self.seen: defaultdict[object, bool] = defaultdict(bool)  # acquisition -> had results at some time

    def day(self) -> None:
        """One day: the provider goes on, the timers run, and the queues are worked off as far as a day reaches."""
        self.year.until(min(self.clock.now, END))
        self._succeeds(self.schedule)
        self.work()
        self._succeeds(self.watch)
        self.work()
        self.clock.now += DAILY

    def schedule(self) -> None:
        for message in schedule(WATCHED, ledger=self.ledger, queues=self.queues, now=self.clock.now, backfill_room=60):
            self.queues.send(TILE_MONTHS, message.encode())

    def watch(self) -> None:
        for rescue in watch(ledger=self.ledger, queues=self.queues, clock=self.clock):
            self.queues.send(rescue.queue, rescue.message.encode())
        for rescue in reconcile(ledger=self.ledger, store=self.store, clock=self.clock):
            self.queues.send(rescue.queue, rescue.message.encode())

    def work(self) -> None:
        self._drain(TILE_MONTHS, self._discover)
        self._drain(PRODUCTS, self._stage, most=STAGED_A_DAY)
        self._drain(CORRECTIONS, self._correct)
        self._drain(CLASSIFICATIONS, lambda text, _: self._classify(ClassificationMessage.decode(text).product))

    def _drain(self, queue: str, step: Callable[[str, bool], None], *, most: int = 10_000) -> None:
        for _ in range(most):
            if (text := self.queues.take(queue)) is None:
                return
            if (method := self.queues.breaks()) is not None:
                self.ledger.fail(method, StorageUnavailable("Busy."))
            again = False
            while not self._succeeds(lambda: step(text, again)):  # noqa: B023  # called at once
                again = True

    @staticmethod
    def _succeeds(step: Callable[[], None]) -> bool:
        """False where the step has to be tried again."""
        try:
            step()
        except StorageUnavailable:
            return False
        return True

    def _discover(self, text: str, again: bool) -> None:
        found = discover(
            TileMonthMessage.decode(text),
            catalogue=self.year.catalogue,
            ledger=self.ledger,
            clock=self.clock,
            rules=Rules(CLOUD_LIMIT),
            again=again,
        )
        for message in found:
            self.queues.send(PRODUCTS, message.encode())

    def _stage(self, text: str, again: bool) -> None:
        message = ProductMessage.decode(text)
        for following in stage(
            message,
            catalogue=self.year.catalogue,
            store=self.store,
            ledger=self.ledger,
            clock=self.clock,
            intake=self.intake,
            again=again,
        ):
            self.queues.send(following.queue, following.message.encode(), delay_seconds=following.delay)
        record = self.ledger.rows[TILE.name, message.product]
        if record.state is State.STAGED:
            self.delays.setdefault(record.name, self.clock.now - record.times["published"])

    def _correct(self, text: str, again: bool) -> None:
        name = CorrectionMessage.decode(text).name()
        l2a, known = ProductName.parse(str(name).replace("L1C", "L2A")), self.ledger.rows[TILE.name, str(name)]
        if known.state is not State.STAGED:
            return
        assert self.store.info(staged_zip(name)), f"{name} is STAGED without its zip"
        self.store.write(l2a_folder(l2a) / MANIFEST, b"")
        self.ledger.update(
            TILE.name,
            str(name),
            lambda old: old.advanced(State.CORRECTED, step="correct", at=self.clock.now, l2a=str(l2a)),
        )
        self.store.delete(staged_zip(name))
        self._classify(str(l2a))

    def _classify(self, l2a: str) -> None:
        record = self.ledger.by_l2a(TILE, l2a)
        assert record is not None
        state = outcome(record.name)
        if state is State.CLASSIFIED:
            self.store.write(surface_folder(ProductName.parse(l2a)) / RESULT_MANIFEST, b'{"files": []}')
            self.seen[ProductName.parse(record.name).acquisition] = True
        self.ledger.update(TILE.name, record.name, lambda old: old.advanced(state, step="classify", at=self.clock.now))

    def states(self) -> dict[str, State]:
        return {name: record.state for (_, name), record in self.ledger.rows.items()}

    def downloads(self) -> Counter[object]:
        return Counter(call[1] for call in self.year.catalogue.calls if call[0] == "download")

    def without_results(self) -> set[object]:
        """Acquisitions that had results once and have none now."""
        have = {ProductName.parse(n).acquisition for n, s in self.states().items() if s is State.CLASSIFIED}
        return set(self.seen) - have


def until(pipeline: Pipeline, end: datetime) -> Pipeline:
    while pipeline.clock.now < end:
        pipeline.day()
        assert pipeline.without_results() == set()
    return pipeline


@pytest.fixture(scope="module")
def calm() -> Pipeline:
    return until(Pipeline(), END)


@pytest.fixture(scope="module")
def rough() -> Pipeline:
    """Messages are lost and doubled, and storage fails in the middle of steps; some quiet days heal the last ones."""
    return until(Pipeline(Random(1)), END + 5 * DAILY)


def unlike(pipeline: Pipeline) -> dict[str, tuple[State | None, State | None]]:
    truth, states = pipeline.year.truth(), pipeline.states()
    names = {name for name in truth.keys() | states.keys() if truth.get(name) is not states.get(name)}
    # What was taken back before anybody saw it has no row, and needs none.
    return {name: (truth.get(name), states.get(name)) for name in names if name in states or truth[name] != "SKIPPED"}


def test_in_the_end_the_ledger_equals_the_truth(calm: Pipeline):
    assert len(calm.year.events) > 350
    assert unlike(calm) == {}


def test_after_lost_and_doubled_messages_and_busy_storage_the_ledger_equals_the_truth_too(rough: Pipeline):
    assert unlike(rough) == {}


def test_every_row_that_is_not_done_says_why(calm: Pipeline):
    silent = [name for (_, name), r in calm.ledger.rows.items() if r.state is State.SKIPPED and not r.reason]
    assert silent == []


def test_each_product_was_downloaded_once_and_what_is_skipped_never(calm: Pipeline):
    assert set(calm.downloads().values()) == {1}
    fetched = {record.id for record in calm.ledger.rows.values() if "stage" in record.times}
    assert set(calm.downloads()) == fetched


def test_no_staged_zip_is_left_and_each_map_is_whole(calm: Pipeline):
    assert calm.store.paths("l1c") == []
    classified = {r.l2a for r in calm.ledger.rows.values() if r.state is State.CLASSIFIED}
    maps = {path.split("/")[3].removesuffix(".SAFE") for path in calm.store.paths("surface")}
    assert classified <= maps


def test_backfill_never_kept_a_new_acquisition_waiting(calm: Pipeline):
    new = {
        name: delay
        for name, delay in calm.delays.items()
        if (record := calm.ledger.rows[TILE.name, name]).times["published"] >= BEGIN
        and record.times["published"] - record.times["sensing"] < DAILY
    }
    assert len(new) > 100
    assert max(new.values()) <= 2 * DAILY


def test_what_arrives_late_or_is_reprocessed_is_staged_within_eight_days(calm: Pipeline):
    late = [d for n, d in calm.delays.items() if calm.ledger.rows[TILE.name, n].times["published"] >= BEGIN]
    assert max(late) <= 8 * DAILY


def test_every_month_is_closed_complete_and_without_failures(calm: Pipeline):
    months = list(calm.ledger.month_rows.values())
    assert {month.month.key for month in months if month.closed} >= {f"2023-{m:02d}" for m in range(7, 13)}
    assert {(month.missing, month.unfinished, month.failed, month.waiting) for month in months} == {(0, 0, 0, 0)}
    assert sum(month.found for month in months) >= len(calm.year.catalogue.products)


def test_one_more_schedule_changes_nothing_and_downloads_nothing(calm: Pipeline):
    before = (dict(calm.ledger.rows), dict(calm.store.blobs), calm.downloads())
    for _ in range(8):  # a week, in which each closed month has its turn
        calm.schedule()
        calm.work()
        calm.watch()
        assert not any(calm.queues.sent.values())
        calm.clock.now += DAILY
    assert (calm.ledger.rows, calm.store.blobs, calm.downloads()) == before
