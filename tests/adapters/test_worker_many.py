"""Several workers and several messages: no product is in work twice at the same time, and each is done once."""

from __future__ import annotations

import threading
import time

from azure.storage.blob import BlobServiceClient

from container.run import DONE
from shared.adapters.leases import Leases, ProductLocks
from shared.messages import CorrectionMessage
from shared.models import MANIFEST, State
from tests.adapters.worker_world import World, until


def locked(world: World) -> ProductLocks:
    """The locks as another worker sees them."""
    return ProductLocks(Leases(BlobServiceClient.from_connection_string(world.settings.storage.connection_string)))


def test_a_second_message_of_a_product_in_work_waits_and_then_finds_it_done(world: World) -> None:
    world.stage()
    world.send()
    codes: list[int] = []
    first = threading.Thread(target=lambda: codes.append(world.run("slow")))
    first.start()
    until(world.lock_is_there)
    started = time.monotonic()
    assert world.run("hang", visibility=3, time_limit=60.0) == DONE
    assert time.monotonic() - started < 3
    assert world.waiting() == 2, "put back"
    first.join()
    assert codes == [DONE]
    done = world.record
    assert done.state is State.CORRECTED
    until(world.queue.peek_messages)
    assert world.run("hang", time_limit=60.0) == DONE
    assert world.record == done
    assert world.waiting() == 0
    assert world.l2a().count(MANIFEST) == 1


def test_a_message_put_back_begins_to_count_anew_unless_it_was_delivered_before(world: World) -> None:
    """Waiting for another worker is no failed try; but a message that kills its worker must not lose its count."""
    world.stage()
    lock = locked(world).take(world.product)
    assert lock is not None
    with lock:
        for _ in range(3):
            assert world.run(visibility=2, max_tries=1) == DONE
            until(world.queue.peek_messages)
        assert world.queue.peek_messages()[0].dequeue_count in {0, None}
        world.queue.receive_message(visibility_timeout=1)  # a worker that died with it
        time.sleep(1.1)
        assert world.run(visibility=2, max_tries=3) == DONE
        until(world.queue.peek_messages)
    message = world.queue.receive_message(visibility_timeout=1)
    assert message is not None
    assert message.dequeue_count == 3
    assert world.has(State.STAGED)
    time.sleep(1.1)
    assert world.run() == DONE
    assert world.has(State.CORRECTED)


def test_a_message_of_a_finished_product_is_dropped_although_its_lock_is_still_held(world: World) -> None:
    world.stage()
    world.run()
    world.send()
    lock = locked(world).take(world.product)
    assert lock is not None
    with lock:
        assert world.run("hang", time_limit=60.0) == DONE
    assert world.waiting() == 0


def test_many_workers_on_few_products_do_each_once(world: World) -> None:
    """Four workers, two messages for one product and further ones that come back: one folder in the end."""
    world.stage()
    for _ in range(3):
        world.send()
    ended: list[int] = []
    world.program("succeed")  # before the threads: a program that is being written to cannot be run

    def work() -> None:
        deadline = time.monotonic() + 60
        while world.waiting() and time.monotonic() < deadline:
            ended.append(world.run(visibility=2))
            time.sleep(0.1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert set(ended) == {DONE}
    assert world.has(State.CORRECTED)
    assert world.record.attempts == {}
    assert world.l2a().count(MANIFEST) == 1
    assert world.waiting() == 0
    assert not world.poisoned(CorrectionMessage(product=str(world.product)).encode())
    assert world.leftovers() == []
    assert not world.lock_is_there()
