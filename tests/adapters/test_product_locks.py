"""The lock of a product: one worker at a time, given back in the end, free when its holder is dead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient

from shared.adapters import leases as module
from shared.adapters.leases import Held, Leases, ProductLocks
from shared.errors import StorageUnavailable
from shared.models import ProductName
from tests.products import L1C, SECOND_HALF

PRODUCT, OTHER = ProductName.parse(L1C), ProductName.parse(SECOND_HALF)


@pytest.fixture
def service(azurite: str) -> Iterator[BlobServiceClient]:
    with BlobServiceClient.from_connection_string(azurite) as client:
        yield client


@pytest.fixture
def leases(service: BlobServiceClient) -> Leases:
    """In a container that does not exist yet."""
    return Leases(service, f"locks-{uuid4().hex[:12]}", renew=0.05)


def blobs(leases: Leases) -> list[str]:
    return [blob.name for blob in leases.service.get_container_client(leases.container).list_blobs()]


def end_lease(leases: Leases) -> None:
    """Stands for the end of the lease of a dead worker, which Azure makes after 60 s."""
    client = leases.service.get_blob_client(leases.container, f"correct-{PRODUCT}")
    BlobLeaseClient(client).break_lease(0)


def check_until_lost(lock: Held) -> None:
    for _ in range(200):
        lock.check()
        threading.Event().wait(0.05)


def test_a_product_is_in_one_hand_at_a_time_and_others_are_free(leases: Leases) -> None:
    here, there = ProductLocks(leases), ProductLocks(leases)
    lock = here.take(PRODUCT)
    assert lock is not None
    with lock:
        lock.check()
        assert there.take(PRODUCT) is None
        other = there.take(OTHER)
        assert other is not None
        with other:
            pass
    again = there.take(PRODUCT)
    assert again is not None
    with again:
        pass


def test_who_has_patience_gets_the_lock_of_a_dead_worker(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ProductLocks(leases).take(PRODUCT) is not None
    monkeypatch.setattr(module, "_LOOK", 0.01)
    assert ProductLocks(leases).take(PRODUCT, patience=0.1) is None
    monkeypatch.setattr("shared.adapters.leases.time.sleep", lambda _: end_lease(leases))
    lock = ProductLocks(leases).take(PRODUCT, patience=60)
    assert lock is not None
    with lock:
        lock.check()


def test_the_locks_of_two_steps_are_two(leases: Leases) -> None:
    correcting, classifying = ProductLocks(leases).take(PRODUCT), ProductLocks(leases, "classify").take(PRODUCT)
    assert correcting is not None
    assert classifying is not None
    with correcting, classifying:
        assert blobs(leases) == [f"classify-{PRODUCT}", f"correct-{PRODUCT}"]
        assert ProductLocks(leases, "classify").take(PRODUCT) is None


def test_nothing_stays_in_the_store_when_the_lock_is_given_back(leases: Leases) -> None:
    lock = ProductLocks(leases).take(PRODUCT)
    assert lock is not None
    with lock:
        assert blobs(leases) == [f"correct-{PRODUCT}"]
    assert blobs(leases) == []


def test_the_lock_of_a_dead_worker_is_free_when_its_lease_ends(leases: Leases) -> None:
    assert ProductLocks(leases).take(PRODUCT) is not None  # never entered: nobody renews, nobody gives it back
    assert ProductLocks(leases).take(PRODUCT) is None
    end_lease(leases)
    lock = ProductLocks(leases).take(PRODUCT)
    assert lock is not None
    with lock:
        lock.check()


def test_who_lost_it_is_told_and_does_not_take_the_new_holders_lock_away(leases: Leases) -> None:
    lock = ProductLocks(leases).take(PRODUCT)
    assert lock is not None
    with lock:
        end_lease(leases)
        assert ProductLocks(leases).take(PRODUCT) is not None
        with pytest.raises(StorageUnavailable, match=f"The lock of {PRODUCT} was lost"):
            check_until_lost(lock)
    assert blobs(leases) == [f"correct-{PRODUCT}"]
    assert ProductLocks(leases).take(PRODUCT) is None


def test_of_many_that_ask_at_once_one_gets_it(leases: Leases) -> None:
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: ProductLocks(leases).take(PRODUCT), range(8)))
    assert len([lock for lock in got if lock is not None]) == 1


def test_giving_back_and_taking_at_the_same_time_never_fails(leases: Leases) -> None:
    """The blob goes with the lock, so who asks may find it gone between two requests."""

    def work(_: int) -> int:
        lock = ProductLocks(leases).take(PRODUCT)
        if lock is None:
            return 0
        with lock:
            return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(40))) >= 1
    assert blobs(leases) == []


def test_who_finds_the_blob_gone_each_time_leaves_none_behind(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others take the blob, and it goes with their lock, whenever this one has made it and is about to ask for it."""
    acquire, gone = module._acquire, []

    def late(client: BlobClient, seconds: int) -> BlobLeaseClient | None:
        if blobs(leases):
            client.delete_blob()
            gone.append(client.blob_name)
        return acquire(client, seconds)

    leases.service.create_container(leases.container)
    monkeypatch.setattr(module, "_acquire", late)
    assert ProductLocks(leases).take(PRODUCT) is None
    assert gone == [f"correct-{PRODUCT}"] * 2
    assert blobs(leases) == []
