"""Kills workers of the correct step at random moments, and looks whether each product is complete once in the end.

    python -m benchmarks.kills [--kills 20] [--seed 7]

A real Azurite, and a stand-in for Sen2Cor that takes a second or two. A worker is started for the waiting message and
ended with SIGKILL after a random time, one to four times for each product; then one is let through. What Azure's clocks
would do between two workers (the dead worker's lock ends, its message becomes visible again) is hastened or waited
for. In the end each product must have: one L2A folder, with as many blobs as one that nobody disturbed, whose
manifest.safe was written once; a CORRECTED row that names it; no staged zip, no message, no lock; nothing in the
scratch folder and no process of any run. Exit code 1 where something of that is not so.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobLeaseClient, BlobServiceClient
from azure.storage.queue import QueueClient

from local.azurite import Azurite
from shared.adapters.leases import LOCKS
from shared.adapters.processes import MARKER
from shared.messages import CORRECTIONS, CorrectionMessage
from shared.models import L2A, MANIFEST, BlobPath, ProductName, State, staged_zip
from shared.records import Record
from shared.settings import STORAGE, Settings
from shared.wiring import Services
from tests.standins.l1c import PRODUCT, l1c_zip, standin

ROOT = Path(__file__).resolve().parents[1]
MOST_PER_PRODUCT = 4  # kills
BULK = 40_000_000  # bytes, so that unpacking takes a while
FIRST_SIGN = 0.8  # seconds that a worker takes to import what it needs: killed earlier it has done nothing


@dataclass(slots=True)
class Trial:
    """Storage, and the workers on it."""

    connection: str
    folder: Path
    program: Path
    services: Services
    queue: QueueClient
    blobs: BlobServiceClient
    died: Counter[str] = field(default_factory=Counter)  # where workers were killed -> how often
    manifests: set[str] = field(default_factory=set)  # path and ETag of every manifest.safe that was ever seen

    def stage(self, product: ProductName) -> None:
        """Put a product into the store and its message into the queue, as the step before does."""
        bulk = {f"{product.safe}/bulk": random.randbytes(BULK)}
        self.services.store.write(staged_zip(product), l1c_zip(product, also=bulk))
        self.services.ledger.add(Record.of(product, State.STAGED, times={"stage": datetime.now(UTC)}))
        self.services.queues.send(CORRECTIONS, CorrectionMessage(product=str(product)).encode())

    def worker(self) -> subprocess.Popen[bytes]:
        """Start one."""
        environment = {
            "PATH": os.environ["PATH"],
            STORAGE: self.connection,
            "CORRECTION_WORK": str(self.folder / "scratch"),
            "CORRECTION_VISIBILITY": "2",
            "CORRECTION_MAX_TRIES": "100",
            "SEN2COR_COMMAND": str(self.program),
        }
        with (self.folder / "workers.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "container.run"], cwd=ROOT, env=environment, stdout=log, stderr=log
            )

    def record(self, product: ProductName) -> Record:
        """The product's row, which is there since it was staged."""
        [record] = [each for each in self.services.ledger.records(product.tile.name) if each.name == str(product)]
        return record

    def members(self, product: ProductName) -> list[str]:
        """Blobs of all L2A folders of the product; their manifests are remembered."""
        month, found = BlobPath(L2A, f"{product.tile}/{product.sensing:%Y/%m}"), []
        for info in self.services.store.list(month):
            name = info.path.name.removeprefix(f"{month.name}/")
            if name.startswith(f"{product.platform}_MSIL2A_{product.stamp}_"):
                found.append(name)
                if name.endswith(f"/{MANIFEST}"):
                    self.manifests.add(f"{name} {info.etag}")
        return found

    def where(self, product: ProductName) -> str:
        """How far the work has come, by what is there."""
        record = self.record(product)
        if record.state is State.CORRECTED:
            return "after CORRECTED"
        if record.l2a:
            done = any(name.endswith(MANIFEST) for name in self.members(product))
            return "after manifest.safe" if done else "upload"
        scratch = self.folder / "scratch"
        return "processor" if any(scratch.glob("*/run")) else "unpack" if any(scratch.glob("*/l1c")) else "start"

    def kill(self, product: ProductName, after: float) -> float:
        """Start a worker and kill it after so many seconds, if it is not done by then; returns those that it lived."""
        worker, started = self.worker(), time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            worker.wait(after)
        lived = time.monotonic() - started
        if worker.poll() is None:
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            self.died[self.where(product)] += 1
        self.members(product)
        with suppress(AzureError):  # it may have been given back, or never taken
            BlobLeaseClient(self.blobs.get_blob_client(LOCKS, f"correct-{product}")).break_lease(0)
        return lived

    def finish(self) -> None:
        """Let workers come through until the queue is empty."""
        while self.queue.get_queue_properties().approximate_message_count:
            if self.queue.peek_messages():
                self.worker().wait()
            time.sleep(0.1)

    def faults(self, product: ProductName, expected: int | None) -> list[str]:
        """What is not as it should be in the end."""
        record, members = self.record(product), self.members(product)
        folders = {name.partition("/")[0] for name in members}
        written = [each for each in self.manifests if f"_{product.stamp}_" in each]
        scratch = [path.name for path in (self.folder / "scratch").iterdir()]
        found = {
            f"the ledger says {record.state} {record.reason}": record.state is not State.CORRECTED,
            f"folders {sorted(folders)}, the ledger says {record.l2a}": folders != {f"{record.l2a}.SAFE"},
            f"{len(members)} blobs instead of {expected}": expected is not None and len(members) != expected,
            f"{len(written)} manifests were written": len(written) != 1,
            "no peaks or seconds": not (record.peak_disk and record.seconds.get("correct")),
            "progress is left": record.progress is not None,
            "the zip is left": self.services.store.info(staged_zip(product)) is not None,
            "the lock is left": self.services.store.info(BlobPath(LOCKS, f"correct-{product}")) is not None,
            f"scratch holds {scratch}": bool(scratch),
            f"processes {processes(self.folder)} are left": bool(processes(self.folder)),
        }
        return [f"{product}: {what}" for what, wrong in found.items() if wrong]


