"""Read an L1C SAFE folder for the approximate correction; refuse what is not one, or not whole."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from container.approximate_rasters import Grid, strips
from shared.errors import BadProduct
from shared.models import Level, ProductName, shown
from shared.safe import (
    BANDS,
    NATIVE_METRES,
    ProductMetadata,
    TileMetadata,
    l1c_files,
    parse_product_metadata,
    parse_tile_metadata,
)

STRIP_METRES = 7680  # rows read at once: whole pixels at 10, 20 and 60 m


@dataclass(frozen=True, slots=True)
class Rows:
    """Some whole rows of one band."""

    reflectance: NDArray[np.float32]  # top of atmosphere, NaN where there is no data
    saturated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class L1C:
    """A product that has been checked: all bands present, readable as JPEG 2000, of the size the metadata says."""

    folder: Path
    name: ProductName
    files: dict[str, str]  # band, or name of a metadata file -> path relative to the folder
    product: ProductMetadata
    tile: TileMetadata

    def grid(self, metres: int) -> Grid:
        """The tile's grid at that pixel size."""
        rows, columns = self.tile.shapes[metres]
        left, top = self.tile.upper_left
        return Grid(self.tile.epsg, left, top, metres, rows, columns)

    def read(self, band: str) -> Iterator[Rows]:
        """Top-of-atmosphere reflectance of ``band``, from north to south, ``STRIP_METRES`` at a time.

        Raises BadProduct where the file does not decode.
        """
        height = STRIP_METRES // NATIVE_METRES[band]
        offset, quantification = self.product.offsets.get(band, 0), self.product.quantification
        with _opened(self.folder / self.files[band], band) as dataset:
            for rows in strips(dataset.height, height):
                numbers = _decoded(dataset, rows, band)
                reflectance = (numbers.astype(np.float32) + offset) / np.float32(quantification)
                reflectance[numbers == self.product.nodata] = np.nan
                yield Rows(reflectance, numbers == self.product.saturated)


def open_l1c(folder: Path) -> L1C:
    """Check ``folder`` and return it ready for reading.

    Raises BadName where its name is no L1C product's, BadProduct where it is no folder, lacks a file, holds metadata
    that does not parse, or a band that is no JPEG 2000 or of another size than the metadata says.
    """
    if not folder.is_dir():
        raise BadProduct(f"'{shown(folder.name)}' is no folder; expected an L1C SAFE folder.")
    name = ProductName.parse(folder.name)
    if name.level is not Level.L1C:
        raise BadProduct(f"{name} is an {name.level} product; expected L1C.")
    members = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    files = l1c_files(members, str(name))
    product = parse_product_metadata((folder / files["MTD_MSIL1C.xml"]).read_bytes(), f"MTD_MSIL1C.xml of {name}")
    tile = parse_tile_metadata((folder / files["MTD_TL.xml"]).read_bytes(), f"MTD_TL.xml of {name}")
    if product.level is not Level.L1C:
        raise BadProduct(f"{name} is named L1C, but its metadata says it is an {product.level} product.")
    opened = L1C(folder, name, files, product, tile)
    _check_sizes(opened)
    return opened


def _check_sizes(l1c: L1C) -> None:
    shapes = l1c.tile.shapes
    if missing := [metres for metres in (10, 20, 60) if metres not in shapes]:
        raise BadProduct(f"MTD_TL.xml of {l1c.name} states no size for {', '.join(map(str, missing))} m.")
    extents = {(rows * metres, columns * metres) for metres, (rows, columns) in shapes.items()}
    if len(extents) > 1 or min(min(shape) for shape in shapes.values()) < 1:
        raise BadProduct(f"MTD_TL.xml of {l1c.name} states sizes at 10, 20 and 60 m that do not cover the same area.")
    for band in BANDS:
        expected = shapes[NATIVE_METRES[band]]
        with _opened(l1c.folder / l1c.files[band], band) as dataset:
            if (dataset.height, dataset.width) != expected or dataset.count != 1 or dataset.dtypes[0] != "uint16":
                raise BadProduct(
                    f"Band {band} of {l1c.name} has {dataset.height} x {dataset.width} pixels of {dataset.dtypes[0]}; "
                    f"its metadata says {expected[0]} x {expected[1]}, which are uint16 in every L1C product."
                )


@contextmanager
def _opened(path: Path, band: str) -> Iterator[Any]:
    """Open one band. One decoding thread: with more, GDAL 3 loses the errors of a damaged file and returns noise."""
    import rasterio
    from rasterio.errors import RasterioIOError

    if not _is_whole(path):
        raise BadProduct(f"Band {band} in {path.name} is cut short or no JPEG 2000 file.")
    with rasterio.Env(GDAL_NUM_THREADS="1"):
        try:
            dataset = rasterio.open(path, driver="JP2OpenJPEG")
        except RasterioIOError as cause:
            raise BadProduct(f"Band {band} in {path.name} is no readable JPEG 2000 file.") from cause
        with dataset:
            yield dataset


def _is_whole(path: Path) -> bool:
    """True where the boxes of a JP2 file (ISO/IEC 15444-1, annex I) end where the file ends."""
    size, place, kinds = path.stat().st_size, 0, []
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            header = file.read(16)
            length, kind = struct.unpack(">I4s", header[:8])
            if length == 1 and len(header) == 16:
                (length,) = struct.unpack(">Q", header[8:])
            elif length == 0:
                length = size - place
            if length < 8:
                return False
            kinds.append(kind)
            place += length
    return place == size and kinds[:1] == [b"jP  "] and b"jp2c" in kinds


def _decoded(dataset: Any, rows: slice, band: str) -> NDArray[np.uint16]:
    from rasterio.errors import RasterioIOError
    from rasterio.windows import Window

    try:
        pixels = dataset.read(1, window=Window(0, rows.start, dataset.width, rows.stop - rows.start))
    except RasterioIOError as cause:
        raise BadProduct(
            f"Band {band} in {Path(dataset.name).name} does not decode from row {rows.start} on; it may be cut short."
        ) from cause
    return np.asarray(pixels, dtype=np.uint16)
