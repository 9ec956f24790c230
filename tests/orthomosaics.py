"""Small orthomosaics as GeoTIFFs in memory: the six classes in stripes, as a drone's camera sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.statistics import STATISTICS_DRONE, read_statistics
from shared.science.drone import DRONE_BANDS

PLACE = {"crs": "EPSG:32622", "transform": (0.1, 0.0, 500_000.0, 0.0, -0.1, 7_450_000.0)}


def scene(rows: int = 60, columns: int = 90, *, seed: int = 3) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Reflectances (bands, rows, columns) and the class codes (rows, columns) they were made from."""
    random = np.random.default_rng(seed)
    truth = np.broadcast_to((np.arange(columns) * 6 // columns + 1), (rows, columns)).astype(np.uint8)
    classes = read_statistics(DRONE_BANDS, STATISTICS_DRONE)
    brightness = random.normal(0, 0.2, truth.shape)
    bands = []
    for position in range(len(DRONE_BANDS)):
        mean = np.array([0, *(one.mean[position] for one in classes)])
        sd = np.array([0, *(one.sd[position] for one in classes)])
        bands.append(np.maximum(mean[truth] + sd[truth] * brightness, 0.001))
    return np.asarray(bands, np.float32), truth


def geotiff(
    bands: npt.NDArray[Any],
    *,
    names: Sequence[str] | None = DRONE_BANDS,
    wavelengths: Sequence[float] = (),
    scales: Sequence[float] | None = None,
    tags: dict[str, str] | None = None,
    alpha: npt.NDArray[np.uint8] | None = None,
    **profile: Any,
) -> bytes:
    """A GeoTIFF of ``bands`` (bands, rows, columns); ``wavelengths`` are in micrometres; ``profile`` is rasterio's."""
    import rasterio
    from rasterio.enums import ColorInterp
    from rasterio.io import MemoryFile

    stored = bands if alpha is None else np.concatenate([bands, alpha[None].astype(bands.dtype)])
    given = {"driver": "GTiff", "count": len(stored), "height": bands.shape[1], "width": bands.shape[2]}
    given |= {"dtype": bands.dtype, **PLACE} | profile
    if given["transform"] is not None:
        given["transform"] = rasterio.Affine(*given["transform"])
    with MemoryFile() as memory:
        with memory.open(**given) as dataset:
            if alpha is not None:
                dataset.colorinterp = [ColorInterp.gray] * len(bands) + [ColorInterp.alpha]
            dataset.write(stored)
            for number, name in enumerate(names or (), start=1):
                dataset.set_band_description(number, name)
            for number, wavelength in enumerate(wavelengths, start=1):
                dataset.update_tags(number, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=str(wavelength))
            if scales:
                dataset.scales = scales
            dataset.update_tags(**(tags or {}))
        return bytes(memory.read())
