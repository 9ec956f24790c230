"""``python -m benchmarks.api``: how fast the API answers with 5,000 products in the ledger, and under load.

The ledger lies in Azurite; the app runs in this process as the one-machine host runs it. Medians are of single
requests after the first: with nothing kept, as each round begins with a change, and again, as most readers get them.

Under load 20 readers, in a process of their own, ask for all views while a writer in the app's process moves products
on as the pipeline does; its speed is compared with that of the same work without readers, in turns. What a request
costs is told apart in seconds of processor time: of the app, of the storage emulator, and of the readers themselves.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import platform
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from shared.models import ProductName, State, Tile
from shared.pipeline.surface_results import VERSION
from shared.ports import Ledger
from shared.records import Record
from shared.science.classes import SurfaceClass

TILES = ("22WEV", "22WEU", "22WDV", "22WEA", "22WFV")
TARGETS = {  # path -> milliseconds at the median
    "/api/tiles": 300,
    "/api/tiles/22WEV/calendar?year=2021": 300,
    "/api/products": 100,
    "/api/products?state=FAILED&reason=damaged": 100,
    "/": 300,
    "/tiles/22WEV/calendar?year=2021": 300,
}
READERS = 20
PAUSE = 4.0  # seconds for which a person reads what came before asking for more
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # unused over HTTP, and cheap to make, unlike the usual one
_SPAWN = multiprocessing.get_context("spawn")
MOST_SLOWDOWN = 1.5  # of the pipeline's writes while 20 readers share the cores with it and with the storage emulator
SETTLED = 35.0  # seconds after which no row counts as just written
TURNS = 3  # of writing alone and writing beside readers


@dataclass(frozen=True, slots=True)
class Read:
    """What the readers saw of one span."""

    taken: list[float]  # seconds of each request
    failures: int
    processor: float  # seconds that the readers themselves used


@dataclass(frozen=True, slots=True)
class Load:
    """What happened under load."""

    reads: list[Read]
    slowdown: float  # of the writer, by the readers
    app: float  # seconds of processor time per request, with no writer beside
    emulator: float  # the same of the storage emulator

    @property
    def taken(self) -> list[float]:
        """Seconds of each request beside the writer."""
        return [one for read in self.reads for one in read.taken]


def records(count: int) -> list[Record]:
    """Rows as a few years leave them, of five tiles and in all states."""
    first, states = datetime(2019, 1, 1, 15, 9, 11, tzinfo=UTC), [*State, *[State.CLASSIFIED] * 8]
    return [_row(first + timedelta(hours=9 * n), TILES[n % len(TILES)], states[n % len(states)]) for n in range(count)]


def _row(sensing: datetime, tile: str, state: State) -> Record:
    stamp = f"{sensing:%Y%m%dT%H%M%S}"
    name = ProductName.parse(f"S2A_MSIL1C_{stamp}_N0511_R025_T{tile}_{stamp}")
    steps = ("published", "discover", "stage", "correct", "classify")
    reasons = {State.FAILED: f"MTD_TL.xml of {name} is damaged.", State.REJECTED: "Only 12.5 % of the tile is usable."}
    done = state is State.CLASSIFIED
    shares = {surface.short: 100 / len(SurfaceClass) for surface in SurfaceClass} if done else {}
    return Record.of(
        name,
        state,
        times={step: sensing + timedelta(hours=2 + hours) for hours, step in enumerate(steps)},
        reason=reasons.get(state, ""),
        id="0ee5de89-fadb-496b-b295-82fb9ae110c5",
        bytes=700_000_000,
        checksum="MD5:ef0e036af119acf95a8d79c0a27aa1d7",
        processor="Sen2Cor 02.12.03",
        seconds={"stage": 61.0, "correct": 1400.0, "classify": 40.0},
        class_percent=shares,
        class_km2=shares,
        albedo_mean=0.43 if done else None,
        model=f"ice_surface {VERSION}" if done else "",
    )


def fill(ledger: Ledger, rows: list[Record]) -> None:
    """Write ``rows`` into the ledger."""
    ledger.add(rows[0])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ledger.add, rows[1:]))


def median(client: httpx.Client, path: str, rounds: int, prepare: Callable[[], object] = lambda: None) -> float:
    """Median seconds of one request, each after ``prepare``; raises where the app does not answer well."""
    taken = []
    for _ in range(rounds):
        prepare()
        taken.append(_timed(lambda: client.get(path).raise_for_status()))
    return statistics.median(taken)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def load(address: str, ledger: Ledger, seconds: float) -> Load:
    """Let the readers in while products are moved on, in turns with no readers; each turn takes ``seconds``."""
    reads, slowdowns = [], []
    with _SPAWN.Pool(1, initializer=_ready) as pool:  # people's browsers take no time of this process
        pool.apply(_read_all, (address, 0.1))  # it has begun, and loaded what it needs
        for _ in range(TURNS):
            alone = _writes(ledger, seconds)
            reading = pool.apply_async(_read_all, (address, seconds))
            together = _writes(ledger, seconds)
            reads.append(reading.get(timeout=seconds + 120))
            slowdowns.append(alone / together)
        app, emulator = time.process_time(), _emulator_seconds()
        calm = pool.apply(_read_all, (address, seconds))
        app, emulator = time.process_time() - app, _emulator_seconds() - emulator
    count = len(calm.taken)
    return Load(reads, statistics.median(slowdowns), app / count, emulator / count)


def _ready() -> None:
    """Have nothing of the readers' own start fall into a measurement."""
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _emulator_seconds() -> float:
    """Seconds of processor time that the storage emulator, a child of this process, has used (proc(5))."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            name, _, rest = stat.read_text(encoding="utf-8", errors="replace").partition("(")[2].rpartition(")")
            fields = rest.split()
            if name.startswith("node") and int(fields[1]) == os.getpid():
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _read_all(address: str, seconds: float) -> Read:
    """Let all readers in for some seconds."""
    began = time.process_time()
    with ThreadPoolExecutor(READERS) as pool:
        seen = list(pool.map(lambda number: _read(address, number, seconds), range(READERS)))
    taken = [one for took, _ in seen for one in took]
    return Read(taken, sum(failed for _, failed in seen), time.process_time() - began)


def _read(address: str, number: int, seconds: float) -> tuple[list[float], int]:
    paths, taken, failed = list(TARGETS), [], 0
    deadline = time.perf_counter() + seconds
    with httpx.Client(base_url=address, timeout=60, trust_env=False, verify=_NO_TLS) as client:
        time.sleep(min(PAUSE * number / READERS, seconds))
        while time.perf_counter() < deadline:
            number += 1
            began = time.perf_counter()
            try:
                client.get(paths[number % len(paths)]).raise_for_status()
            except httpx.HTTPError:
                failed += 1
            taken.append(time.perf_counter() - began)
            time.sleep(PAUSE)
    return taken, failed


def _writes(ledger: Ledger, seconds: float) -> float:
    """Products moved on in a second, as a step moves them."""
    names = [record.name for record in ledger.records(TILES[0])][:200]
    count, deadline = 0, time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        ledger.update(Tile(TILES[0]).name, names[count % len(names)], lambda old: replace(old, error="", note="moved"))
        count += 1
    return count / seconds


def main() -> None:
    """Measure and print; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description="How fast the API answers.")
    parser.add_argument("--products", type=int, default=5000, help="rows of the ledger")
    parser.add_argument("--rounds", type=int, default=15, help="requests of each kind")
    parser.add_argument("--seconds", type=float, default=10, help="of load")
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, {asked.products} products")
    with tempfile.TemporaryDirectory(prefix="icewatch-api-") as folder:
        met = _measure(asked, Path(folder))
    sys.exit(0 if met else 1)


