"""``make bench``: how long the app takes to index, and what each step of a small scene costs.

Seconds are the median of several runs on this machine; compare ratios, not seconds, between machines.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.scenes import build_scene, demo_month
from local.serve import build_scenes
from shared.adapters.folders import FolderMembers
from shared.adapters.rasters import GdalRasters
from shared.safe import l2a_files

ROOT = Path(__file__).resolve().parents[1]
_RUNS = 5


def seconds(work: Callable[[], object], runs: int = _RUNS) -> float:
    """Median seconds of ``work`` over ``runs`` runs."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def run(*arguments: str) -> None:
    """Run Python with ``arguments`` in the project; raises where it fails."""
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def decode(safe: Path) -> None:
    """Decode the bands and masks of an L2A folder and do nothing else."""
    members, rasters = FolderMembers(safe), GdalRasters()
    files = l2a_files(members.names(), 20, safe.name)
    for name in (*files.bands.values(), files.scl, files.cloud_probability):
        with rasters.open(members.read(name), name) as raster:
            raster.read_all() if hasattr(raster, "read_all") else None


def main() -> None:
    """Print the table."""
    console = Console(width=None if sys.stdout.isatty() else 100)
    table = Table("what", "seconds", "of an empty interpreter", title=f"{platform.machine()}, {os.cpu_count()} cores")
    empty = seconds(lambda: run("-c", "pass"))
    rows = {"an empty interpreter": empty, "indexing the function app": seconds(lambda: run("-c", "import function_app"))}
    with tempfile.TemporaryDirectory() as folder:
        spec = demo_month()[0]
        (scene,) = build_scenes([spec], Path(folder), console)
        rows["building a scene of 600 x 600"] = seconds(lambda: build_scene(spec, Path(folder)), 3)
        del scene
    for what, took in rows.items():
        table.add_row(what, f"{took:.2f}", f"{took / empty:.1f} x")
    console.print(table)


if __name__ == "__main__":
    main()
