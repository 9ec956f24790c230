"""Orthomosaics as GeoTIFFs, read by windows through any seekable file: a local one, or a blob read by ranges.

A file of many gigabytes is never fetched whole: GDAL asks for the blocks that a window needs, and keeps a few of them.

Bands: by names and wavelengths, see `shared.science.drone_bands`. An alpha band, a mask, the file's nodata, NaN
and zero in all five bands mean that there is nothing. Reflectances: as the file's scale and offset say; where it has
none, floating point is reflectance from 0 to 1 and integers have 32768 for 1, as Agisoft Metashape writes them; those
of 8 bits are refused.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from shared.adapters.orthomosaic_place import place_of
from shared.errors import BadProduct, IceWatchError
from shared.models import shown
from shared.science.drone import DRONE_BANDS
from shared.science.drone_bands import BandText, Choice, choose
from shared.science.orthomosaic import Place, numbers_of
from shared.science.windows import Window

MOST_PIXELS = 1_600_000_000  # 40,000 x 40,000: half an hour, which a function has, at a microsecond a pixel
MOST_BANDS = 16
MOST_BLOCK = 64 * 1024 * 1024  # bytes of one block, decoded, over all bands
SCALES = (1e-10, 1000.0)  # reflectance per stored number
FULL_SCALE = 32768.0  # integers without a stated scale: this number is reflectance 1
_ENV = {"GDAL_NUM_THREADS": "1", "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 64}


@dataclass(slots=True, eq=False)  # rasterio keeps open files in a set
class _Source:
    """A file for GDAL, which loses what a read raises: kept here, so that it can be raised afterwards."""

    file: BinaryIO
    error: IceWatchError | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self.file.read(size)
        except IceWatchError as error:
            self.error = error
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        """The file is closed by who opened it: GDAL opens and closes it several times."""

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, *_: object) -> None:
        """As close."""


@dataclass(frozen=True, slots=True)
class _Orthomosaic:
    """The Orthomosaic of `shared.pipeline.drone_ports`."""

    place: Place
    block: tuple[int, int]
    choice: Choice
    is_scaled: bool
    taken: datetime | None
    label: str
    dataset: Any = field(repr=False)
    source: _Source = field(repr=False)
    bands: tuple[int, ...] = field(repr=False)  # numbers in the file, in the order of DRONE_BANDS
    alpha: tuple[int, ...] = field(repr=False)  # numbers of alpha bands
    scales: npt.NDArray[np.float64] = field(repr=False)  # (bands, 1, 1)
    offsets: npt.NDArray[np.float64] = field(repr=False)

    def read(self, window: Window) -> npt.NDArray[np.uint16]:
        import rasterio
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as Rectangle

        rectangle = Rectangle(window.column, window.row, window.width, window.height)
        try:
            with rasterio.Env(**_ENV):
                stored = self.dataset.read((*self.bands, *self.alpha), window=rectangle)
                masks = self.dataset.read_masks(self.bands, window=rectangle)  # not from alpha in floating point
        except RasterioError as cause:
            if self.source.error is not None:
                raise self.source.error from cause
            raise BadProduct(
                f"{self.label} is damaged: its pixels from row {window.row}, column {window.column} do not decode."
            ) from cause
        if self.source.error is not None:
            raise self.source.error
        stored, alpha = stored[: len(self.bands)], stored[len(self.bands) :]
        valid = (masks > 0).all(axis=0) & (alpha > 0).all(axis=0) & (stored != 0).any(axis=0)
        return numbers_of((stored * self.scales + self.offsets).astype(np.float32), valid)


class GdalOrthomosaics:
    """The Orthomosaics of `shared.pipeline.drone_ports`, by rasterio."""

    @contextmanager
    def open(self, file: BinaryIO, label: str) -> Iterator[_Orthomosaic]:
        """Open the GeoTIFF in ``file``; BadProduct beginning with ``label`` where it cannot be classified."""
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError

        source = _Source(file)
        try:
            with rasterio.Env(**_ENV), warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # refused below with a sentence
                dataset = rasterio.open(
                    "orthomosaic.tif", driver="GTiff", sharing=False, opener=lambda *_, **__: _rewound(source)
                )
        except (RasterioError, ValueError) as cause:
            if source.error is not None:
                raise source.error from cause
            raise BadProduct(f"{label} is no readable GeoTIFF.") from cause
        with dataset:
            yield _examined(dataset, source, label)


def _rewound(source: _Source) -> _Source:
    source.seek(0)
    return source


def _examined(dataset: Any, source: _Source, label: str) -> _Orthomosaic:
    def insist(holds: bool, otherwise: str) -> None:
        if not holds:
            raise BadProduct(f"{label} {otherwise}.")

    rows, columns, count = int(dataset.height), int(dataset.width), int(dataset.count)
    insist(rows * columns <= MOST_PIXELS, f"has {rows} x {columns} pixels; at most {MOST_PIXELS} are accepted, cut it")
    insist(count <= MOST_BANDS, f"has {count} bands; at most {MOST_BANDS} are accepted")
    choice = choose(_bands(dataset), label)
    bands = choice.numbers
    kinds = {np.dtype(dataset.dtypes[band - 1]) for band in bands}
    insist(all(kind.kind in "uif" for kind in kinds), f"holds {', '.join(map(str, kinds))}; expected numbers")
    block = tuple(map(int, dataset.block_shapes[0]))
    size = block[0] * block[1] * count * max(kind.itemsize for kind in kinds)
    insist(
        size <= MOST_BLOCK,
        f"is stored in blocks of {block[0]} x {block[1]} pixels, {size} bytes; at most {MOST_BLOCK} are accepted, "
        "store it in tiles (gdal_translate -co TILED=YES)",
    )
    scales, offsets = _scaling(dataset, bands, label)
    return _Orthomosaic(
        place=place_of(dataset, label),
        block=(block[0], block[1]),
        choice=choice,
        is_scaled=_is_scaled(dataset, bands),
        taken=_taken(dataset.tags().get("TIFFTAG_DATETIME", "")),
        label=label,
        dataset=dataset,
        source=source,
        bands=bands,
        alpha=_alpha(dataset),
        scales=scales,
        offsets=offsets,
    )


def _bands(dataset: Any) -> list[BandText]:
    """What the file says of its bands, without alpha."""
    alpha = _alpha(dataset)
    return [
        BandText(number, shown((text or "").strip(), 80), _wavelength(dataset, number))
        for number, text in enumerate(dataset.descriptions, start=1)
        if number not in alpha
    ]


def _wavelength(dataset: Any, number: int) -> float | None:
    """The centre of a band in nm, as GDAL's metadata domain for imagery has it, in micrometres."""
    try:
        micrometres = float(dataset.tags(number, ns="IMAGERY").get("CENTRAL_WAVELENGTH_UM", ""))
    except ValueError:
        return None
    return 1000 * micrometres if math.isfinite(micrometres) else None