def _measure(asked: argparse.Namespace, folder: Path) -> bool:
    from functions.api.snapshot import forget
    from local.host import Host
    from shared.wiring import services

    never = {"SCHEDULE": "0 0 0 1 1 *", "WATCH_SCHEDULE": "0 0 0 1 1 *"}
    with Host(settings=never, folder=folder, workers=0) as host:
        ledger = services().ledger
        print(f"filling the ledger took {_timed(lambda: fill(ledger, records(asked.products))):.1f} s")
        time.sleep(SETTLED)
        with httpx.Client(base_url=host.http_address, timeout=60, trust_env=False) as client:
            print(f"the first answer takes {_timed(lambda: client.get('/api/tiles')):.2f} s")
            met = True
            print("after a change; again (milliseconds)")
            for path, target in TARGETS.items():
                made, again = (1000 * median(client, path, asked.rounds, before) for before in (forget, lambda: None))
                met &= made <= target
                print(f"{made:7.0f} {again:5.0f} (target {target})  {path}")
        seen = load(host.http_address, ledger, asked.seconds)
        services().close()
    failures, count = sum(read.failures for read in seen.reads), len(seen.taken)
    own = sum(read.processor for read in seen.reads) / count
    middle = 1000 * statistics.median(seen.taken)
    print(f"{READERS} readers: {count} requests, {failures} failed, median {middle:.0f} ms;")
    print(f"processor time of a request: app {1000 * seen.app:.1f} ms, emulator {1000 * seen.emulator:.1f} ms,")
    print(f"the reader itself {1000 * own:.1f} ms;")
    print(f"the writer beside them took {seen.slowdown:.2f} times as long (target: at most {MOST_SLOWDOWN})")
    return met and not failures and seen.slowdown <= MOST_SLOWDOWN


if __name__ == "__main__":
    main()
