"""``python -m benchmarks.container``: what unpacking and uploading cost in the container step, beside plain tools.

One product of full size goes through the real step between Azurite and this disk, with a corrector that does nothing
but put down a finished L2A folder. In the same run, in turns, on the same files: ``unzip`` of the zip from this disk,
the SDK's plain download followed by ``unzip``, and the SDK's plain upload, file by file. The step reads the zip out of
storage while it unpacks, so it is held against download and ``unzip`` together; the same code on the zip as a file of
this disk is held against ``unzip`` alone. Memory is the peak of the whole process of the step, interpreter included;
disk is the most that lay in its scratch folder. The product is made once (a minute or two) and kept in the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.full_product import L1C, L2A, FullProduct, full_product
from benchmarks.measuring import MEGABYTE, in_process
from shared.models import BlobPath, State, l2a_folder, staged_zip
from shared.ports import Corrected
from shared.settings import STORAGE

TARGET_RATIO, TARGET_MEGABYTES, TARGET_DISK = 0.7, 300.0, 8 * 1024**3 / MEGABYTE
_KEPT = BlobPath("benchmark", "product.zip")
_SCRATCH, _ZIP, _FOLDER = "BENCHMARK_SCRATCH", "BENCHMARK_ZIP", "BENCHMARK_FOLDER"
_LOOK_EVERY = 0.1  # seconds between two looks at the scratch folder

Environment = Mapping[str, str]


def main() -> None:
    """Measure and print; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.container", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path(".icewatch/benchmarks/container"), help="keeps the product")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured")
    parser.add_argument("--divisor", type=int, default=1, help="makes the images smaller by this factor, for a trial")
    parser.add_argument("--json", type=Path, help="file for the figures")
    asked = parser.parse_args()
    if shutil.which("unzip") is None:
        sys.exit("There is no program 'unzip' to compare with; install it.")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, {asked.rounds} rounds")
    product = full_product(asked.folder, divisor=asked.divisor)
    with tempfile.TemporaryDirectory(prefix="run-", dir=asked.folder) as folder:
        figures = measured(product, asked.rounds, Path(folder))
    missed = report(figures)
    if asked.json:
        asked.json.write_text(json.dumps(figures | {"missed": missed}, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if missed else 0)


def measured(product: FullProduct, rounds: int, folder: Path) -> dict[str, Any]:
    """Every way in turns; seconds per way and round, and the peaks of the step."""
    from local.azurite import Azurite

    ways: dict[str, Callable[[Environment, str], float]] = {
        "unzip from disk": _unzip,
        "unpack from disk": _unpack,
        "plain download, then unzip": _download_and_unzip,
        "plain upload": _upload,
    }
    seconds: dict[str, list[float]] = {way: [] for way in (*ways, "step: unpack", "step: upload")}
    memory, disk = [], []
    with Azurite(folder / "azurite") as azurite:
        environment = {STORAGE: azurite.connection_string, _ZIP: str(product.zip), _FOLDER: str(product.l2a)}
        in_process(_put, environment, "")
        for turn in range(rounds + 1):  # the first round warms the caches and does not count
            taken = {}
            for way, work in ways.items():
                with _empty(folder / "scratch") as scratch:
                    taken[way] = in_process(work, environment, str(scratch))[0]
            with _empty(folder / "scratch") as scratch:
                stages, peak = in_process(_step, environment, str(scratch))
            taken |= {"step: unpack": stages["unpack"], "step: upload": stages["upload"]}
            if turn:
                memory.append(peak)
                disk.append(stages["disk"])
                for way, took in taken.items():
                    seconds[way].append(took)
    return {
        "seconds": seconds,
        "zip_megabytes": product.zip.stat().st_size / MEGABYTE,
        "l2a_megabytes": sum(file.stat().st_size for file in _files(product.l2a)) / MEGABYTE,
        "peak_memory_megabytes": max(memory),
        "peak_disk_megabytes": max(disk),
    }


def report(figures: Mapping[str, Any]) -> list[str]:
    """Print the figures; returns a sentence for each target that is missed."""
    median = {way: statistics.median(took) for way, took in figures["seconds"].items()}
    for way, took in figures["seconds"].items():
        megabytes = figures["l2a_megabytes" if "upload" in way else "zip_megabytes"]
        rounds = f"({min(took):.2f} to {max(took):.2f})"
        print(f"{way:28s}{megabytes:7.0f} MB {median[way]:7.2f} s {rounds:18s}{megabytes / median[way]:6.0f} MB/s")
    ratios = {
        "unpack from disk / unzip": median["unzip from disk"] / median["unpack from disk"],
        "step unpack / plain download and unzip": median["plain download, then unzip"] / median["step: unpack"],
        "step upload / plain upload": median["plain upload"] / median["step: upload"],
    }
    memory, disk = figures["peak_memory_megabytes"], figures["peak_disk_megabytes"]
    for name, ratio in ratios.items():
        print(f"{name:40s}{ratio:6.2f} of its speed (target {TARGET_RATIO})")
    print(f"{'peak memory of the step':40s}{memory:6.0f} MB (target {TARGET_MEGABYTES:.0f})")
    print(f"{'peak scratch disk of the step':40s}{disk:6.0f} MB (target {TARGET_DISK:.0f})")
    missed = [f"{name} is {ratio:.2f}" for name, ratio in ratios.items() if ratio < TARGET_RATIO]
    missed += [f"peak memory is {memory:.0f} MB"] if memory > TARGET_MEGABYTES else []
    missed += [f"peak disk is {disk:.0f} MB"] if disk > TARGET_DISK else []
    for sentence in missed:
        print(f"Target missed: {sentence}.")
    return missed


@contextmanager
def _empty(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _run_unzip(archive: str, scratch: str) -> None:
    subprocess.run(["unzip", "-q", archive, "-d", scratch], check=True)  # noqa: S607


def _unzip(environment: Environment, scratch: str) -> float:
    return _timed(lambda: _run_unzip(environment[_ZIP], scratch))


def _unpack(environment: Environment, scratch: str) -> float:
    from shared.adapters.unpack import unpack

    with Path(environment[_ZIP]).open("rb") as archive:
        return _timed(lambda: unpack(archive, L1C, Path(scratch)))


def _put(environment: Environment, _what: str) -> None:
    """Put the zip where `_step` and the plain download find it."""
    from shared.settings import Settings
    from shared.wiring import services

    services(Settings.from_env(environment)).store.upload(_KEPT, Path(environment[_ZIP]))


def _download_and_unzip(environment: Environment, scratch: str) -> float:
    """Seconds of the SDK's plain download to a file, and of unzip."""
    from azure.storage.blob import BlobServiceClient

    target = Path(scratch) / "product.zip"
    with BlobServiceClient.from_connection_string(environment[STORAGE]) as service:
        blob = service.get_blob_client(_KEPT.container, _KEPT.name)

        def work() -> None:
            with target.open("wb") as file:
                blob.download_blob().readinto(file)
            _run_unzip(str(target), scratch)
            target.unlink()

        return _timed(work)


def _upload(environment: Environment, _scratch: str) -> float:
    """Seconds of the SDK's plain upload, file by file."""
    from azure.storage.blob import BlobServiceClient

    folder = Path(environment[_FOLDER])
    with BlobServiceClient.from_connection_string(environment[STORAGE]) as service:
        container = service.get_container_client("plain")
        if not container.exists():
            container.create_container()

        def work() -> None:
            for path in _files(folder):
                with path.open("rb") as file:
                    container.upload_blob(path.relative_to(folder).as_posix(), file, overwrite=True)

        return _timed(work)


class _Putting:
    """Corrector that puts a finished L2A folder down (by links, so that it takes no time) and notes when."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.began = self.ended = 0.0

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:  # noqa: ARG002
        self.began = time.perf_counter()
        target = work / "l2a" / self._folder.name
        shutil.copytree(self._folder, target, copy_function=os.link)
        self.ended = time.perf_counter()
        return Corrected(target, "benchmark 1")


def _step(environment: Environment, scratch: str) -> dict[str, float]:
    """Run the real step; seconds of its stages, and the most MB that lay in ``scratch``."""
    from shared.adapters.unpack import unpack
    from shared.messages import CorrectionMessage
    from shared.pipeline.correct import correct
    from shared.records import Record
    from shared.settings import Settings
    from shared.wiring import services

    outside = services(Settings.from_env(environment))
    outside.store.copy(_KEPT, staged_zip(L1C))
    outside.ledger.add(Record(partition=L1C.tile.name, name=str(L1C), state=State.STAGED))
    putting = _Putting(Path(environment[_FOLDER]))
    with _watched(Path(scratch)) as most:
        started = time.perf_counter()
        record = correct(
            CorrectionMessage(product=str(L1C)),
            store=outside.store,
            ledger=outside.ledger,
            corrector=putting,
            unpack=unpack,
            scratch=Path(scratch),
            clock=outside.clock,
            on_progress=lambda _: None,
            keep="all",
            resolution=20,
        )
        ended = time.perf_counter()
    if record.state is not State.CORRECTED:
        sys.exit(f"The product was not corrected: {record.reason or record.error}")
    for blob in list(outside.store.list(l2a_folder(L2A))):  # so that the next round has to do it again
        outside.store.delete(blob.path)
    outside.ledger.update(record.partition, record.name, lambda old: replace(old, state=State.STAGED, l2a=""))
    return {"unpack": putting.began - started, "upload": ended - putting.ended, "disk": most() / MEGABYTE}


@contextmanager
def _watched(folder: Path) -> Iterator[Callable[[], float]]:
    """While the block lasts, look how many bytes lie below ``folder``; yields what tells the most."""
    most, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY):
            most[0] = max(most[0], sum(_size(path) for path in folder.rglob("*")))

    looking = threading.Thread(target=look, name="scratch")
    looking.start()
    try:
        yield lambda: most[0]
    finally:
        over.set()
        looking.join()


def _size(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:  # gone since it was listed
        return 0


if __name__ == "__main__":
    main()
