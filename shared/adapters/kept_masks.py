"""Ice masks as the app uses them: a blob, brought onto a tile's grid once and kept in the store like that.

    config/masks/kept/<tile>-<metres>m-<digest>.tif      a GeoTIFF of one bit per pixel, 1 on ice; may be deleted

The digest stands for the mask's content (by the blob's ETag, which changes with every write: the content itself need
not be fetched to find the kept form) and for the grid. Whatever is wrong with the kept form, it is made again. Of a
tile and pixel size the newest is kept and the others are removed.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.adapters.icemask import IceMaskFile
from shared.errors import BadSetting, NotFound
from shared.models import CONFIG, BlobPath, Tile, shown
from shared.ports import BlobInfo, ObjectStore
from shared.science.windows import Grid

FOLDER = BlobPath(CONFIG, "masks/kept")
MOST_BYTES = 512 * 1024 * 1024  # of a mask; it is held in memory while it is brought onto the grid
_MOST_KEPT = 16 * 1024 * 1024  # bytes; one bit per pixel of a full tile at 20 m is 3.8 MB before compression
_FORM = "2"  # of the kept file and of how masks are brought onto grids; another number makes all of them anew
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class KeptMask:
    """The IceMask of one tile."""

    source: BlobInfo
    tile: Tile
    store: ObjectStore = field(repr=False)

    @classmethod
    def of(cls, path: BlobPath, tile: Tile, store: ObjectStore) -> KeptMask:
        """The mask in the blob ``path``; NotFound where there is none.

        BadSetting where it is too large, or lies among the kept ones, which come and go.
        """
        if path.container == FOLDER.container and path.name.startswith(f"{FOLDER.name}/"):
            raise BadSetting(f"The ice mask {path} lies in {FOLDER}, where the app keeps and deletes its own; move it.")
        info = store.info(path)
        if info is None:
            raise NotFound(f"There is no blob {path}.")
        if info.size > MOST_BYTES:
            raise BadSetting(f"The ice mask {path} has {info.size} bytes; at most {MOST_BYTES} are accepted.")
        return cls(info, tile, store)

    @property
    def name(self) -> str:
        """The blob's path."""
        return str(self.source.path)

    def on(self, grid: Grid) -> npt.NDArray[np.bool_]:
        """True on ice, (rows, columns); BadSetting where the mask is unreadable."""
        kept = self._kept(grid)
        found = self._read(kept, grid)
        if found is not None:
            return found
        path = self.source.path
        ice = IceMaskFile(path.name.rpartition("/")[2], self.store.read(path)).on(grid)
        self.store.write(kept, packed(ice, grid), content_type="image/tiff")
        self._sweep(kept, grid)
        return ice

    def _kept(self, grid: Grid) -> BlobPath:
        stands_for = f"{_FORM} {self.source.path} {self.source.etag} {self.source.size} {grid}"
        return FOLDER / f"{self._stem(grid)}{hashlib.sha256(stands_for.encode()).hexdigest()[:16]}.tif"

    def _stem(self, grid: Grid) -> str:
        return f"{self.tile}-{grid.pixel:g}m-"

    def _read(self, kept: BlobPath, grid: Grid) -> npt.NDArray[np.bool_] | None:
        info = self.store.info(kept)
        if info is None or info.size > _MOST_KEPT:
            return None
        try:
            return unpacked(self.store.read(kept), grid)
        except (NotFound, ValueError) as cause:
            _log.warning("The kept ice mask %s is made again: %s", kept, shown(cause))
            return None

    def _sweep(self, newest: BlobPath, grid: Grid) -> None:
        for blob in list(self.store.list(FOLDER)):
            if blob.path != newest and blob.path.name.startswith(f"{FOLDER.name}/{self._stem(grid)}"):
                self.store.delete(blob.path)


def packed(ice: npt.NDArray[np.bool_], grid: Grid) -> bytes:
    """The kept form of a mask on ``grid``."""
    import rasterio
    from rasterio.io import MemoryFile

    profile = {
        "driver": "GTiff",
        "height": grid.rows,
        "width": grid.columns,
        "count": 1,
        "dtype": "uint8",
        "nbits": 1,
        "compress": "DEFLATE",
        "crs": f"EPSG:{grid.epsg}",
        "transform": rasterio.Affine(*grid.transform),
    }
    with MemoryFile(ext=".tif") as memory:
        with memory.open(**profile) as dataset:
            dataset.write(ice.astype(np.uint8), 1)
            dataset.update_tags(SHA256=_digest(ice))
        return bytes(memory.read())


def unpacked(data: bytes, grid: Grid) -> npt.NDArray[np.bool_]:
    """The mask in its kept form; ValueError where it is damaged or of another grid."""
    from rasterio.errors import NotGeoreferencedWarning, RasterioError
    from rasterio.io import MemoryFile

    if not data:
        raise ValueError("it is empty.")
    try:
        with warnings.catch_warnings(), MemoryFile(data) as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # the transform is compared
            with memory.open(driver="GTiff") as dataset:
                return _checked(dataset, grid)
    except RasterioError as cause:
        raise ValueError(str(cause)) from cause


def _checked(dataset: Any, grid: Grid) -> npt.NDArray[np.bool_]:
    import rasterio

    if dataset.shape != grid.shape or dataset.transform != rasterio.Affine(*grid.transform):
        raise ValueError(f"it has {dataset.height} x {dataset.width} pixels from another corner.")
    ice = np.asarray(dataset.read(1), bool)
    if dataset.tags().get("SHA256") != _digest(ice):
        raise ValueError("its pixels are not those that were written.")
    return ice


def _digest(ice: npt.NDArray[np.bool_]) -> str:
    return hashlib.sha256(np.packbits(ice).tobytes()).hexdigest()
