"""``python -m benchmarks.classify``: what classifying a full scene costs, beside decoding it and the plain way.

    a   decoding the eleven images and nothing else, the better of two ways of using the threads
    b   this project: all layers as Cloud-Optimized GeoTIFFs, quicklook, summary, STAC Item
    c   the whole scene in memory: xarray, scikit-learn, a compressed NetCDF

All run in turns, each in a process of its own, so that a busy machine slows them alike; seconds are medians.
GB are decimal.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.classify_ways import NOTES, Case, Cost
from local.bench_scene import bench_scene
from local.scenes.spec import FULL_SIZE

FOLDER = Path(".icewatch") / "bench"
DECODING = ("decode, tiles", "decode, GDAL")


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio of two runs that is to be kept."""

    what: str
    ratio: float
    limit: float
    at_least: bool = False  # otherwise at most

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.ratio >= self.limit if self.at_least else self.ratio <= self.limit


def median(costs: Iterable[Cost]) -> Cost:
    """Medians of the times, and the highest peak."""
    runs = list(costs)
    return Cost(
        statistics.median(one.seconds for one in runs),
        statistics.median(one.cpu for one in runs),
        max(one.peak for one in runs),
    )


def in_turns(cases: dict[str, Case], rounds: int) -> dict[str, Cost]:
    """Measure every case once a round."""
    found: dict[str, list[Cost]] = {label: [] for label in cases}
    for number in range(rounds):
        for label, case in cases.items():
            print(f"round {number + 1} of {rounds}: {label} ...", file=sys.stderr, flush=True)
            cost = case.measure()
            print(f"  {cost.seconds:.1f} s, {cost.cpu:.1f} CPU s, {cost.peak:.0f} MB", file=sys.stderr, flush=True)
            found[label].append(cost)
    return {label: median(costs) for label, costs in found.items()}


def targets(costs: dict[str, Cost]) -> list[Target]:
    """What classification promises, and whether it holds; on two threads."""
    a = min((costs[way] for way in DECODING), key=lambda cost: cost.seconds)
    b, c = costs["classify"], costs.get("whole scene")
    found = [
        Target("b : a, seconds", b.seconds / a.seconds, 1.5),
        Target("80 % masked : a, seconds", costs["80 % masked"].seconds / a.seconds, 0.5),
        Target("rejected : a, seconds", costs["rejected"].seconds / a.seconds, 0.15),
        Target("peak of b, GB", b.peak / 1000, 1.0),
    ]
    if c:
        found.append(Target("c : b, seconds", c.seconds / b.seconds, 2.5, at_least=True))
    return found


def tables(costs: dict[str, Cost], kept: list[Target]) -> list[Table]:
    """What is printed."""
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    a = min(costs[way].seconds for way in DECODING)
    runs = Table("run", "seconds", "to a", "CPU seconds", "peak GB", title=where)
    for label, cost in costs.items():
        name = f"{label} ({NOTES[label]})" if label in NOTES else label
        runs.add_row(
            name, f"{cost.seconds:.1f}", f"{cost.seconds / a:.2f}", f"{cost.cpu:.1f}", f"{cost.peak / 1000:.2f}"
        )
    goals = Table("target", "measured", "limit", "")
    for one in kept:
        bound = f"{'>=' if one.at_least else '<='} {one.limit:g}"
        goals.add_row(one.what, f"{one.ratio:.2f}", bound, "met" if one.met else "MISSED")
    return [runs, goals]


def main() -> None:
    """Measure and print; exit 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classify", description="What classifying costs.")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the scene is kept")
    parser.add_argument("--size", type=int, default=FULL_SIZE, help="20 m pixels a side of the scene")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is measured")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of all runs but the scaling")
    parser.add_argument("--without", choices=["whole scene", "scaling"], action="append", default=[], help="leave out")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    asked = parser.parse_args()
    if asked.rounds < 1 or asked.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    print("the scene is made first where it is missing; that takes minutes", file=sys.stderr)
    safe = bench_scene(asked.folder, asked.size)
    ways = (*DECODING, "classify", "80 % masked", "80 % masked, scattered", "rejected", "whole scene")
    cases = {way: Case(way, safe, asked.threads) for way in ways if way not in asked.without}
    costs = in_turns(cases, asked.rounds)
    kept = targets(costs)
    if "scaling" not in asked.without:
        grid = [(threads, window) for threads in (1, 2) for window in (640, 1280)]
        costs |= in_turns({f"classify, {t} threads, {w} px": Case("classify", safe, t, w) for t, w in grid}, 1)
    console = Console(width=None if sys.stdout.isatty() else 100)
    for table in tables(costs, kept):
        console.print(table)
    figures = {
        "runs": {label: asdict(cost) for label, cost in costs.items()},
        "targets": [asdict(one) | {"met": one.met} for one in kept],
    }
    print(json.dumps(figures))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2))
    sys.exit(0 if all(one.met for one in kept) else 1)


if __name__ == "__main__":
    main()
