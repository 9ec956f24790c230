"""The ledger in memory: read by what changed, never older than it says, and never behind what somebody has changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.api.snapshot import Keeper, not_before
from shared.errors import StorageUnavailable
from shared.models import Tile, TileMonth
from shared.records import MonthRecord, Record
from tests.api.conftest import a_record
from tests.fakes import NOON, FakeClock, FakeLedger


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def days(keeping: Keeper) -> list[int]:
    return [record.times["sensing"].day for record in keeping.get().records]


def test_after_the_first_time_only_what_was_written_since_is_read(seconds: Seconds):
    ledger = FakeLedger([a_record(day) for day in range(1, 20)])
    keeping = Keeper(ledger, FakeClock(), monotonic=seconds)
    keeping.get()
    ledger.written.clear()
    ledger.add(a_record(20))
    ledger.update("22WEV", a_record(19).name, lambda old: replace(old, note="changed"))
    ledger.rows.pop(("22WEV", a_record(1).name))  # nobody said so: seen when all is read again
    keeping.forget()
    assert days(keeping) == [*range(20, 0, -1)]
    assert keeping.get().records[1].note == "changed"
    seconds.now += 3600
    assert days(keeping) == [*range(20, 1, -1)]


def test_rows_that_nobody_wrote_stay_the_very_same_and_months_are_renewed_as_well(seconds: Seconds):
    month = MonthRecord(TileMonth(Tile("22WEV"), 2021, 7), None, found=0, closed=False)
    ledger = FakeLedger([a_record(1)], [month])
    keeping = Keeper(ledger, FakeClock(), monotonic=seconds)
    first = keeping.get()
    ledger.save_month(replace(month, found=3))
    keeping.forget()
    assert keeping.get().records is first.records
    assert [row.found for row in keeping.get().months] == [3]


def test_who_has_changed_something_waits_for_a_reading_that_began_after_it(seconds: Seconds):
    ledger, clock = FakeLedger([a_record(1)]), FakeClock()
    keeping = Keeper(ledger, clock, monotonic=seconds)
    keeping.get()
    ledger.add(a_record(2))  # as by an order that another instance took
    clock.advance(seconds=3)
    assert days(keeping) == [1]
    token = not_before.set(NOON + timedelta(seconds=1))
    assert days(keeping) == [2, 1]
    not_before.reset(token)


def test_a_reading_that_fails_after_a_change_is_told_and_the_next_one_sees_the_change(seconds: Seconds):
    ledger = FakeLedger([a_record(1)])
    keeping = Keeper(ledger, FakeClock(), monotonic=seconds)
    keeping.get()
    ledger.add(a_record(2))
    keeping.forget()
    ledger.fail("records", StorageUnavailable("busy"))
    with pytest.raises(StorageUnavailable):
        keeping.get()
    assert days(keeping) == [2, 1]


def test_who_comes_after_a_pause_is_shown_the_ledger_as_it_is(seconds: Seconds):
    ledger = FakeLedger([a_record(1)])
    keeping = Keeper(ledger, FakeClock(), monotonic=seconds)
    keeping.get()
    ledger.add(a_record(2))
    seconds.now += 16
    assert days(keeping) == [2, 1]


def test_a_row_that_was_written_while_the_others_were_read_is_found_by_the_next_reading(seconds: Seconds):
    """The storage service dates it: by its clock that was before the reading began by ours."""
    ledger, clock = FakeLedger([a_record(1)]), FakeClock()
    keeping = Keeper(ledger, clock, monotonic=seconds)
    keeping.get()
    late = a_record(2)
    ledger.add(late)
    ledger.written[late.partition, late.name] = NOON - timedelta(seconds=20)
    clock.advance(seconds=60)
    keeping.forget()
    assert days(keeping) == [2, 1]


def test_a_change_while_the_ledger_is_being_read_is_in_the_next_view(seconds: Seconds, monkeypatch: pytest.MonkeyPatch):
    ledger = FakeLedger([a_record(1)])
    keeping, reads = Keeper(ledger, FakeClock(), monotonic=seconds), ledger.months

    def meanwhile(*, since: datetime | None = None) -> Iterator[MonthRecord]:
        if ledger.add(a_record(2)):  # the rows of products have been read before
            keeping.forget()
        return reads(since=since)

    monkeypatch.setattr(ledger, "months", meanwhile)
    assert days(keeping) == [1]
    assert days(keeping) == [2, 1]


def test_a_snapshot_is_kept_for_a_moment_and_read_anew_when_asked(seconds: Seconds):
    ledger = FakeLedger([a_record(1)])
    keeper = Keeper(ledger, FakeClock(), monotonic=seconds)
    first = keeper.get()
    ledger.add(a_record(2))
    assert keeper.get() is first
    keeper.forget()
    assert len(keeper.get().records) == 2
    seconds.now += 3600
    ledger.add(a_record(3))
    assert len(keeper.get().records) == 3


def test_a_snapshot_stays_while_storage_is_busy_until_it_is_too_old(seconds: Seconds):
    ledger = FakeLedger([a_record(1)])
    keeper = Keeper(ledger, FakeClock(), monotonic=seconds)
    first = keeper.get()
    ledger.fail("records", *[StorageUnavailable("busy")] * 9)
    seconds.now += 10
    assert keeper.get() is first
    seconds.now += 10
    with pytest.raises(StorageUnavailable):
        keeper.get()


def test_readers_that_wait_for_one_reading_do_not_read_again_however_long_it_took(seconds: Seconds):
    class Slow(FakeLedger):
        readings = 0

        def records(self, *args: Any, **named: Any) -> Iterator[Record]:
            self.readings += 1
            seconds.now += 60  # longer than a copy is good for
            return super().records(*args, **named)

    arrived = 0

    def clock() -> float:
        nonlocal arrived
        arrived += 1
        return seconds.now

    ledger = Slow([a_record(1)])
    keeping = Keeper(ledger, FakeClock(), monotonic=clock)
    with ThreadPoolExecutor(5) as pool:
        with keeping._reading:  # so that all are there before the first reads
            waiting = [pool.submit(keeping.get) for _ in range(5)]
            while arrived < 10:  # each looked once at what is at hand, and at the clock before it waits
                time.sleep(0.001)
        found = [one.result(timeout=60) for one in waiting]
    assert ledger.readings == 1
    assert len({id(one) for one in found}) == 1
