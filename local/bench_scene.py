"""A corrected scene to measure on: made once by the scene builder and the approximate correction, then kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from local.scenes import SceneSpec, build_scene
from shared.adapters.unpack import unpack
from shared.errors import BadProduct
from shared.models import ProductName
from shared.science.windows import Grid

NAME = ProductName.parse("S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500")
ROOT = Path(__file__).resolve().parents[1]


def bench_scene(folder: Path, size: int) -> Path:
    """The L2A folder of a scene with few clouds, ``size`` 20 m pixels a side (a multiple of 3; 5490 is a full tile).

    Its eleven images are lossless JPEG 2000 in tiles of 640 pixels, as Sentinel-2's are. Made in ``folder`` where it
    is not there yet: minutes, and 3 GB of disk meanwhile, at full size. Raises BadProduct where that fails.
    """
    home = folder / f"scene-{size}"
    if not home.exists():
        _make(home, SceneSpec(NAME, seed=702, size=size, cloud=0.05))
    (safe,) = home.glob("*.SAFE")
    return safe


def _make(home: Path, spec: SceneSpec) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scene-", dir=home.parent) as scratch:
        work = Path(scratch)
        with build_scene(spec, work).zip.open("rb") as archive:
            l1c = unpack(archive, spec.name, work / "l1c")
        command = ("-m", "container.approximate", "--resolution", "20", "--output_dir", str(work / "l2a"), str(l1c))
        done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BadProduct(f"The scene to measure on could not be made: {done.stdout.strip()[-200:]}")
        shutil.move(work / "l2a", home)  # appears complete or not at all


@dataclass(frozen=True, slots=True)
class WesternIce:
    """An ice mask (the IceMask port) that ends at a slanted line, as an ice margin or the edge of a swath does."""

    share: float  # of the tile that is ice, 0-1
    name: str = "western part"

    def on(self, grid: Grid) -> npt.NDArray[np.bool_]:
        """True on ice, (rows, columns)."""
        lean = 0.1 * (np.arange(grid.rows) / grid.rows - 0.5)
        edge = (self.share + lean) * grid.columns
        return np.asarray(np.arange(grid.columns)[np.newaxis, :] < edge[:, np.newaxis])


@dataclass(frozen=True, slots=True)
class ScatteredIce:
    """An ice mask (the IceMask port) in patches far smaller than a block of an image, as holes in broken cloud are."""

    share: float  # of the tile that is ice, 0-1
    name: str = "patches"
    side: int = 64  # pixels, of a patch

    def on(self, grid: Grid) -> npt.NDArray[np.bool_]:
        """True on ice, (rows, columns)."""
        patches = -(-grid.rows // self.side), -(-grid.columns // self.side)
        chosen = np.random.default_rng(0).random(patches) < self.share
        wide = np.repeat(np.repeat(chosen, self.side, axis=0), self.side, axis=1)
        return np.asarray(wide[: grid.rows, : grid.columns])
