"""A product of full size, made once and kept: thirteen JPEG 2000 bands of a real tile's dimensions, noise over a level.

The noise is chosen so that the zip comes out at some 700 MB, as a real product of a bright scene does. From the same
images a folder of about 1 GB is laid out as Sen2Cor lays out an L2A product at 20 m with its 10 m layers.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from shared.models import ProductName
from shared.safe import BANDS, NATIVE_METRES

L1C = ProductName.parse("S2B_MSIL1C_20240716T151809_N0510_R068_T22WEV_20240716T184612")
L2A = ProductName.parse("S2B_MSIL2A_20240716T151809_N9999_R068_T22WEV_20240717T090000")
_METRES = 109_800  # side of a tile
_LEVEL, _SPREAD = 6000, 60  # digital numbers; the spread makes 8 to 9 bits for a pixel
_GRANULE = f"T{L1C.tile}_A012345_{L1C.stamp}"
_LAYERS = {  # of the L2A folder: pixel size in metres -> layer
    10: ("B02", "B03", "B04", "B08"),
    20: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "AOT", "WVP", "SCL"),
    60: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12", "AOT", "WVP", "SCL"),
}
_METADATA = b"<?xml version='1.0'?><metadata>" + b" " * 50_000 + b"</metadata>"


@dataclass(frozen=True, slots=True)
class FullProduct:
    """Where the two forms of the product lie."""

    zip: Path  # L1C, as Copernicus sends it: stored, not compressed
    l2a: Path  # SAFE folder


def full_product(folder: Path, *, divisor: int = 1) -> FullProduct:
    """The product below ``folder``, made where it is not there yet; ``divisor`` makes smaller images for a trial."""
    target = folder / f"one-{divisor}th"
    made = FullProduct(target / f"{L1C.safe}.zip", target / L2A.safe)
    if not target.exists():
        partial = folder / f".{target.name}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        images = {metres: _images(partial / "images", metres, divisor) for metres in (10, 20, 60)}
        _pack(partial / made.zip.name, images)
        _lay_out(partial / made.l2a.name, images)
        shutil.rmtree(partial / "images")
        partial.rename(target)
    return made


def _images(folder: Path, metres: int, divisor: int) -> list[Path]:
    """Two different images of one pixel size: what is measured reads bytes, not pixels."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    folder.mkdir(parents=True, exist_ok=True)
    side, random, images = _METRES // metres // divisor, np.random.default_rng(metres), []
    for number in range(2):
        image = folder / f"{metres}-{number}.jp2"
        pixels = random.normal(_LEVEL, _SPREAD, (side, side)).astype(np.uint16)
        profile = {"driver": "JP2OpenJPEG", "width": side, "height": side, "count": 1, "dtype": "uint16"}
        place = {"crs": "EPSG:32622", "transform": from_origin(499980, 7600020, metres, metres)}
        lossless = {"QUALITY": "100", "REVERSIBLE": "YES", "NUM_THREADS": "ALL_CPUS"}
        with rasterio.open(image, "w", **profile, **place, **lossless) as dataset:
            dataset.write(pixels, 1)
        images.append(image)
    return images


def _pack(target: Path, images: dict[int, list[Path]]) -> None:
    granule = f"{L1C.safe}/GRANULE/L1C_{_GRANULE}"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in ("manifest.safe", "MTD_MSIL1C.xml", "INSPIRE.xml"):
            archive.writestr(f"{L1C.safe}/{name}", _METADATA)
        archive.writestr(f"{granule}/MTD_TL.xml", _METADATA)
        for number, band in enumerate(BANDS):
            source = images[NATIVE_METRES[band]][number % 2]
            archive.write(source, f"{granule}/IMG_DATA/T{L1C.tile}_{L1C.stamp}_{band}.jp2")


def _lay_out(folder: Path, images: dict[int, list[Path]]) -> None:
    granule = folder / f"GRANULE/L2A_{_GRANULE}"
    for metres, layers in _LAYERS.items():
        below = granule / f"IMG_DATA/R{metres}m"
        below.mkdir(parents=True)
        for number, layer in enumerate(layers):
            name = f"T{L1C.tile}_{L1C.stamp}_{layer}_{metres}m.jp2"
            shutil.copyfile(images[metres][number % 2], below / name)
    quality = granule / "QI_DATA"
    quality.mkdir()
    for metres in (20, 60):
        for mask in ("CLDPRB", "SNWPRB"):
            shutil.copyfile(images[metres][0], quality / f"MSK_{mask}_{metres}m.jp2")
    for metadata in (folder / "MTD_MSIL2A.xml", granule / "MTD_TL.xml", folder / "manifest.safe"):
        metadata.write_bytes(_METADATA)
