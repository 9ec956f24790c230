"""``python -m benchmarks.agreement``: how well maps agree with the truth of synthetic scenes, class by class.

A scene is made, corrected by the approximate processor and classified with the shipped model, as the demo does it.
``--noise`` is the spread within the classes as a share of the measured standard deviation: the demo's scenes have 0.75,
1 is full noise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from rich.console import Console

from container.approximate import correct
from local.agreement import Confusion, confusion_of_files, table
from local.scenes import SceneSpec, build_scene
from shared.adapters.folders import FolderMembers
from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.adapters.unpack import unpack
from shared.models import ProductName
from shared.pipeline.surface import Options, Tools, map_surface

NAME = ProductName.parse("S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500")
DEMO_NOISE, FULL_NOISE = 0.75, 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """Scenes to measure on."""

    noise: float  # within the classes, as a share of the measured standard deviation
    size: int = 480  # 20 m pixels a side, a multiple of 3
    cloud: float = 0.05  # share of the tile
    seeds: tuple[int, ...] = (702,)  # a scene of each
    model: Path | None = None  # folder; none: the shipped one

    def measure(self) -> Confusion:
        """Truth and verdicts over all scenes."""
        return sum((self._one(seed) for seed in self.seeds), Confusion.none())

    def _one(self, seed: int) -> Confusion:
        spec = SceneSpec(NAME, seed=seed, size=self.size, cloud=self.cloud, noise=self.noise)
        with tempfile.TemporaryDirectory(prefix="icewatch-agreement-") as scratch:
            work = Path(scratch)
            scene = build_scene(spec, work)
            with scene.zip.open("rb") as archive:
                l1c = unpack(archive, spec.name, work / "l1c")
            with redirect_stdout(StringIO()):  # the lines of progress that Sen2Cor prints
                safe = correct(l1c, work / "l2a", work / "work", 20)
            results = work / "results"
            results.mkdir()
            self._classify(FolderMembers(safe), results)
            return confusion_of_files(results, scene.truth)

    def _classify(self, members: FolderMembers, results: Path) -> None:
        def emit(name: str, data: bytes, _: str) -> None:
            (results / name).write_bytes(data)

        map_surface(
            members,
            members.product,
            load_classifier(self.model) if self.model else load_classifier(),
            tools=Tools(GdalRasters(), quicklook),
            options=Options(minimum_usable=0),
            emit=emit,
            clock=lambda: datetime.now(UTC),
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table per noise, then JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description="How true the maps are.")
    parser.add_argument("--noise", type=float, action="append", help="of the classes; may be given again")
    parser.add_argument("--size", type=int, default=480, help="20 m pixels a side of the scenes, a multiple of 3")
    parser.add_argument("--scenes", type=int, default=1, help="of each noise")
    parser.add_argument("--model", type=Path, help="model folder, in place of the shipped model")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    asked = parser.parse_args(arguments)
    if asked.scenes < 1:
        parser.error("--scenes is at least 1")
    console, figures = Console(width=None if sys.stdout.isatty() else 140), {}
    for noise in asked.noise or (DEMO_NOISE, FULL_NOISE):
        seeds = tuple(702 + number for number in range(asked.scenes))
        found = Case(noise, asked.size, seeds=seeds, model=asked.model).measure()
        title = f"noise {noise:g}{' (full)' if noise == FULL_NOISE else ''}: {found.percent:.1f} % agree"
        console.print(table(found, title))
        figures[f"{noise:g}"] = found.as_json()
    print(json.dumps(figures))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
