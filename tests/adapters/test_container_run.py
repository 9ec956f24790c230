"""The worker with real queue, blobs and tables, and a stand-in for Sen2Cor: each way a message can end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from azure.storage.queue import QueueClient

from container.run import AGAIN, DONE, MISCONFIGURED, Stop, Worker
from container.scratch import scratch
from shared.adapters.sen2cor import choose_command
from shared.errors import BadName
from shared.messages import CORRECTIONS, CorrectionMessage, poison_of
from shared.models import L2A, MANIFEST, WATCHLIST, BlobPath, ProductName, State, staged_zip
from shared.records import REFUSED, Record
from shared.settings import Settings
from shared.wiring import Services
from tests.conftest import ROOT
from tests.standins.l1c import l1c_zip, standin

START = datetime(2019, 7, 1, 12, tzinfo=UTC)
_serial = iter(range(10_000))


def a_product() -> ProductName:
    """A product that no other test uses."""
    first = ProductName.parse("S2A_MSIL1C_20190716T151911_N0208_R068_T22WEV_20190716T184612")
    return replace(first, sensing=START + timedelta(minutes=next(_serial)))


class World:
    """One staged product, its message in a queue of its own, and a worker with a stand-in processor."""

    def __init__(self, connection: str, tmp_path: Path) -> None:
        self.tmp_path = tmp_path
        self.work = tmp_path / "scratch"
        self.settings = Settings.from_env({"AzureWebJobsStorage": connection, "CORRECTION_WORK": str(self.work)})
        self.services = Services(self.settings)
        self.product = a_product()
        self.queue: QueueClient = self.services.queue_client(f"corrections-{uuid4().hex}")
        self.queue.create_queue()
        self.poison: QueueClient = self.services.queue_client(poison_of(CORRECTIONS))

    def close(self) -> None:
        self.queue.delete_queue()
        self.queue.close()
        self.poison.close()
        self.services.close()

    def stage(self, body: bytes | None = None) -> None:
        body = l1c_zip(self.product) if body is None else body
        self.services.store.write(staged_zip(self.product), body)
        self.services.ledger.add(Record(partition="22WEV", name=str(self.product), state=State.STAGED))
        self.send()

    def send(self, text: str | None = None) -> None:
        self.queue.send_message(text or CorrectionMessage(product=str(self.product)).encode())

    def run(self, behave: str = "succeed", *, stop: Stop | None = None, **limits: float) -> int:
        program = standin(self.tmp_path, behave)
        correction = replace(self.settings.correction, command=str(program), **limits)  # type: ignore[arg-type]
        worker = Worker(
            settings=replace(self.settings, correction=correction),
            command=choose_command(correction),
            store=self.services.store,
            ledger=self.services.ledger,
            queues=self.services.queues,
            client=self.queue,
            stop=stop or Stop(),
        )
        return worker.run()

    @property
    def record(self) -> Record:
        record = self.services.ledger.get("22WEV", str(self.product))
        assert record is not None
        return record

    def l2a(self) -> list[str]:
        """The members of the L2A folders of this product, of any try."""
        folder = BlobPath(L2A, "22WEV/2019/07")
        paths = [info.path.name.removeprefix(f"{folder.name}/") for info in self.services.store.list(folder)]
        stem = f"{self.product.platform}_MSIL2A_{self.product.stamp}_"
        return [path.partition("/")[2] for path in paths if path.startswith(stem)]

    def waiting(self) -> int:
        """Messages in the queue, visible or not."""
        return self.queue.get_queue_properties().approximate_message_count or 0

    def poisoned(self, text: str) -> bool:
        """True where ``text`` is in the poison queue; takes it out."""
        found = False
        for message in self.poison.receive_messages(messages_per_page=32, visibility_timeout=1):
            if message.content == text:
                self.poison.delete_message(message)
                found = True
        return found

    def leftovers(self) -> list[Path]:
        return list(self.work.rglob("*")) if self.work.exists() else []


@pytest.fixture
def world(azurite: str, tmp_path: Path) -> Iterator[World]:
    made = World(azurite, tmp_path)
    yield made
    made.close()


def test_a_message_becomes_a_complete_l2a_folder_and_is_deleted(world: World) -> None:
    world.stage()
    assert world.run() == DONE
    record = world.record
    assert record.state is State.CORRECTED
    assert record.processor == "Sen2Cor 02.12.03"
    assert ProductName.parse(record.l2a).acquisition == world.product.acquisition
    members = world.l2a()
    assert MANIFEST in members
    assert len([name for name in members if name.endswith("_20m.jp2")]) == 14
    assert world.services.store.info(staged_zip(world.product)) is None
    assert world.waiting() == 0
    assert world.leftovers() == []


def test_no_message_is_no_work(world: World) -> None:
    assert world.run() == DONE


def test_a_second_delivery_of_a_finished_product_ends_at_once(world: World) -> None:
    world.stage()
    world.run()
    first = world.record
    world.send()
    started = time.monotonic()
    assert world.run("hang", time_limit=60.0) == DONE
    assert time.monotonic() - started < 5
    assert world.record == first
    assert world.waiting() == 0


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("crash", "signal 11"),
        ("error", "3181"),
        ("empty", "incomplete at 20 m"),
        ("already", "already processed"),
        ("truncated", "cut short"),
        ("hang", "time limit"),
    ],
)
def test_a_product_that_cannot_be_corrected_fails_with_its_reason(world: World, behave: str, reason: str) -> None:
    world.stage()
    assert world.run(behave, time_limit=2.0) == DONE
    assert world.record.state is State.FAILED
    assert reason in world.record.reason
    assert world.l2a() == []
    assert world.waiting() == 0
    assert world.leftovers() == []


def test_an_area_that_wants_the_approximate_correction_gets_it_although_sen2cor_is_there(world: World) -> None:
    area = {"name": "a", "tiles": ["22WEV"], "correction": "approximate"}
    world.services.store.write(WATCHLIST, json.dumps({"version": 1, "areas": [area]}).encode())
    try:
        world.stage()
        world.run("crash")  # what the stand-in for Sen2Cor would do
    finally:
        world.services.store.delete(WATCHLIST)
    # The approximate processor's own words about the stand-in's thin metadata; the other would have crashed.
    assert "MTD_MSIL1C.xml" in world.record.reason
    assert "has no PROCESSING_LEVEL" in world.record.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>busy</html>", "no complete zip file"),
        (l1c_zip()[:4000], "no complete zip file"),
        ("climbing", "would leave its folder"),
    ],
    ids=["no-zip", "cut", "climbing"],
)
def test_a_bad_zip_fails_with_its_reason_and_writes_nothing(world: World, body: bytes | str, reason: str) -> None:
    evil = l1c_zip(world.product, also={f"{world.product.safe}/../../../evil": b"evil"})
    world.stage(evil if isinstance(body, str) else body)
    assert world.run() == DONE
    assert world.record.state is State.FAILED
    assert reason in world.record.reason
    assert world.leftovers() == []
    assert not list(world.tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '{"version":1}',
        '{"version":2,"product":"S2A_MSIL1C_20190716T151911_N0208_R068_T22WEV_20190716T184612"}',
        '{"version":1,"product":"../../etc/passwd"}',
        '{"version":1,"product":"S2A_MSIL2A_20190716T151911_N0208_R068_T22WEV_20190716T184612"}',
    ],
)
def test_a_malformed_message_goes_to_the_poison_queue_and_the_ledger_says_why(world: World, text: str) -> None:
    world.send(text)
    assert world.run() == DONE
    assert world.waiting() == 0
    assert world.poisoned(text)
    refused = [record for record in world.services.ledger.records(REFUSED) if record.message == text]
    assert [record.state for record in refused] == [State.FAILED]
    assert "CorrectionMessage" in refused[0].reason


def test_trouble_that_may_pass_brings_the_message_back_after_a_delay(world: World) -> None:
    world.stage()
    assert world.run("disk", visibility=2) == AGAIN
    after = world.record
    assert after.state is State.STAGED
    assert "disk was full" in after.error
    assert world.queue.receive_message(visibility_timeout=1) is None, "not at once"
    time.sleep(2.5)
    assert world.run(visibility=2) == DONE
    assert world.record.state is State.CORRECTED
    assert world.record.error == ""


def test_trouble_on_the_last_try_goes_to_the_poison_queue_with_the_last_error(world: World) -> None:
    world.stage()
    assert world.run("disk", max_tries=1) == DONE
    assert world.record.state is State.FAILED
    assert "gave up after 1 tries" in world.record.reason
    assert "disk was full" in world.record.reason
    assert world.poisoned(CorrectionMessage(product=str(world.product)).encode())
    assert world.waiting() == 0


def test_a_message_that_kills_its_worker_every_time_ends_in_the_poison_queue(world: World) -> None:
    world.stage()
    for _ in range(2):  # workers that died with the message in hand
        assert world.queue.receive_message(visibility_timeout=1) is not None
        time.sleep(1.2)
    assert world.run(max_tries=2) == DONE
    assert world.record.state is State.FAILED
    assert "without a word" in world.record.reason
    assert world.poisoned(CorrectionMessage(product=str(world.product)).encode())


def test_a_ledger_row_that_somebody_broke_does_not_keep_the_message_going_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(partition: str, name: str) -> Record:
        raise BadName(f"The ledger row {partition}/{name} does not parse.")

    world.stage()
    monkeypatch.setattr(world.services.ledger, "get", broken)
    assert world.run(max_tries=1) == DONE
    assert world.poisoned(CorrectionMessage(product=str(world.product)).encode())
    assert world.waiting() == 0


def test_one_delivery_too_many_of_a_finished_product_harms_nothing(world: World) -> None:
    world.stage()
    world.run()
    world.send()
    world.queue.receive_message(visibility_timeout=1)
    time.sleep(1.2)
    assert world.run(max_tries=1) == DONE
    assert world.record.state is State.CORRECTED
    assert not world.poisoned(CorrectionMessage(product=str(world.product)).encode())


def test_a_long_run_keeps_its_message_by_renewing_it(world: World) -> None:
    world.stage()
    seen: list[object] = []

    class Look(Stop):
        """Looks into the queue as another worker would, whenever the run looks for a signal."""

        def __getattribute__(self, name: str) -> object:
            if name == "signal" and len(seen) < 400:
                seen.append(world.queue.receive_message(visibility_timeout=1))
            return super().__getattribute__(name)

    started = time.monotonic()
    assert world.run("slow", stop=Look(), visibility=2) == DONE
    assert time.monotonic() - started > 2.5, "longer than the message stays invisible by itself"
    assert set(seen) == {None}
    assert world.record.state is State.CORRECTED
    assert world.waiting() == 0


def test_a_worker_that_lost_its_message_stops_and_leaves_nothing_visible(world: World) -> None:
    world.stage()

    class Rob(Stop):
        """Empties the queue under the worker's hands."""

        def __getattribute__(self, name: str) -> object:
            if name == "signal":
                world.queue.clear_messages()
            return super().__getattribute__(name)

    started = time.monotonic()
    assert world.run("hang", stop=Rob(), visibility=2, time_limit=60.0) == AGAIN
    assert time.monotonic() - started < 10
    assert world.record.state is State.STAGED
    assert world.record.l2a == ""
    assert world.leftovers() == []


