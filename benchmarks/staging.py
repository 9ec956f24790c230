"""``python -m benchmarks.staging``: what staging a product costs, beside a bare download and a bare upload.

One product of full size goes from the simulated Copernicus (in a process of its own) to Azurite through the real
step. In the same run curl sends the same bytes to nowhere, and the SDK uploads them from a file; the slower of these
two is what staging is compared with. Memory is the peak of the staging process over that of a bare interpreter.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.measuring import MEGABYTE, SPAWN, in_process
from shared.messages import ChecksumText, ProductMessage
from shared.models import ProductName, State, staged_zip
from shared.settings import STORAGE

TARGET_RATIO, TARGET_MEGABYTES, TARGET_GROWTH = 0.7, 200.0, 25.0


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of moving the product."""

    rounds: tuple[float, ...]  # seconds
    peak: float = 0.0  # MB over a bare interpreter, the most of the rounds

    @property
    def seconds(self) -> float:
        """The median round."""
        return statistics.median(self.rounds)


def main() -> None:
    """Measure and print; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.staging", description="What staging a product costs.")
    parser.add_argument("--megabytes", type=int, default=700, help="size of the product")
    parser.add_argument("--rounds", type=int, default=3, help="how often each way is measured")
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, {asked.rounds} rounds")
    with tempfile.TemporaryDirectory(prefix="icewatch-staging-") as folder:
        small = measured(asked.megabytes // 10, asked.rounds, Path(folder) / "small")
        large = measured(asked.megabytes, asked.rounds, Path(folder) / "large")
    ratio = max(large["curl"].seconds, large["upload"].seconds) / large["stage"].seconds
    for megabytes, ways in ((asked.megabytes // 10, small), (asked.megabytes, large)):
        for way, cost in ways.items():
            peak = f"  peak {cost.peak:.0f} MB over an interpreter" if cost.peak else ""
            rounds = f"({min(cost.rounds):.2f} to {max(cost.rounds):.2f})"
            print(
                f"{megabytes:5d} MB  {way:7s} {cost.seconds:7.2f} s {rounds:18s}"
                f"{megabytes / cost.seconds:6.0f} MB/s{peak}"
            )
    print(f"staging reaches {ratio:.2f} of the slower of curl and upload (target {TARGET_RATIO})")
    grown = large["stage"].peak - small["stage"].peak
    print(f"ten times the product takes {grown:+.0f} MB of memory (target: at most {TARGET_GROWTH} MB more)")
    met = ratio >= TARGET_RATIO and large["stage"].peak <= TARGET_MEGABYTES and grown <= TARGET_GROWTH
    sys.exit(0 if met else 1)


def measured(megabytes: int, rounds: int, folder: Path) -> dict[str, Measured]:
    """Move one product of that size by curl, by the SDK and by the step, in turns."""
    from local.azurite import Azurite

    archive = large_product(megabytes * MEGABYTE, folder)
    with Azurite(folder / "azurite") as azurite, _copernicus(archive) as (environment, product_id):
        environment |= {STORAGE: azurite.connection_string}
        message = _message(archive, product_id).encode()
        ways: dict[str, Callable[[], float]] = {
            "curl": lambda: _curl(environment, product_id),
            "upload": lambda: in_process(_upload, environment, str(archive))[0],
        }
        taken: dict[str, list[float]] = {"curl": [], "upload": [], "stage": []}
        peaks = []
        for _ in range(rounds):
            for way, run in ways.items():
                taken[way].append(run())
            seconds, peak = in_process(_stage, environment, message)
            taken["stage"].append(seconds)
            peaks.append(peak)
    interpreter = in_process(_nothing, {}, "")[1]
    found = {way: Measured(tuple(seconds)) for way, seconds in taken.items()}
    return found | {"stage": Measured(tuple(taken["stage"]), max(peaks) - interpreter)}


def large_product(size: int, folder: Path) -> Path:
    """A simulated product blown up to ``size`` bytes: each band is stored noise, everything else as it was."""
    from local.scenes import SceneSpec, build_scene

    name = ProductName.parse("S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500")
    scene = build_scene(SceneSpec(name, seed=1, size=150, cloud=0.05), folder / "scene")
    target = folder / f"{name.safe}.zip"
    with zipfile.ZipFile(scene.zip) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        bands = [entry for entry in source.infolist() if "/IMG_DATA/" in entry.filename]
        for entry in source.infolist():
            if entry.is_dir():
                continue
            with archive.open(entry.filename, "w") as member:
                if entry in bands:
                    for _ in range(size // len(bands) // MEGABYTE):
                        member.write(os.urandom(MEGABYTE))
                else:
                    member.write(source.read(entry))
    return target


def _message(archive: Path, product_id: str) -> ProductMessage:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    checksum = ChecksumText(algorithm="MD5", value=digest)
    name = archive.name.removesuffix(".SAFE.zip")
    return ProductMessage(product=name, id=product_id, size=archive.stat().st_size, checksums=(checksum,))


@contextmanager
def _copernicus(archive: Path) -> Iterator[tuple[dict[str, str], str]]:
    """A simulated Copernicus in a process of its own that offers ``archive``."""
    here, there = SPAWN.Pipe()
    server = SPAWN.Process(target=_serve, args=(str(archive), there))
    server.start()
    there.close()  # so that the death of the process ends the waiting
    try:
        yield here.recv()
    finally:
        here.send("stop")
        server.join()


def _serve(archive: str, asked: Connection) -> None:
    from local.copernicus import SimulatedCopernicus

    with SimulatedCopernicus() as copernicus:
        product_id = copernicus.publish(Path(archive))
        asked.send((copernicus.environment(), product_id))
        asked.recv()


def _curl(environment: Mapping[str, str], product_id: str) -> float:
    """Seconds that curl takes to send the product to nowhere."""
    import httpx

    form = {
        "client_id": "cdse-public",
        "grant_type": "password",
        "username": environment["COPERNICUS_USER"],
        "password": environment["COPERNICUS_PASSWORD"],
    }
    answer = httpx.post(environment["COPERNICUS_IDENTITY_URL"], data=form, trust_env=False)
    url = f"{environment['COPERNICUS_DOWNLOAD_URL']}/Products({product_id})/$value"
    token = f"Authorization: Bearer {answer.json()['access_token']}"
    started = time.perf_counter()
    subprocess.run(["curl", "-sSfg", "--noproxy", "*", "-o", os.devnull, "-H", token, url], check=True)  # noqa: S607
    return time.perf_counter() - started


def _nothing(_environment: Mapping[str, str], _what: str) -> float:
    return 0.0


def _upload(environment: Mapping[str, str], archive: str) -> float:
    """Seconds that the SDK's plain upload takes."""
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(environment[STORAGE]) as service:
        container = service.get_container_client("plain")
        if not container.exists():
            container.create_container()
        with Path(archive).open("rb") as file:
            started = time.perf_counter()
            container.upload_blob("product.zip", file, overwrite=True)
            return time.perf_counter() - started


def _stage(environment: Mapping[str, str], message: str) -> float:
    """Seconds that the step takes, with the adapters that the function uses."""
    from shared.pipeline.stage import stage
    from shared.settings import Settings
    from shared.wiring import services

    asked = ProductMessage.decode(message)
    outside = services(Settings.from_env(environment))
    name = asked.name()
    started = time.perf_counter()
    stage(
        asked,
        catalogue=outside.catalogue,
        store=outside.store,
        ledger=outside.ledger,
        clock=outside.clock,
        intake=outside.intake,
    )
    seconds = time.perf_counter() - started
    record = outside.ledger.get(name.tile.name, str(name))
    if record is None or record.state is not State.STAGED:
        sys.exit(f"The product was not staged: {record and (record.reason or record.error)}")
    outside.store.delete(staged_zip(name))  # so that the next round has to do it again
    return seconds


if __name__ == "__main__":
    main()
