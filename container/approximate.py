"""A simple atmospheric correction with Sen2Cor's command line, for demo, tests and machines without Sen2Cor.

    python -m container.approximate --resolution 20 --output_dir DIR --work_dir DIR S2A_MSIL1C_....SAFE

It inverts the atmosphere of ``shared.science.atmosphere`` with one fixed aerosol for the whole tile, over flat
ground at sea level. It finds low clouds by simple tests. Its products say so: L2A_PROCESSOR in MTD_MSIL2A.xml.
For science use Sen2Cor.

Prints Sen2Cor's progress lines; exit 0 and ``Application terminated successfully.``, or exit 1 and ``... with at
least one error.`` after one sentence on what was wrong. The product appears under its name only when complete.
Bands are read and written by strips of whole rows; of the whole tile only a few 60 m layers are held (13 MB each).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from container.approximate_clouds import Scl, Sky, scene_classes, sky, snow_probability
from container.approximate_folder import ManifestFacts, write_manifest
from container.approximate_input import L1C, STRIP_METRES, open_l1c
from container.approximate_metadata import (
    AEROSOL_QUANTIFICATION,
    OFFSET,
    PROCESSOR,
    QUANTIFICATION,
    VAPOUR_QUANTIFICATION,
    L2AName,
    product_xml,
    tile_xml,
)
from container.approximate_rasters import lay_down, mean_of_blocks, strips, to_jp2
from shared.errors import BadSetting, IceWatchError
from shared.safe import ICE_BANDS, NATIVE_METRES
from shared.science.atmosphere import atmosphere

AEROSOL = 0.06  # optical depth at 550 nm: clean air, assumed; nothing in the scene is asked
WATER_VAPOUR = 0.8  # cm, assumed
_SKY_BANDS = ("B03", "B8A", "B10", "B11")
_CLASS_BANDS = ("B03", "B04", "B8A", "B11")
_WORKERS = 2  # bands at once
_LARGEST = 65534

Pixels = NDArray[np.float32]


@dataclass(slots=True)
class _Job:
    """One run: where it works, what it has found so far."""

    l1c: L1C
    name: L2AName
    metres: int
    safe: Path  # the product under its temporary name
    work: Path
    started: float = field(default_factory=time.monotonic)
    toa60: dict[str, Pixels] = field(default_factory=dict)
    saturated: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    counts: Counter[int] = field(default_factory=Counter)

    @property
    def bands(self) -> tuple[str, ...]:
        return ICE_BANDS if self.metres == 20 else ("B01", *ICE_BANDS[:7], "B09", *ICE_BANDS[7:])

    def staged(self, layer: str) -> Path:
        return self.work / f"{layer}.tif"

    def progress(self, percent: float, what: str) -> None:
        _say(f"Progress[%]: {percent:.2f} : {what}, elapsed time[s]: {time.monotonic() - self.started:.3f}")


def correct(folder: Path, output: Path, work: Path, metres: int) -> Path:
    """Correct the L1C SAFE ``folder`` into ``output`` at 20 or 60 ``metres``; return the L2A folder.

    Raises BadName or BadProduct where the input is not a whole L1C product.
    """
    l1c = open_l1c(folder)
    name = L2AName(l1c, datetime.now(UTC))
    for place in (output, work):
        place.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".approximate-", dir=work) as scratch,
        tempfile.TemporaryDirectory(prefix=".approximate-", dir=output) as hidden,
    ):
        job = _Job(l1c, name, metres, Path(hidden) / name.product.safe, Path(scratch))
        job.progress(0, f"{PROCESSOR} of {l1c.name}")
        _make_folders(job)
        _correct_bands(job)
        _classify_scene(job)
        _encode(job)
        _write_metadata(job)
        return job.safe.rename(output / name.product.safe)


def _make_folders(job: _Job) -> None:
    granule = f"GRANULE/{job.name.granule}"
    for part in ("AUX_DATA", "HTML", "rep_info", "DATASTRIP", f"{granule}/AUX_DATA", f"{granule}/QI_DATA"):
        (job.safe / part).mkdir(parents=True)
    (job.safe / granule / "IMG_DATA" / f"R{job.metres}m").mkdir(parents=True)


def _correct_bands(job: _Job) -> None:
    wanted = sorted({*job.bands, *_SKY_BANDS})
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for done, band in enumerate(pool.map(lambda band: _correct_band(job, band), wanted), 1):
            job.progress(60 * done / len(wanted), f"band {band} corrected")


def _correct_band(job: _Job, band: str) -> str:
    """Invert one band by strips, keep its 60 m layer where the cloud tests need it."""
    factor, factor60 = max(job.metres // NATIVE_METRES[band], 1), 60 // NATIVE_METRES[band]
    coarse, flags = [], []
    with ExitStack() as stack:
        output = None
        if band in job.bands:
            output = stack.enter_context(lay_down(job.staged(band), job.l1c.grid(job.metres), "uint16"))
            air = atmosphere(band, job.l1c.tile.sun_zenith, aerosol=AEROSOL, water_vapour=WATER_VAPOUR)
        start = 0
        for rows in job.l1c.read(band):
            flags.append(mean_of_blocks(rows.saturated.astype(np.float32), factor60) > 0)
            if band in _SKY_BANDS:
                coarse.append(mean_of_blocks(rows.reflectance, factor60))
            if output is not None:
                numbers = _digitise(mean_of_blocks(air.surface(rows.reflectance), factor))
                output.write(slice(start, start + numbers.shape[0]), numbers)
                start += numbers.shape[0]
    job.saturated[band] = np.concatenate(flags)
    if coarse:
        job.toa60[band] = np.concatenate(coarse)
    return band


def _digitise(surface: Pixels) -> NDArray[np.uint16]:
    numbers = np.clip(np.rint(surface * QUANTIFICATION) - OFFSET, 1, _LARGEST)
    return np.where(np.isnan(surface), 0, numbers).astype(np.uint16)


def _classify_scene(job: _Job) -> None:
    """Write scene classification, probabilities, aerosol and water vapour, strip by strip."""
    import rasterio

    tile, grid = job.l1c.tile, job.l1c.grid(job.metres)
    over = sky(job.toa60, sun_zenith=tile.sun_zenith, sun_azimuth=tile.sun_azimuth)
    saturated = np.logical_or.reduce([job.saturated[band] for band in job.bands])
    job.progress(65, "clouds and shadows found")
    with ExitStack() as stack:
        bands = {band: stack.enter_context(rasterio.open(job.staged(band))) for band in _CLASS_BANDS}
        files = {
            layer: stack.enter_context(lay_down(job.staged(layer), grid, dtype))
            for layer, dtype in (
                ("SCL", "uint8"), ("CLDPRB", "uint8"), ("SNWPRB", "uint8"), ("AOT", "uint16"), ("WVP", "uint16"),
            )
        }  # fmt: skip
        for rows in strips(grid.rows, STRIP_METRES // job.metres):
            layers = _scene_strip(job, bands, over, saturated, rows)
            for layer, pixels in layers.items():
                files[layer].write(rows, pixels)
            job.counts.update(dict(enumerate(np.bincount(layers["SCL"].ravel(), minlength=12).tolist())))


def _scene_strip(
    job: _Job, bands: dict[str, object], over: Sky, saturated: NDArray[np.bool_], rows: slice
) -> dict[str, NDArray[np.uint8] | NDArray[np.uint16]]:
    from rasterio.windows import Window

    finer = 60 // job.metres
    window = Window(0, rows.start, job.l1c.grid(job.metres).columns, rows.stop - rows.start)
    numbers = {band: dataset.read(1, window=window) for band, dataset in bands.items()}  # type: ignore[attr-defined]
    surface = {band: (dn.astype(np.float32) + OFFSET) / np.float32(QUANTIFICATION) for band, dn in numbers.items()}
    nodata = np.logical_or.reduce([dn == 0 for dn in numbers.values()])
    coarse = slice(rows.start // finer, -(-rows.stop // finer))

    def spread(layer: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.repeat(np.repeat(layer[coarse], finer, axis=0), finer, axis=1)

    here = Sky(*(spread(layer) for layer in (over.probability, over.cirrus, over.shadow)))  # type: ignore[arg-type]
    classes = scene_classes(surface, here, nodata=nodata, saturated=spread(saturated))  # type: ignore[arg-type]
    data = ~nodata
    return {
        "SCL": classes,
        "CLDPRB": np.where(data, here.probability, 0).astype(np.uint8),
        "SNWPRB": np.where(data, snow_probability(surface, here), 0).astype(np.uint8),
        "AOT": np.where(data, AEROSOL * AEROSOL_QUANTIFICATION, 0).astype(np.uint16),
        "WVP": np.where(data, WATER_VAPOUR * VAPOUR_QUANTIFICATION, 0).astype(np.uint16),
    }


def _encode(job: _Job) -> None:
    images = {layer: job.name.image(layer, job.metres) for layer in (*job.bands, "SCL", "AOT", "WVP")}
    masks = {kind: job.name.mask(kind, job.metres) for kind in ("CLDPRB", "SNWPRB")}

    def encode(layer: str, target: str) -> str:
        to_jp2(job.staged(layer), job.safe / f"{target}.jp2", metres=job.metres)
        return layer

    whole = images | masks
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for done, layer in enumerate(pool.map(encode, whole.keys(), whole.values()), 1):
            job.progress(65 + 30 * done / len(whole), f"{layer} written")


def _write_metadata(job: _Job) -> None:
    name = job.name
    images = [name.image(layer, job.metres) for layer in (*job.bands, "SCL", "AOT", "WVP")]
    (job.safe / "MTD_MSIL2A.xml").write_text(product_xml(name, images, job.counts), encoding="utf-8")
    tile = job.safe / "GRANULE" / name.granule / "MTD_TL.xml"
    tile.write_text(tile_xml(name, job.counts), encoding="utf-8")
    facts = ManifestFacts(
        product=name.product,
        start=f"{name.product.sensing:%Y-%m-%dT%H:%M:%S}.024Z",
        orbit=0,
        footprint="",
        made=f"{name.made:%Y-%m-%dT%H:%M:%S}.000000Z",
        maker=PROCESSOR,
    )
    write_manifest(job.safe, facts)
    job.progress(99, f"{name.product.safe} with {100 - _percent(job, Scl.NODATA):.1f} % data")


def _percent(job: _Job, code: Scl) -> float:
    return 100 * job.counts[code] / max(sum(job.counts.values()), 1)


def _say(line: str) -> None:
    """Write a line of the log at once: whoever started the correction takes each as a sign of life."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class _Parser(argparse.ArgumentParser):
    """Reports bad usage the way every other mistake is reported."""

    def error(self, message: str) -> NoReturn:
        raise BadSetting(f"The command line does not parse: {message}.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m container.approximate", description=PROCESSOR, allow_abbrev=False)
    parser.add_argument("input_dir", type=Path, help="the L1C SAFE folder")
    parser.add_argument("--resolution", type=int, choices=(20, 60), default=20)
    parser.add_argument("--output_dir", type=Path, help="where the L2A folder goes; beside the input by default")
    parser.add_argument("--work_dir", type=Path, help="for work files; the output folder by default")
    for setting in _SENTINEL_SETTINGS:  # change how Sen2Cor works, not what comes out
        parser.add_argument(f"--{setting}", help="accepted for Sen2Cor's sake, not used")
    parser.add_argument("--debug", action="store_true", help="accepted for Sen2Cor's sake, not used")
    return parser


_SENTINEL_SETTINGS = (
    "GIP_L2A", "GIP_L2A_SC", "GIP_L2A_AC", "GIP_L2A_PB", "img_database_dir", "res_database_dir",
    "processing_centre", "archiving_centre", "processing_baseline",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with Sen2Cor's arguments; return the exit code."""
    try:
        options = _parser().parse_args(arguments)
        output = options.output_dir or options.input_dir.absolute().parent
        correct(options.input_dir.absolute(), output, options.work_dir or output, options.resolution)
    except (IceWatchError, OSError) as error:
        _say(" ".join(str(error).split()))
        _say("Progress[%]: 100.00 : Application terminated with at least one error.")
        return 1
    _say("Progress[%]: 100.00 : Application terminated successfully.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
