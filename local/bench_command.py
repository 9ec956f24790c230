"""``python -m local bench``: what a tile costs on this machine; for choosing the size of an instance."""

from __future__ import annotations

import os
import platform
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from local.scenes.spec import FULL_SIZE
from local.session import FOLDER

SMALL = 1500  # pixels a side: seconds to classify, under a minute to make
_GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class Measured:
    """One classification of a scene, results thrown away."""

    pixels: int
    seconds: float

    @property
    def pixels_per_second(self) -> float:
        """Pixels of the scene, whether classified or masked."""
        return self.pixels / self.seconds

    @property
    def tile_seconds(self) -> float:
        """For a full tile at 20 m, if all of it goes as fast."""
        return FULL_SIZE**2 / self.pixels_per_second

    def tile_price(self, hourly: float) -> float:
        """For a full tile, in the currency of ``hourly``, the price of an hour of this machine."""
        return self.tile_seconds / 3600 * hourly


def bench(
    price: Annotated[
        float | None, typer.Option(min=0, help="What an hour of this machine costs, any currency.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="A full tile; making it takes minutes, once.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; by default one per core.")] = None,
    folder: Annotated[Path, typer.Option("--folder", help="Where the scene is kept.")] = FOLDER / "bench",
) -> None:
    """Measure how fast this machine classifies, and what a tile costs."""
    from local.bench_scene import bench_scene

    with Progress(console=Console(stderr=True), transient=True) as bar:
        bar.add_task("making the scene, where it is not kept", total=None)
        size, used = FULL_SIZE if full else SMALL, threads or os.cpu_count() or 1
        safe = bench_scene(folder, size)
        bar.add_task("classifying it", total=None)
        measured = Measured(size**2, measure(safe, used))
    Console(width=None if sys.stdout.isatty() else 100).print(_table(measured, used, price))


def measure(safe: Path, threads: int) -> float:
    """Seconds to classify the L2A folder ``safe``; the model and compiled code are ready before the clock starts."""
    from shared.adapters.folders import FolderMembers
    from shared.adapters.models import load_classifier
    from shared.adapters.quicklook import quicklook
    from shared.adapters.rasters import GdalRasters
    from shared.pipeline.surface import Options, Tools, map_surface
    from shared.science.reflectance import Radiometry

    classifier, members = load_classifier(), FolderMembers(safe)
    classifier.voter(Radiometry((0,) * len(classifier.bands), 10000.0, 0, 65535))
    started = time.perf_counter()
    map_surface(
        members,
        members.product,
        classifier,
        tools=Tools(GdalRasters(), quicklook),
        options=Options(minimum_usable=0, threads=threads),
        emit=lambda *_: None,
        clock=lambda: datetime.now(UTC),
    )
    return time.perf_counter() - started


def _table(measured: Measured, threads: int, price: float | None) -> Table:
    table = Table(show_header=False, title="Classifying on this machine")
    table.add_row("machine", f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}")
    table.add_row("cores", f"{os.cpu_count()}, {threads} used")
    table.add_row("memory", _memory())
    table.add_row("scene", f"{measured.pixels / 1e6:.1f} million pixels in {measured.seconds:.1f} s")
    table.add_row("speed", f"{measured.pixels_per_second / 1e6:.2f} million pixels per second")
    table.add_row("a full tile", f"{measured.tile_seconds:.0f} s")
    if price is not None:
        table.add_row("cost of a tile", f"{measured.tile_price(price):.5f} at {price:g} an hour")
    return table


def _memory() -> str:
    """What this process held at the most, and what the machine has."""
    try:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ImportError, ValueError, OSError):  # Windows says neither this way
        return "not known on this system"
    return f"{peak / _GIGABYTE:.2f} GB used at the most, of {whole / _GIGABYTE:.1f} GB"