def processes(folder: Path) -> list[int]:
    """Processes of runs below ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"{MARKER}={folder}".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def disturbed(trial: Trial, kills: int, chance: random.Random) -> list[str]:
    """Kill ``kills`` workers at work on product after product; returns the faults in the end."""
    undisturbed = replace(PRODUCT, sensing=PRODUCT.sensing - timedelta(days=1))
    trial.stage(undisturbed)
    started = time.monotonic()
    trial.finish()
    whole = time.monotonic() - started
    expected, faults, number = len(trial.members(undisturbed)), trial.faults(undisturbed, None), 0
    while sum(trial.died.values()) < kills:
        product = replace(PRODUCT, sensing=PRODUCT.sensing + timedelta(minutes=number))
        number += 1
        trial.stage(product)
        for _ in range(min(chance.randint(1, MOST_PER_PRODUCT), kills - sum(trial.died.values()))):
            after = chance.uniform(FIRST_SIGN, whole)
            if (lived := trial.kill(product, after)) < after:  # it came through, faster than the first
                whole = max(lived, 0.8 * whole)  # not at once: one that finds little left to do is fast too
                break
            while trial.queue.get_queue_properties().approximate_message_count and not trial.queue.peek_messages():
                time.sleep(0.1)
        trial.finish()
        faults += trial.faults(product, expected)
    print(f"{sum(trial.died.values())} workers killed at work on {number} products; one undisturbed took {whole:.1f} s")
    print(", ".join(f"{where}: {count}" for where, count in sorted(trial.died.items())))
    return faults


def main(told: Sequence[str] | None = None) -> int:
    """Run the trial; 0 where every product is complete exactly once in the end."""
    parser = argparse.ArgumentParser(prog="benchmarks.kills")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(told)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        connection = stack.enter_context(Azurite(folder / "azurite")).connection_string
        services = stack.enter_context(closing(Services(Settings.from_env({STORAGE: connection}))))
        queue = stack.enter_context(services.queue_client(CORRECTIONS))
        blobs = stack.enter_context(BlobServiceClient.from_connection_string(connection))
        trial = Trial(connection, folder, standin(folder, "succeed"), services, queue, blobs)
        faults = disturbed(trial, options.kills, random.Random(options.seed))
        for fault in faults:
            print(fault)
        if faults:
            print((folder / "workers.log").read_text()[-20_000:], file=sys.stderr)
    print("each product is complete exactly once" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
