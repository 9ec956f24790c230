"""Slots and the byte tally hold against real storage: over instances, after deaths, against faster writers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import uuid4

import pytest
from azure.storage.blob import BlobServiceClient

from shared.adapters.slots import BlobSlots
from shared.adapters.tally import BlobTally
from shared.errors import StorageUnavailable
from shared.messages import CORRECTIONS, ProductMessage
from shared.models import State
from shared.pipeline.stage import Following, stage
from shared.pipeline.stage_budget import reserve
from shared.pipeline.stage_fetch import Intake
from shared.settings import Downloads
from tests.fakes import FakeCatalogue, FakeClock, FakeLedger, FakeStore
from tests.products import L1C, SECOND_HALF, l1c_zip

TODAY = date(2024, 7, 31)


@pytest.fixture
def service(azurite: str) -> Iterator[BlobServiceClient]:
    with BlobServiceClient.from_connection_string(azurite) as client:
        yield client


@pytest.fixture
def container() -> str:
    return f"locks-{uuid4().hex[:12]}"


def lease_of(service: BlobServiceClient, container: str, number: int = 0) -> str:
    return str(service.get_blob_client(container, f"download-slot-{number}").get_blob_properties().lease.state)


def test_a_slot_is_held_by_one_and_free_again_afterwards(service, container):
    here, there = BlobSlots(service, 1, container=container), BlobSlots(service, 1, container=container)
    first = here.take(backfill=False)
    assert first is not None
    with first as slot:
        slot.check()
        assert there.take(backfill=False) is None
    second = there.take(backfill=False)
    assert second is not None
    with second:
        assert here.take(backfill=False) is None


def test_there_are_as_many_slots_as_said(service, container):
    slots = BlobSlots(service, 3, container=container)
    taken = [slots.take(backfill=False) for _ in range(4)]
    assert [slot is not None for slot in taken] == [True, True, True, False]


def test_backfill_leaves_one_slot_to_new_acquisitions(service, container):
    slots = BlobSlots(service, 2, container=container)
    assert slots.take(backfill=True) is not None
    assert slots.take(backfill=True) is None
    assert slots.take(backfill=False) is not None


def test_new_acquisitions_take_the_reserved_slot_last(service, container):
    slots = BlobSlots(service, 2, container=container)
    assert slots.take(backfill=False) is not None
    assert slots.take(backfill=True) is None
    assert slots.take(backfill=False) is not None


def test_backfill_gets_the_only_slot_there_is(service, container):
    assert BlobSlots(service, 1, container=container).take(backfill=True) is not None


def test_a_slot_is_renewed_while_it_is_held(service, container):
    now, looks = [0.0], threading.Semaphore(0)

    def clock() -> float:
        looks.release()  # once when the slot is taken, then at the beginning of each renewal
        return now[0]

    slots = BlobSlots(service, 1, container=container, renew=0.05, clock=clock)
    taken = slots.take(backfill=False)
    assert taken is not None
    with taken as slot:
        now[0] = 50
        while looks.acquire(blocking=False):
            pass
        assert all(looks.acquire(timeout=60) for _ in range(2))  # so the first of the two is done
        now[0] = 100
        slot.check()
    assert lease_of(service, container) == "available"


def test_who_loses_the_lease_is_told_and_the_new_holder_is_left_alone(service, container):
    slots = BlobSlots(service, 1, container=container, renew=0.05)
    taken = slots.take(backfill=False)
    assert taken is not None
    with taken as slot:
        _break(service, container)
        other = BlobSlots(service, 1, container=container).take(backfill=False)
        assert other is not None
        with pytest.raises(StorageUnavailable, match="slot 0 was lost"):
            _until_lost(slot)
    assert lease_of(service, container) == "leased"


def _break(service: BlobServiceClient, container: str) -> None:
    from azure.storage.blob import BlobLeaseClient

    BlobLeaseClient(service.get_blob_client(container, "download-slot-0")).break_lease(0)


def _until_lost(slot) -> None:
    for _ in range(200):
        slot.check()
        threading.Event().wait(0.05)


def test_who_cannot_renew_in_time_is_told_before_the_lease_ends(service, container):
    now = [100.0]
    slots = BlobSlots(service, 1, container=container, clock=lambda: now[0])
    taken = slots.take(backfill=False)
    assert taken is not None
    with taken as slot:
        now[0] += 54
        slot.check()
        now[0] += 2
        with pytest.raises(StorageUnavailable):
            slot.check()


def test_the_slot_of_a_dead_holder_is_free_when_its_lease_ends(service, container):
    slots = BlobSlots(service, 1, container=container, lease=15)
    assert slots.take(backfill=False) is not None  # never entered: nobody renews, nobody releases
    _break(service, container)  # stands for the end of the lease, which Azure makes after 15 s at least
    assert slots.take(backfill=False) is not None


def test_several_instances_that_begin_at_once_get_different_slots(service, container):
    def take(_: int) -> bool:
        return BlobSlots(service, 3, container=container).take(backfill=False) is not None

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take, range(6))) == 3


def test_two_writers_of_the_tally_lose_nothing(service, container):
    def spend(_: int) -> None:
        assert reserve(BlobTally(service, container=container), 7, most=10_000, today=TODAY) is None

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(spend, range(20)))
    assert seen(service, container) == {TODAY: 140}


def test_the_budget_holds_however_many_ask_at_once(service, container):
    def spend(_: int) -> bool:
        return reserve(BlobTally(service, container=container), 10, most=50, today=TODAY) is None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(spend, range(12))) == 5
    assert seen(service, container) == {TODAY: 50}


def test_a_change_that_raises_changes_nothing(service, container):
    tally = BlobTally(service, container=container)
    reserve(tally, 5, most=10, today=TODAY)

    def fails(_):
        raise StorageUnavailable("no")

    with pytest.raises(StorageUnavailable):
        tally.update(fails)
    assert seen(service, container) == {TODAY: 5}


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'{"yesterday": 3}', b'{"2024-07-31": "many"}'])
def test_a_tally_that_somebody_broke_is_begun_anew(service, container, body):
    service.create_container(container).upload_blob("download-bytes.json", body)
    assert reserve(BlobTally(service, container=container), 5, most=10, today=TODAY) is None
    assert seen(service, container) == {TODAY: 5}


class SlowCatalogue(FakeCatalogue):
    """Gives others time to open a second download while one is open."""

    def _chunks(self, product_id, body):
        for chunk in super()._chunks(product_id, body):
            threading.Event().wait(0.05)
            yield chunk


def test_two_stages_at_once_with_one_slot_never_overlap(service, container):
    catalogue = SlowCatalogue(downloads={"id-0": l1c_zip(L1C), "id-1": l1c_zip(SECOND_HALF)})
    store, ledger = FakeStore(), FakeLedger()
    waited = []

    def instance(number: int) -> Following:
        """One instance of the app, which gets its message again as long as it has to wait."""
        slots, tally = BlobSlots(service, 1, container=container), BlobTally(service, container=container)
        message = ProductMessage(product=(L1C, SECOND_HALF)[number], id=f"id-{number}")
        while True:
            [following] = stage(
                message,
                catalogue=catalogue,
                store=store,
                ledger=ledger,
                clock=FakeClock(),
                intake=Intake(slots, tally, Downloads(slots=1)),
            )
            if following.queue == CORRECTIONS:
                return following
            waited.append(following)
            message = ProductMessage.decode(following.message.encode())

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(instance, range(2)))
    assert [following.queue for following in done] == [CORRECTIONS, CORRECTIONS]
    assert catalogue.open_most == 1
    assert waited  # or the test has shown nothing
    assert {record.state for record in ledger.rows.values()} == {State.STAGED}
    assert len(store.blobs) == 2


def seen(service: BlobServiceClient, container: str) -> dict[date, int]:
    """The tally as the next reader sees it."""
    found: dict[date, int] = {}

    def look(days):
        found.update(days)
        return days

    BlobTally(service, container=container).update(look)
    return found
