"""watch sends again what lost its message, and gives up in the end; retry puts back what failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import BadName, NotFound
from shared.messages import CLASSIFICATIONS, CORRECTIONS, PRODUCTS
from shared.models import MANIFEST, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.retry import retry
from shared.pipeline.watch import LIMITS, MAX_RESCUES, MOST_AT_ONCE, Rescue, watch
from shared.records import Record
from tests.fakes import NOON, FakeClock, FakeLedger, FakeQueues, FakeStore
from tests.products import L1C, L2A

LONG_AGO = NOON - timedelta(days=3)


def waiting(state: State, **facts: object) -> Record:
    times = {"discover": LONG_AGO, "stage": LONG_AGO, "correct": LONG_AGO}
    return Record("22WEV", L1C, state, id="id-1", checksum=f"MD5:{'ab' * 16}", l2a=L2A, times=times, **facts)  # type: ignore[arg-type]


def rescues(ledger: FakeLedger, clock: FakeClock) -> list[Rescue]:
    return watch(ledger=ledger, queues=FakeQueues(), clock=clock)


@pytest.mark.parametrize(
    ("state", "queue"),
    [(State.DISCOVERED, PRODUCTS), (State.STAGED, CORRECTIONS), (State.CORRECTED, CLASSIFICATIONS)],
)
def test_a_product_stuck_in_a_state_gets_the_message_of_its_next_step(state, queue):
    (rescue,) = rescues(FakeLedger([waiting(state)]), FakeClock())
    assert rescue.queue == queue
    assert rescue.message.product == (L2A if queue == CLASSIFICATIONS else L1C)  # type: ignore[attr-defined]


def test_a_product_is_rescued_once_per_limit_and_fails_in_the_end():
    ledger, clock = FakeLedger([waiting(State.STAGED)]), FakeClock()
    for _ in range(MAX_RESCUES):
        assert len(rescues(ledger, clock)) == 1
        assert rescues(ledger, clock) == []
        clock.now += LIMITS[State.STAGED] + timedelta(seconds=1)
    assert rescues(ledger, clock) == []
    assert ledger.rows["22WEV", L1C].state is State.FAILED
    assert "Stuck in STAGED after 3 rescues" in ledger.rows["22WEV", L1C].reason


@pytest.mark.parametrize("state", [State.CLASSIFIED, State.REJECTED, State.FAILED, State.SKIPPED, State.OFFLINE])
def test_a_product_at_rest_is_left_alone(state):
    assert rescues(FakeLedger([waiting(state)]), FakeClock()) == []


def test_a_product_within_its_limit_is_left_alone():
    clock = FakeClock(LONG_AGO + LIMITS[State.STAGED])
    assert rescues(FakeLedger([waiting(State.STAGED)]), clock) == []


@pytest.mark.parametrize("sign", ["watch", "waits", "retry"])
def test_a_product_that_gave_a_sign_of_life_within_its_limit_is_left_alone(sign):
    record = waiting(State.DISCOVERED)
    record = replace(record, times={**record.times, sign: NOON - timedelta(hours=1)})
    assert rescues(FakeLedger([record]), FakeClock()) == []


def test_a_product_that_went_on_after_a_rescue_waits_its_full_limit_again():
    clock = FakeClock(LONG_AGO + LIMITS[State.STAGED])
    record = waiting(State.STAGED)
    record = replace(record, times={**record.times, "watch": LONG_AGO - timedelta(days=9)})
    assert rescues(FakeLedger([record]), clock) == []


def test_a_sign_of_life_in_the_future_counts_as_none():
    record = replace(waiting(State.STAGED), times={"stage": LONG_AGO + timedelta(days=9999)})
    assert len(rescues(FakeLedger([record]), FakeClock(LONG_AGO))) == 1


@pytest.mark.parametrize("facts", [{"id": ""}, {"sign": "drop"}, {"sign": "retry"}])
def test_what_a_person_asked_for_is_no_backfill_however_old(facts):
    at = LONG_AGO + timedelta(days=4000)
    old = replace(waiting(State.STAGED), times={"discover": at})
    assert old.is_backfill
    sign = {facts["sign"]: at} if "sign" in facts else {}
    assert not replace(old, id=facts.get("id", old.id), times={"discover": at, **sign}).is_backfill


def test_a_product_behind_a_long_queue_is_not_taken_for_stuck():
    record, queues = waiting(State.STAGED), FakeQueues()
    for _ in range(100):
        queues.send(CORRECTIONS, "x")
    after = FakeClock(LONG_AGO + timedelta(days=5))
    assert watch(ledger=FakeLedger([record]), queues=queues, clock=after) == []
    assert len(watch(ledger=FakeLedger([record]), queues=FakeQueues(), clock=after)) == 1


@pytest.mark.parametrize(("days", "backfill"), [(40, False), (90, True)])
def test_what_was_old_when_it_was_found_is_backfill_again(days: int, backfill: bool):
    record = waiting(State.DISCOVERED)
    found = ProductName.parse(L1C).sensing + timedelta(days=days)
    record = replace(record, times={"discover": found})
    (rescue,) = rescues(FakeLedger([record]), FakeClock(found + timedelta(days=2)))
    assert rescue.message.backfill is backfill  # type: ignore[attr-defined]


def test_one_run_sends_a_bounded_number_of_rescues_and_the_next_goes_on():
    halves = [
        replace(waiting(State.STAGED), name=f"{L1C[:-6]}{hour:02d}{minute:02d}00")
        for hour in (10, 11)
        for minute in range(20)
    ]
    many = [replace(record, partition=f"{zone:02d}WEV") for zone in range(10, 24) for record in halves]
    ledger, clock = FakeLedger(many), FakeClock()
    assert [len(rescues(ledger, clock)) for _ in range(3)] == [MOST_AT_ONCE, len(many) - MOST_AT_ONCE, 0]


def moved_on(state: State) -> tuple[FakeLedger, Record]:
    """A ledger in which a product that is stuck in ``state`` moves on while watch looks at it, and the row after."""
    ledger = FakeLedger([waiting(state)])
    after = ledger.rows["22WEV", L1C].advanced(State.CLASSIFIED, step="classify", at=NOON, results="surface/x")
    ledger.interfere = lambda: ledger.rows.update({("22WEV", L1C): after})
    return ledger, after


@pytest.mark.parametrize("state", [State.DISCOVERED, State.STAGED, State.CORRECTED])
def test_a_product_that_moves_on_while_watch_looks_at_it_is_not_rescued(state: State):
    ledger, after = moved_on(state)
    assert rescues(ledger, FakeClock()) == []
    assert ledger.rows["22WEV", L1C] == after


def test_a_product_that_moves_on_while_watch_gives_it_up_is_not_given_up():
    ledger, after = moved_on(State.STAGED)
    ledger.rows["22WEV", L1C] = replace(ledger.rows["22WEV", L1C], attempts={"watch": MAX_RESCUES})
    assert rescues(ledger, FakeClock()) == []
    assert ledger.rows["22WEV", L1C] == after


def test_retry_starts_from_the_latest_input_that_is_left():
    name, store = ProductName.parse(L1C), FakeStore()
    for path, queue, state in (
        (None, PRODUCTS, State.DISCOVERED),
        (staged_zip(name), CORRECTIONS, State.STAGED),
        (l2a_folder(ProductName.parse(L2A)) / MANIFEST, CLASSIFICATIONS, State.CORRECTED),
    ):
        if path:
            store.write(path, b"x")
        ledger = FakeLedger([waiting(State.FAILED, reason="It broke.")])
        rescue = retry(ledger.rows["22WEV", L1C], store=store, ledger=ledger, clock=FakeClock())
        assert rescue is not None
        assert rescue.queue == queue
        assert ledger.rows["22WEV", L1C].state is state
        assert ledger.rows["22WEV", L1C].reason == ""


def test_retry_of_a_product_in_work_is_refused():
    ledger = FakeLedger([waiting(State.STAGED)])
    with pytest.raises(BadName, match="is STAGED; only failed"):
        retry(ledger.rows["22WEV", L1C], store=FakeStore(), ledger=ledger, clock=FakeClock())


def test_retry_with_nothing_left_says_so():
    ledger = FakeLedger([Record("22WEV", L1C, State.FAILED)])
    with pytest.raises(NotFound, match="drop it again"):
        retry(ledger.rows["22WEV", L1C], store=FakeStore(), ledger=ledger, clock=FakeClock())
