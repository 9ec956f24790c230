"""Write a synthetic scene as the zip that the Copernicus Data Space would send, and its truth beside it."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from container.approximate_folder import ManifestFacts, write_manifest
from container.approximate_rasters import Grid, lay_down, to_jp2
from local.scenes.extras import write_extras
from local.scenes.identity import Identity, identify
from local.scenes.landscape import METRES, Landscape
from local.scenes.metadata import datastrip_xml, product_xml, tile_xml
from local.scenes.render import render
from local.scenes.spec import Scene, SceneSpec, Truth
from shared.safe import BANDS, NATIVE_METRES

_FIRST_SHA3_BASELINE = 300  # manifests before 03.00 carry MD5
_PREVIEW = 320  # metres per pixel of the preview


def build_scene(spec: SceneSpec, folder: Path) -> Scene:
    """Build ``spec`` in ``folder``: ``<product>.SAFE.zip`` and ``<product>_TRUTH_20m.tif``.

    The same spec gives the same bytes. Both files appear complete or not at all; what exists is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    truth, target = folder / f"{spec.name}_TRUTH_20m.tif", folder / f"{spec.name.safe}.zip"
    identity = identify(spec)
    with tempfile.TemporaryDirectory(prefix=".scene-", dir=folder) as scratch:
        work = Path(scratch)
        safe = _empty_safe(work / spec.name.safe, identity)
        counts = _write_rasters(spec, identity, safe, work)
        data = sum(counts.values()) - counts[Truth.NODATA]
        cloud_percent = 100 * counts[Truth.CLOUD] / data if data else 0.0
        _write_metadata(spec, identity, safe, cloud_percent)
        _zip(safe, work / "product.zip", spec)
        (work / "truth.tif").replace(truth)
        (work / "product.zip").replace(target)
    return Scene(spec, target, truth, cloud_percent, data_percent=100 * data / spec.size**2)


def _empty_safe(safe: Path, identity: Identity) -> Path:
    for part in (
        "AUX_DATA",
        "HTML",
        "rep_info",
        f"DATASTRIP/{identity.datastrip}/QI_DATA",
        *(f"GRANULE/{identity.granule}/{leaf}" for leaf in ("AUX_DATA", "IMG_DATA", "QI_DATA")),
    ):
        (safe / part).mkdir(parents=True)
    return safe


def _write_rasters(spec: SceneSpec, identity: Identity, safe: Path, work: Path) -> Counter[int]:
    """Bands, preview and truth; returns how many 20 m pixels each code of Truth has."""
    counts: Counter[int] = Counter()
    landscape = Landscape.of(spec, identity.sun_zenith, identity.sun_azimuth)
    staged = {band: work / f"{band}.tif" for band in BANDS}
    preview: list[NDArray[np.uint8]] = []
    with ExitStack() as stack:
        files = {
            band: stack.enter_context(lay_down(path, _grid(spec, identity, NATIVE_METRES[band]), "uint16"))
            for band, path in staged.items()
        }
        truth = stack.enter_context(lay_down(work / "truth.tif", _grid(spec, identity, METRES), "uint8"))
        for strip in render(landscape):
            for band, numbers in strip.numbers.items():
                start = strip.rows.start * METRES // NATIVE_METRES[band]
                files[band].write(slice(start, start + numbers.shape[0]), numbers)
            truth.write(strip.rows, strip.truth)
            counts.update(dict(enumerate(np.bincount(strip.truth.ravel(), minlength=len(Truth)).tolist())))
            preview.append(_preview(strip.numbers, spec.offset))
    _encode(staged, identity, safe)
    _write_preview(np.concatenate(preview, axis=1), spec, identity, safe, work)
    return counts


def _grid(spec: SceneSpec, identity: Identity, metres: int) -> Grid:
    side = spec.size * METRES // metres
    return Grid(identity.corner.epsg, identity.corner.east, identity.corner.north, metres, side, side)


def _encode(staged: Mapping[str, Path], identity: Identity, safe: Path) -> None:
    """Two bands at a time: the encoder leaves the interpreter, and more would only hold more memory."""

    def encode(band: str) -> None:
        to_jp2(staged[band], safe / f"{identity.image(band)}.jp2", metres=NATIVE_METRES[band])

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(encode, sorted(staged, key=NATIVE_METRES.__getitem__)))


def _preview(numbers: Mapping[str, NDArray[np.uint16]], offset: int) -> NDArray[np.uint8]:
    """Every 32nd pixel of red, green and blue, as (3, rows, columns); strips begin at multiples of 32 or nearly so."""
    step = _PREVIEW // 10
    colours = np.stack([numbers[band][::step, ::step].astype(np.float32) for band in ("B04", "B03", "B02")])
    shown = np.clip((colours + offset) / 10000 * 255, 1, 255)
    return np.where(colours == 0, 0, shown).astype(np.uint8)


def _write_preview(pixels: NDArray[np.uint8], spec: SceneSpec, identity: Identity, safe: Path, work: Path) -> None:
    place = identity.corner
    grid = Grid(place.epsg, place.east, place.north, _PREVIEW, pixels.shape[1], pixels.shape[2])
    with lay_down(work / "preview.tif", grid, "uint8", bands=3) as file:
        file.write(slice(0, pixels.shape[1]), pixels)
    name = f"GRANULE/{identity.granule}/QI_DATA/T{spec.name.tile}_{spec.name.stamp}_PVI.jp2"
    to_jp2(work / "preview.tif", safe / name, metres=_PREVIEW)


def _write_metadata(spec: SceneSpec, identity: Identity, safe: Path, cloud_percent: float) -> None:
    for path, text in {
        "MTD_MSIL1C.xml": product_xml(spec, identity, cloud_percent),
        f"GRANULE/{identity.granule}/MTD_TL.xml": tile_xml(spec, identity, cloud_percent),
        f"DATASTRIP/{identity.datastrip}/MTD_DS.xml": datastrip_xml(identity),
    }.items():
        (safe / path).write_text(text, encoding="utf-8")
    write_extras(safe, identity)
    facts = ManifestFacts(
        product=spec.name,
        start=identity.start,
        orbit=identity.orbit,
        footprint=identity.footprint,
        made=identity.made,
        maker="Generation of a synthetic Level-1C User Product by IceWatch",
        checksum="SHA3-256" if int(spec.name.baseline) >= _FIRST_SHA3_BASELINE else "MD5",
    )
    write_manifest(safe, facts)


def _zip(safe: Path, target: Path, spec: SceneSpec) -> None:
    """Store the folder, sorted and dated by its discriminator, so that the zip depends on nothing else."""
    made = spec.name.discriminator
    date = (made.year, made.month, made.day, made.hour, made.minute, made.second)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in (safe, *sorted(safe.rglob("*"))):
            name = path.relative_to(safe.parent).as_posix()
            info = zipfile.ZipInfo(name + "/" if path.is_dir() else name, date)
            info.external_attr = (0o40755 << 16) | 0x10 if path.is_dir() else 0o100644 << 16
            if path.is_dir():
                archive.writestr(info, b"")
                continue
            info.file_size = path.stat().st_size  # lets zipfile choose zip64 where a band needs it
            with path.open("rb") as source, archive.open(info, "w") as member:
                shutil.copyfileobj(source, member, 1 << 20)
