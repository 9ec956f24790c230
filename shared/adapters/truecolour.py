"""A small true-colour picture of an L2A product: red, green and blue reflectance, encoded as screens expect it.

Sen2Cor's own true-colour image ends at a reflectance of 0.3: snow and ice are white throughout. Here 1 is white.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from shared.adapters.rasters import check_codestream
from shared.errors import BadProduct
from shared.models import BlobPath, shown
from shared.ports import ObjectStore
from shared.safe import L2AFiles, ProductMetadata, l2a_files, parse_product_metadata

SIDE = 900  # pixels of the longer side, at most
_BANDS = ("B04", "B03", "B02")  # red, green, blue


def true_colour(store: ObjectStore, folder: BlobPath, *, side: int = SIDE) -> bytes:
    """A JPEG of the L2A product in ``folder``, at most ``side`` pixels long or wide.

    One band at a time is in memory, and only its coarse levels are decoded.
    Raises BadProduct where pieces are missing or do not decode.
    """
    from PIL import Image

    prefix = f"{folder.name}/"
    names = [info.path.name.removeprefix(prefix) for info in store.list(folder)]
    product = prefix.rstrip("/").rpartition("/")[2]
    files = _coarsest(names, product)
    metadata = parse_product_metadata(store.read(folder / files.product_metadata), f"The metadata of {product}")
    channels = [_encoded(_decoded(store, folder / files.bands[band], band, side), metadata, band) for band in _BANDS]
    out = io.BytesIO()
    Image.fromarray(np.stack(channels, axis=-1)).save(out, "JPEG", quality=85)
    return out.getvalue()


def _coarsest(names: list[str], product: str) -> L2AFiles:
    try:
        return l2a_files(names, 60, product)
    except BadProduct:
        return l2a_files(names, 20, product)


def _decoded(store: ObjectStore, path: BlobPath, band: str, side: int) -> npt.NDArray[np.uint16]:
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    data = store.read(path)
    check_codestream(data, f"{band} of {path}")
    try:
        with rasterio.Env(GDAL_NUM_THREADS="1"), MemoryFile(data) as memory, memory.open() as dataset:
            scale = max(1.0, max(dataset.height, dataset.width) / side)
            shape = round(dataset.height / scale), round(dataset.width / scale)
            return np.asarray(dataset.read(1, out_shape=shape), np.uint16)
    except RasterioError as cause:
        raise BadProduct(f"{band} of {path} does not decode: {shown(cause)}.") from cause


def _encoded(numbers: npt.NDArray[np.uint16], metadata: ProductMetadata, band: str) -> npt.NDArray[np.uint8]:
    """Stored numbers as 0-255: reflectance 0-1 through the transfer function of sRGB (IEC 61966-2-1); nodata is 0."""
    reflectance = (numbers.astype(np.float32) + metadata.offsets[band]) / metadata.quantification
    linear = np.clip(reflectance, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.where(numbers == metadata.nodata, 0, np.rint(255 * curved)).astype(np.uint8)
