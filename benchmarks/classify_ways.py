"""The ways of getting through a scene that `benchmarks.classify` compares, each run in a process of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measuring import in_process
from local.bench_scene import ScatteredIce, WesternIce
from shared.adapters.folders import FolderMembers, ResultFolder
from shared.safe import ICE_BANDS, l2a_files, parse_product_metadata


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took."""

    seconds: float  # by the clock
    cpu: float  # seconds of all cores together
    peak: float  # decimal MB held by the process, at the most


@dataclass(frozen=True, slots=True)
class Case:
    """What is run, and how."""

    way: str  # a key of WAYS
    safe: Path
    threads: int
    window: int = 640  # pixels

    def measure(self) -> Cost:
        """Run it in a fresh process; RuntimeError where that dies."""
        (seconds, cpu), peak = in_process(_timed, self)
        return Cost(seconds, cpu, peak)


def _timed(case: Case) -> tuple[float, float]:
    """Seconds by the clock and of all cores together."""
    work = WAYS[case.way](case)  # imports, the model and compiled code are ready before the clock starts
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def _images(safe: Path) -> list[Path]:
    """The nine bands, scene classification and cloud probability."""
    files = l2a_files(FolderMembers(safe).names(), 20, safe.name)
    return [safe / name for name in (*files.bands.values(), files.scl, files.cloud_probability)]


def _decode_by_tiles(case: Case) -> Callable[[], object]:
    """Every tile on one of the threads, each thread with its own handle of the file."""
    from shared.adapters.rasters import GdalRasters
    from shared.science.windows import Window, windows

    rasters = GdalRasters()

    def rows(image: Path, part: int) -> None:
        with rasters.open(image.read_bytes(), image.name) as raster:
            for number, window in enumerate(windows(raster.shape, raster.block)):
                if number % case.threads == part:
                    raster.read(Window(window.row, window.column, window.height, window.width))

    def work() -> None:
        with ThreadPoolExecutor(case.threads) as pool:
            jobs = [pool.submit(rows, image, part) for image in _images(case.safe) for part in range(case.threads)]
            for job in jobs:
                job.result()

    return work


def _decode_by_gdal(case: Case) -> Callable[[], object]:
    """File after file as a whole, GDAL's own threads."""
    import rasterio

    def work() -> None:
        with rasterio.Env(GDAL_NUM_THREADS=str(case.threads)):
            for image in _images(case.safe):
                with rasterio.open(image) as dataset:
                    dataset.read(1)

    return work


def _classify(case: Case, **chosen: Any) -> Callable[[], object]:
    """This project, all layers, written to disk."""
    from shared.adapters.models import load_classifier
    from shared.adapters.quicklook import quicklook
    from shared.adapters.rasters import GdalRasters
    from shared.pipeline.surface import Options, Tools, map_surface
    from shared.science.reflectance import Radiometry

    classifier, members = load_classifier(), FolderMembers(case.safe)
    classifier.voter(Radiometry((0,) * len(classifier.bands), 10000.0, 0, 65535))
    usual = {"minimum_usable": 0.0, "threads": case.threads, "window": case.window}

    def work() -> None:
        out = Path(tempfile.mkdtemp(prefix="icewatch-bench-"))
        try:
            map_surface(
                members,
                members.product,
                classifier,
                tools=Tools(GdalRasters(), quicklook),
                options=Options(**(usual | chosen)),
                emit=ResultFolder(out, str(members.product)).emit,
                clock=lambda: datetime.now(UTC),
            )
        finally:
            shutil.rmtree(out)

    return work


def _whole_scene(case: Case) -> Callable[[], object]:
    """What a notebook does: all of it in memory, scikit-learn's predict on all cores, a compressed NetCDF."""
    import numpy as np
    import rasterio
    import xarray as xr

    from models.recipe import Recipe, grow
    from models.statistics import read_statistics

    forest = grow(read_statistics(ICE_BANDS), Recipe())
    forest.n_jobs = case.threads
    files = l2a_files(FolderMembers(case.safe).names(), 20, case.safe.name)
    facts = parse_product_metadata((case.safe / files.product_metadata).read_bytes(), files.product_metadata)

    def read(name: str) -> Any:
        with rasterio.Env(GDAL_NUM_THREADS=str(case.threads)), rasterio.open(case.safe / name) as dataset:
            return xr.DataArray(dataset.read(1), dims=("y", "x"))

    def work() -> None:
        bands = xr.concat(
            [(read(files.bands[band]).astype("float32") + facts.offsets[band]) / 10000 for band in ICE_BANDS],
            dim="band",
        ).assign_coords(band=list(ICE_BANDS))
        usable = ~read(files.scl).isin([0, 1, 3, 8, 9, 10]) & (read(files.cloud_probability) < 20)
        spectra = bands.stack(pixel=("y", "x"))[:, usable.values.ravel()].T.values
        classes = np.zeros(usable.shape, np.uint8)
        classes[usable.values] = forest.predict(np.ascontiguousarray(spectra))
        weights = {"B02": 0.356, "B04": 0.130, "B8A": 0.373, "B11": 0.085, "B12": 0.072}
        albedo = sum(weight * bands.sel(band=band) for band, weight in weights.items()) - 0.0018
        index = bands.sel(band="B05") / bands.sel(band="B04")
        result = xr.Dataset({"class": (("y", "x"), classes), "albedo": albedo, "index": index}).drop_vars(
            "band", errors="ignore"
        )
        with tempfile.TemporaryDirectory(prefix="icewatch-bench-") as folder:
            encoding = {name: {"zlib": True, "complevel": 4} for name in result.data_vars}
            result.to_netcdf(Path(folder) / "scene.nc", encoding=encoding)

    return work


WAYS: dict[str, Callable[[Case], Callable[[], object]]] = {
    "decode, tiles": _decode_by_tiles,
    "decode, GDAL": _decode_by_gdal,
    "classify": _classify,
    "80 % masked": lambda case: _classify(case, ice_mask=WesternIce(0.2)),
    "80 % masked, scattered": lambda case: _classify(case, ice_mask=ScatteredIce(0.2)),
    "rejected": lambda case: _classify(case, minimum_usable=100.0),
    "whole scene": _whole_scene,
}
# What the label of a way does not say.
NOTES = {
    "80 % masked": "in one piece beyond a slanted line: most blocks have no usable pixel",
    "80 % masked, scattered": "in pieces smaller than a block: every block has to be decoded",
}