def test_what_a_killed_run_left_on_the_disk_is_removed_and_what_lives_is_kept(tmp_path: Path) -> None:
    dead = tmp_path / "icewatch-correct-dead"
    (dead / "l1c").mkdir(parents=True)
    (tmp_path / "icewatch-correct-dead.lock").touch()
    (tmp_path / "of-somebody-else").mkdir()
    with scratch(str(tmp_path)) as first, scratch(str(tmp_path)) as second:
        assert first.is_dir()
        assert second.is_dir()
        assert not dead.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["of-somebody-else"]


# -- as its own process ----------------------------------------------------------------------------------------


def environment(world: World, behave: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AzureWebJobsStorage": world.settings.storage.connection_string,
        "CORRECTION_WORK": str(world.work),
        "CORRECTION_VISIBILITY": "60",
        "SEN2COR_COMMAND": str(standin(world.tmp_path, behave)),
        **more,
    }


def start(env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "container.run"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def own(world: World) -> World:
    """A world whose queue is the one that ``python -m container.run`` reads."""
    world.queue.delete_queue()
    world.queue.close()
    world.queue = world.services.queue_client(CORRECTIONS)
    world.queue.create_queue()
    return world


def test_the_command_corrects_one_product_and_exits(own: World) -> None:
    own.stage()
    process = start(environment(own, "succeed"))
    _, log = process.communicate(timeout=60)
    assert process.returncode == DONE, log
    assert own.record.state is State.CORRECTED
    assert str(own.product) in log
    assert "47 %" in log or "12 %" in log or "2 %" in log
    assert own.settings.storage.connection_string not in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_the_message_back_and_cleans_up(own: World, number: signal.Signals) -> None:
    own.stage()
    process = start(environment(own, "hang"))
    deadline = time.monotonic() + 30
    while not (children := list(own.work.glob("*/run/work/child.pid"))) or not children[0].read_text():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child = int(children[0].read_text())
    process.send_signal(number)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 128 + number, log
    assert "Traceback" not in log
    message = own.queue.receive_message(visibility_timeout=5)
    assert message is not None, "visible at once"
    assert own.record.state is State.STAGED
    assert own.record.attempts == {}
    assert own.leftovers() == []
    if Path("/proc/self/stat").exists():
        assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


def test_a_setting_that_cannot_be_used_is_one_sentence_and_takes_no_message(own: World) -> None:
    own.stage()
    process = start(environment(own, "succeed", SEN2COR_COMMAND="/no/such/program"))
    _, log = process.communicate(timeout=60)
    assert process.returncode == MISCONFIGURED
    assert "SEN2COR_COMMAND is '/no/such/program'" in log
    assert "Traceback" not in log
    message = own.queue.receive_message(visibility_timeout=5)
    assert message is not None
    assert message.dequeue_count == 1
