"""The worker is told to stop, loses its message or its lock, or was killed before: nothing is left, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.blob import BlobLeaseClient, BlobServiceClient

from container.run import AGAIN, DONE, Stop
from container.scratch import scratch
from shared.adapters.leases import LOCKS, Leases, ProductLocks
from shared.adapters.processes import MARKER
from shared.messages import CorrectionMessage
from shared.models import State
from tests.adapters.worker_world import StopWhen, World, environment, lives, start

CHILD = "*/run/work/child.pid"  # where the stand-in notes the process it leaves


def unpacking(world: World) -> bool:
    return any(world.work.glob("*/l1c/*.SAFE/GRANULE/*/IMG_DATA/*.jp2"))


def correcting(world: World) -> bool:
    return any(path.read_text() for path in world.work.glob(CHILD))


def uploading(world: World) -> bool:
    return any(name.endswith(".jp2") for name in world.l2a())


@pytest.mark.parametrize(
    ("stage", "behave"),
    [(unpacking, "succeed"), (correcting, "hang"), (correcting, "runaway"), (uploading, "succeed")],
)
def test_told_to_stop_it_gives_the_message_back_at_once_and_cleans_up(
    world: World, stage: Callable[[World], bool], behave: str
) -> None:
    world.stage()
    children: list[int] = []

    def reached() -> bool:
        children.extend(int(path.read_text() or 0) for path in world.work.glob(CHILD))
        return stage(world)

    assert world.run(behave, stop=StopWhen(holds=reached), time_limit=60.0) == 128 + signal.SIGTERM
    assert world.leftovers() == []
    assert not any(lives(pid) for pid in children if pid)
    assert world.has(State.STAGED)
    assert world.record.attempts == {}, "being told to stop is no failed try"
    assert world.record.progress is None
    assert not world.lock_is_there()
    message = world.queue.receive_message(visibility_timeout=1)
    assert message is not None, "visible at once"
    assert message.dequeue_count == 1, "however often it is stopped, no try is counted"
    assert CorrectionMessage.decode(message.content).stops == 1
    time.sleep(1.1)
    assert world.run() == DONE
    assert world.has(State.CORRECTED)
    assert len([name for name in world.l2a() if name == "manifest.safe"]) == 1
    assert len(world.l2a()) == len(set(world.l2a())), "of the first try nothing is left"


def test_told_to_stop_before_it_begins_it_takes_no_message(world: World) -> None:
    world.stage()
    assert world.run(stop=Stop(signal.SIGTERM)) == 128 + signal.SIGTERM
    message = world.queue.receive_message(visibility_timeout=1)
    assert message is not None
    assert message.dequeue_count == 1


def test_a_lost_lock_stops_the_work_and_what_was_uploaded_is_taken_away_later(world: World, azurite: str) -> None:
    world.stage()
    robbed: list[bool] = []

    def rob() -> bool:
        if correcting(world) and not robbed:
            robbed.append(True)
            with BlobServiceClient.from_connection_string(azurite) as service:
                BlobLeaseClient(service.get_blob_client(LOCKS, f"correct-{world.product}")).break_lease(0)
        return False

    world.services.product_locks = quick(world)
    assert world.run("hang", stop=StopWhen(holds=rob), time_limit=60.0, visibility=2) == AGAIN
    assert robbed
    assert f"The lock of {world.product} was lost" in world.record.error
    assert world.leftovers() == []
    assert world.has(State.STAGED)


def quick(world: World) -> ProductLocks:
    """Locks that notice within a fraction of a second."""
    service = BlobServiceClient.from_connection_string(world.settings.storage.connection_string)
    return ProductLocks(Leases(service, renew=0.1))


def test_a_long_run_keeps_its_message_by_renewing_it(world: World) -> None:
    world.stage()
    seen: list[object] = []

    def look() -> bool:
        """Look into the queue as another worker would, whenever the run looks for a signal."""
        if world.in_work and len(seen) < 400:
            seen.append(world.queue.receive_message(visibility_timeout=1))
        return False

    started = time.monotonic()
    assert world.run("slow", stop=StopWhen(holds=look), visibility=2) == DONE
    assert time.monotonic() - started > 2.5, "longer than the message stays invisible by itself"
    assert set(seen) == {None}
    assert world.has(State.CORRECTED)
    assert world.waiting() == 0


def test_a_worker_that_lost_its_message_stops_and_leaves_nothing_visible(world: World) -> None:
    world.stage()

    def rob() -> bool:
        """Empty the queue under the worker's hands."""
        if world.in_work:
            world.queue.clear_messages()
        return False

    started = time.monotonic()
    assert world.run("hang", stop=StopWhen(holds=rob), visibility=2, time_limit=60.0) == AGAIN
    assert time.monotonic() - started < 10
    assert world.has(State.STAGED)
    assert world.record.l2a == ""
    assert world.leftovers() == []


def test_what_a_killed_run_left_on_the_disk_is_removed_and_what_lives_is_kept(tmp_path: Path) -> None:
    dead = tmp_path / "icewatch-correct-dead"
    (dead / "l1c").mkdir(parents=True)
    (tmp_path / "icewatch-correct-dead.lock").touch()
    (tmp_path / "icewatch-correct-killed-before-its-folder.lock").touch()
    (tmp_path / "icewatch-correct-without-its-lock").mkdir()
    (tmp_path / "of-somebody-else").mkdir()
    with scratch(str(tmp_path)) as first, scratch(str(tmp_path)) as second:
        assert first.is_dir()
        assert second.is_dir()
        assert not dead.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["of-somebody-else"]


# -- as its own process ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_the_message_back_and_cleans_up(own: World, number: signal.Signals) -> None:
    own.stage()
    process = start(environment(own, "hang"))
    deadline = time.monotonic() + 60
    while not (children := list(own.work.glob(CHILD))) or not children[0].read_text():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int(children[0].read_text())
    process.send_signal(number)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 128 + number, log
    assert "Traceback" not in log
    message = own.queue.receive_message(visibility_timeout=5)
    assert message is not None, "visible at once"
    assert own.record.state is State.STAGED
    assert own.record.attempts == {}
    assert own.leftovers() == []
    if Path("/proc/self/stat").exists():
        assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


def test_what_a_killed_worker_left_running_is_ended_by_the_next(tmp_path: Path) -> None:
    dead = tmp_path / "icewatch-correct-dead"
    dead.mkdir()
    (tmp_path / "icewatch-correct-dead.lock").touch()
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, MARKER: str(dead / "run")}
    )
    with scratch(str(tmp_path)):
        assert orphan.wait(60) < 0