def _alpha(dataset: Any) -> tuple[int, ...]:
    from rasterio.enums import ColorInterp

    return tuple(n for n, kind in enumerate(dataset.colorinterp, start=1) if kind is ColorInterp.alpha)


def _is_scaled(dataset: Any, bands: tuple[int, ...]) -> bool:
    """Whether the file says how its numbers become reflectances."""
    stated = any((dataset.scales[band - 1], dataset.offsets[band - 1]) != (1.0, 0.0) for band in bands)
    return stated or all(np.dtype(dataset.dtypes[band - 1]).kind == "f" for band in bands)


def _scaling(
    dataset: Any, bands: tuple[int, ...], label: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    stated = [(dataset.scales[band - 1], dataset.offsets[band - 1]) for band in bands]
    if not _is_scaled(dataset, bands):
        if any(np.dtype(dataset.dtypes[band - 1]).itemsize == 1 for band in bands):
            raise BadProduct(
                f"{label} holds integers of 8 bits without a scale, so that nothing says which is reflectance 1; state "
                "it (gdal_edit.py -scale 0.00392157 where it is 255), or use floating point or 16 bits."
            )
        stated = [(1 / FULL_SCALE, 0.0)] * len(bands)
    for name, (scale, offset) in zip(DRONE_BANDS, stated, strict=True):
        if not SCALES[0] <= scale <= SCALES[1] or not math.isfinite(offset):
            raise BadProduct(
                f"{label} states the scale {scale:g} and the offset {offset:g} for {name}; expected a scale of "
                f"{SCALES[0]:g} to {SCALES[1]:g} that makes reflectances, 0 to 1, of its numbers."
            )
    pairs = np.asarray(stated, np.float64)
    return pairs[:, 0].reshape(-1, 1, 1), pairs[:, 1].reshape(-1, 1, 1)


def _taken(text: str) -> datetime | None:
    """When the file says it was made, which for an orthomosaic is mostly the time of processing or of flight."""
    try:
        return datetime.strptime(text.strip(), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
