"""One staged product in real storage, a queue of its own, and workers with a stand-in for Sen2Cor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from container.run import Stop, Worker
from shared.adapters.leases import LOCKS
from shared.adapters.sen2cor import choose_commands
from shared.messages import CORRECTIONS, CorrectionMessage, poison_of
from shared.models import L2A, BlobPath, ProductName, State, staged_zip
from shared.records import Record
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

    def program(self, behave: str) -> str:
        """The path of a stand-in that behaves so; each has its own, as workers may run at the same time."""
        folder = self.tmp_path / "programs" / behave
        folder.mkdir(parents=True, exist_ok=True)
        return str(standin(folder, behave))

    def run(self, behave: str = "succeed", *, stop: Stop | None = None, **limits: Any) -> int:
        correction = replace(self.settings.correction, command=self.program(behave), **limits)
        worker = Worker(
            settings=replace(self.settings, correction=correction),
            commands=choose_commands(correction),
            store=self.services.store,
            ledger=self.services.ledger,
            queues=self.services.queues,
            locks=self.services.product_locks,
            client=self.queue,
            stop=stop or Stop(),
            grace=0.5,
        )
        return worker.run()

    @property
    def record(self) -> Record:
        record = self.services.ledger.get("22WEV", str(self.product))
        assert record is not None
        return record

    @property
    def in_work(self) -> bool:
        """True while a worker has a folder on the disk."""
        return self.work.exists() and any(path.is_dir() for path in self.work.iterdir())

    def has(self, state: State) -> bool:
        """True where the ledger says so."""
        return self.record.state is state

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
        with suppress(ResourceExistsError):  # the first message makes it
            self.poison.create_queue()
        for message in self.poison.receive_messages(messages_per_page=32, visibility_timeout=1):
            if message.content == text:
                self.poison.delete_message(message)
                found = True
        return found

    def lock_is_there(self) -> bool:
        """True where the product's lock is held, or was left behind."""
        return self.services.store.info(BlobPath(LOCKS, f"correct-{self.product}")) is not None

    def leftovers(self) -> list[Path]:
        """What lies in the scratch folder, the note apart in which a stand-in says what it started."""
        found = self.work.rglob("*") if self.work.exists() else ()
        return [path for path in found if path != self.work / "child.pid"]


def environment(world: World, behave: str, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AzureWebJobsStorage": world.settings.storage.connection_string,
        "CORRECTION_WORK": str(world.work),
        "CORRECTION_VISIBILITY": "60",
        "SEN2COR_COMMAND": world.program(behave),
        **more,
    }


def start(env: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "container.run"], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True
    )


@dataclass(slots=True)
class StopWhen(Stop):
    """A worker is told to end as soon as ``holds`` does; looked at whenever the worker looks."""

    holds: Callable[[], bool] = lambda: False

    def __getattribute__(self, name: str) -> Any:
        told = object.__getattribute__(self, "signal")
        if name == "signal" and not told and object.__getattribute__(self, "holds")():
            object.__setattr__(self, "signal", signal.SIGTERM)
        return object.__getattribute__(self, name)


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)


def lives(pid: int) -> bool:
    """True while the process is there and no zombie."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
