"""``python -m benchmarks``: how long the app takes to index, and what the steps of a small scene cost.

Seconds are medians of several runs on this machine; between machines compare the ratios. What takes minutes has its
own: ``python -m benchmarks.classify`` (a full scene; part of ``make bench``), ``python -m benchmarks.staging``, and
``python -m benchmarks.container`` (unpacking and uploading a full product).
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
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.scenes import build_scene, demo_month
from shared.adapters.folders import FolderMembers
from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.adapters.unpack import unpack
from shared.pipeline.surface import Options, Tools, map_surface
from shared.safe import l2a_files
from shared.science.windows import Window

ROOT = Path(__file__).resolve().parents[1]


def seconds(work: Callable[[], object], runs: int) -> float:
    """Median seconds of ``work`` over ``runs`` runs."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def python(*arguments: str) -> None:
    """Run Python with ``arguments`` in the project; raises where it fails."""
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def decode(members: FolderMembers, rasters: GdalRasters) -> None:
    """Decode the nine bands and two masks of an L2A folder whole, and do nothing else."""
    files = l2a_files(members.names(), 20, str(members.product))
    for name in (*files.bands.values(), files.scl, files.cloud_probability):
        with rasters.open(members.read(name), name) as raster:
            raster.read(Window(0, 0, *raster.shape))


def classify(members: FolderMembers, rasters: GdalRasters) -> None:
    """Classify with all layers, results thrown away."""
    map_surface(
        members,
        members.product,
        load_classifier(),
        tools=Tools(rasters, quicklook),
        options=Options(minimum_usable=0, threads=os.cpu_count() or 1),
        emit=lambda *_: None,
        clock=lambda: datetime.now(UTC),
    )


def steps(folder: Path, runs: int = 3) -> dict[str, float]:
    """Median seconds of each step of one demo scene."""
    spec = demo_month()[0]
    took = {"building a simulated scene, 600 x 600": seconds(lambda: build_scene(spec, folder), runs)}
    with build_scene(spec, folder).zip.open("rb") as archive:
        l1c = unpack(archive, spec.name, folder / "l1c")
    output = folder / "l2a"
    arguments = ("-m", "container.approximate", "--resolution", "20", "--output_dir", str(output), str(l1c))
    took["correcting it approximately"] = seconds(lambda: python(*arguments), 1)
    (safe,) = output.glob("*.SAFE")
    members, rasters = FolderMembers(safe), GdalRasters()
    took["decoding its eleven L2A rasters"] = seconds(lambda: decode(members, rasters), runs)
    took["classifying it, all layers"] = seconds(lambda: classify(members, rasters), runs)
    return took


def main() -> None:
    """Measure and print."""
    rows = {
        "an empty interpreter": seconds(lambda: python("-c", "pass"), 5),
        "indexing the function app": seconds(lambda: python("-c", "import function_app"), 5),
    }
    with tempfile.TemporaryDirectory() as folder:
        rows |= steps(Path(folder))
    table = Table(
        "what", "seconds", title=f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    )
    for what, took in rows.items():
        table.add_row(what, f"{took:.2f}")
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    main()
