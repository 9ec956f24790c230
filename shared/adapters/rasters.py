"""Rasters in memory, by GDAL: the only module that opens image files.

Images are decoded with one GDAL thread each: with more, GDAL reports a broken JPEG 2000 code block on standard
error and hands out zeros instead of failing. Speed comes from windows on several threads.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.adapters.cog import CogWriter, growing
from shared.errors import BadProduct
from shared.models import shown
from shared.science.layers import Layer
from shared.science.orthomosaic import Placed
from shared.science.windows import Georeference, Window

_ENV = {"GDAL_NUM_THREADS": "1", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 16}
_JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n"  # signature box, ISO/IEC 15444-1 Annex I
_SOC, _SOT, _EOC = b"\xff\x4f", b"\xff\x90", b"\xff\xd9"  # markers, Annex A
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def check_codestream(data: bytes, label: str) -> None:
    """Follow a JPEG 2000 file from tile part to tile part to its end; BadProduct where it is cut short.

    Only the lengths are followed, nothing is decoded: a full-size band takes well under a millisecond.
    """
    start = _codestream_start(data) if data.startswith(_JP2) else 0
    if start is None or data[start : start + 2] != _SOC:
        raise BadProduct(f"{label} is no JPEG 2000 image.")
    try:
        at = start + 2
        while data[at : at + 2] != _SOT:  # segments of the main header
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        while data[at : at + 2] == _SOT:
            (length,) = struct.unpack_from(">I", data, at + 6)
            at = at + length if length else len(data) - 2  # 0: the last tile part, up to the end marker
    except struct.error as cause:
        raise _cut_short(data, label) from cause
    if data[at : at + 2] != _EOC:
        raise _cut_short(data, label)


def _cut_short(data: bytes, label: str) -> BadProduct:
    return BadProduct(f"{label} is cut short: its JPEG 2000 image does not end within the file's {len(data)} bytes.")


def _codestream_start(data: bytes) -> int | None:
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, at + 8)
            header = 16
        if kind == b"jp2c":
            return at + header
        if length < header:
            return None
        at += length
    return None


@dataclass(frozen=True, slots=True)
class _Raster:
    dataset: Any
    label: str

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.dataset.height), int(self.dataset.width)

    @property
    def block(self) -> tuple[int, int]:
        rows, columns = self.dataset.block_shapes[0]
        return int(rows), int(columns)

    @property
    def georeference(self) -> Georeference | None:
        transform, crs = self.dataset.transform, self.dataset.crs
        if transform.is_identity:
            return None
        epsg = crs.to_epsg() if crs else None
        name = "" if not crs else f"EPSG:{epsg}" if epsg else shown(crs.to_string(), 60)
        return Georeference(name, tuple(transform)[:6])

    def read(self, window: Window) -> npt.NDArray[np.uint16]:
        import rasterio
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as Rectangle

        rectangle = Rectangle(window.column, window.row, window.width, window.height)
        try:
            with rasterio.Env(**_ENV):
                return np.asarray(self.dataset.read(1, window=rectangle), np.uint16)
        except RasterioError as cause:
            raise BadProduct(
                f"{self.label} is damaged: its pixels from row {window.row}, column {window.column} do not decode."
            ) from cause


class GdalRasters:
    """The Rasters of `shared.pipeline.surface_ports`, by rasterio."""

    def __init__(self) -> None:
        """Keep OpenJPEG from handing each code block to a helper thread and waiting for it; it takes no option."""
        os.environ.setdefault("OPJ_NUM_THREADS", "0")

    @contextmanager
    def open(self, data: bytes, label: str) -> Iterator[_Raster]:
        """Open a JPEG 2000 or TIFF image; nothing else is tried, as names of files say little."""
        import rasterio
        from rasterio.errors import RasterioError
        from rasterio.io import MemoryFile

        is_tiff = data.startswith(_TIFF)
        if not is_tiff:
            check_codestream(data, label)
        with MemoryFile(data) as memory:
            try:
                with rasterio.Env(**_ENV):  # never kept open over a yield: environments must close in reverse order
                    dataset = memory.open(driver="GTiff" if is_tiff else "JP2OpenJPEG")
            except RasterioError as cause:
                raise BadProduct(f"{label} is no readable image: {shown(cause)}.") from cause
            with dataset:
                if dataset.count != 1 or dataset.dtypes[0] not in {"uint8", "uint16"}:
                    raise BadProduct(
                        f"{label} has {dataset.count} bands of {dataset.dtypes[0]}; expected one of uint8 or uint16."
                    )
                yield _Raster(dataset, label)

    @contextmanager
    def create(self, layer: Layer, grid: Placed, *, block: tuple[int, int]) -> Iterator[CogWriter]:
        """Begin a layer as a TIFF in memory whose blocks are those of the windows."""
        with growing(layer, grid, block) as writer:
            yield writer

    def longitudes_latitudes(self, epsg: int, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
        """Points (easting, northing) as (longitude, latitude), WGS 84."""
        from rasterio.warp import transform

        longitudes, latitudes = transform(f"EPSG:{epsg}", "EPSG:4326", *zip(*points, strict=True))
        return list(zip(longitudes, latitudes, strict=True))
