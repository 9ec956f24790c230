"""A small L2A product as files in memory: real structure, metadata and JPEG 2000 images, a known surface.

scene = Scene.of_classes()          # every class of the ice surface, in stripes
files = l2a_files_of(scene)         # path inside the SAFE folder -> bytes
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.statistics import read_statistics
from shared.errors import NotFound
from shared.models import ProductName
from shared.safe import BANDS, ICE_BANDS

PRODUCT = ProductName.parse("S2B_MSIL2A_20240716T151809_N0511_R068_T22WEV_20240716T184612")
EPSG, LEFT, TOP = 32622, 499980.0, 7500000.0
ROCK = dict(zip(ICE_BANDS, (0.10, 0.13, 0.16, 0.18, 0.20, 0.21, 0.22, 0.28, 0.24), strict=True))


@dataclass(frozen=True)
class Scene:
    """What there is to see; all arrays have one shape (rows, columns)."""

    reflectance: Mapping[str, npt.NDArray[np.float64]]  # band -> surface reflectance
    scl: npt.NDArray[np.uint8]
    cloud: npt.NDArray[np.uint8]  # probability, percent
    truth: npt.NDArray[np.uint8]  # class codes, 0 on rock

    @property
    def shape(self) -> tuple[int, int]:
        return self.scl.shape[0], self.scl.shape[1]

    @classmethod
    def of_classes(cls, rows: int = 150, columns: int = 210, *, noise: float = 0.2, seed: int = 1) -> Scene:
        """Stripes: the six classes in the order of their codes, then rock; each its mean with some noise."""
        random = np.random.default_rng(seed)
        truth = np.broadcast_to((np.arange(columns) * 7 // columns + 1) % 7, (rows, columns)).astype(np.uint8)
        bands: dict[str, npt.NDArray[np.float64]] = {}
        brightness = random.normal(0, noise, truth.shape)
        for position, band in enumerate(ICE_BANDS):
            mean = np.array([ROCK[band], *(one.mean[position] for one in read_statistics(ICE_BANDS))])
            sd = np.array([0.01, *(one.sd[position] for one in read_statistics(ICE_BANDS))])
            bands[band] = np.maximum(mean[truth] + sd[truth] * brightness, 0.001)
        return cls(bands, np.full(truth.shape, 11, np.uint8), np.zeros(truth.shape, np.uint8), truth)

    def with_scl(self, code: int, rows: slice) -> Scene:
        """A copy with some rows of the scene classification replaced."""
        scl = self.scl.copy()
        scl[rows] = code
        return replace(self, scl=scl)

    def with_cloud(self, percent: int, rows: slice) -> Scene:
        """A copy with a cloud probability in some rows."""
        cloud = self.cloud.copy()
        cloud[rows] = percent
        return replace(self, cloud=cloud)


class Members:
    """Files in memory, as the Members port; remembers what was read."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.was_read: list[str] = []

    def names(self) -> Iterable[str]:
        return list(self.files)

    def read(self, name: str) -> bytes:
        self.was_read.append(name)
        if name not in self.files:
            raise NotFound(f"There is no {name}.")
        return self.files[name]


def jp2(
    array: npt.NDArray[np.generic],
    *,
    pixel: float = 60.0,
    block: int = 64,
    left: float = LEFT,
    epsg: int | None = EPSG,
) -> bytes:
    """A lossless, tiled JPEG 2000 image in its box format, as Sentinel-2 has them; without ``epsg`` it lies nowhere."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    profile = {
        "driver": "JP2OpenJPEG",
        "width": array.shape[1],
        "height": array.shape[0],
        "count": 1,
        "dtype": array.dtype,
        "QUALITY": "100",
        "REVERSIBLE": "YES",
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
        "RESOLUTIONS": 3,
    }
    if epsg is not None:
        profile |= {"crs": f"EPSG:{epsg}", "transform": rasterio.Affine(pixel, 0, left, 0, -pixel, TOP)}
    with warnings.catch_warnings(), MemoryFile(ext=".jp2") as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**profile) as dataset:
            dataset.write(array, 1)
        return bytes(memory.read())


def numbers(scene: Scene, band: str, offset: int) -> npt.NDArray[np.uint16]:
    """Digital numbers of a band; 0 where the scene classification says nodata."""
    stored = np.clip(np.rint(scene.reflectance[band] * 10000) - offset, 1, 65534).astype(np.uint16)
    stored[scene.scl == 0] = 0
    return np.asarray(stored)


def l2a_files_of(
    scene: Scene,
    *,
    product: ProductName = PRODUCT,
    resolution: int = 60,
    offset: int = -1000,
    processor: str = "",
    block: int = 64,
) -> dict[str, bytes]:
    """All files that classification may look at; ``offset`` 0 leaves the offsets out, as old baselines do."""
    granule = f"GRANULE/L2A_T{product.tile}_A038000_{product.stamp}"
    image = f"{granule}/IMG_DATA/R{resolution}m/T{product.tile}_{product.stamp}"
    ends = f"{resolution}m.jp2"
    pixel = float(resolution)
    files = {
        f"{image}_{band}_{ends}": jp2(numbers(scene, band, offset), pixel=pixel, block=block) for band in ICE_BANDS
    }
    files[f"{image}_SCL_{ends}"] = jp2(scene.scl, pixel=pixel, block=block)
    files[f"{granule}/QI_DATA/MSK_CLDPRB_{ends}"] = jp2(scene.cloud, pixel=pixel, block=block)
    files["MTD_MSIL2A.xml"] = _product_metadata(offset, processor, f"Sentinel-{product.platform[1:]}")
    files[f"{granule}/MTD_TL.xml"] = _tile_metadata(scene.shape, resolution)
    files["manifest.safe"] = b"<xfdu/>"
    return files


def named(files: Mapping[str, bytes], part: str) -> str:
    """The one path that contains ``part``."""
    (found,) = [name for name in files if part in name]
    return found


def _product_metadata(offset: int, processor: str, spacecraft: str = "Sentinel-2B") -> bytes:
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{offset}</BOA_ADD_OFFSET>' for i, _ in enumerate(BANDS))
    return f"""<?xml version="1.0"?><root>
<PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL><PROCESSING_BASELINE>05.11</PROCESSING_BASELINE>
<SPACECRAFT_NAME>{spacecraft}</SPACECRAFT_NAME>
{f"<L2A_PROCESSOR>{processor}</L2A_PROCESSOR>" if processor else ""}
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
{f"<BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST>" if offset else ""}
<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
<Special_Values><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX></Special_Values>
</root>""".encode()


def _tile_metadata(shape: tuple[int, int], resolution: int) -> bytes:
    return f"""<?xml version="1.0"?><root>
<HORIZONTAL_CS_CODE>EPSG:{EPSG}</HORIZONTAL_CS_CODE>
<Size resolution="{resolution}"><NROWS>{shape[0]}</NROWS><NCOLS>{shape[1]}</NCOLS></Size>
<Geoposition resolution="{resolution}"><ULX>{LEFT:.0f}</ULX><ULY>{TOP:.0f}</ULY></Geoposition>
<Mean_Sun_Angle><ZENITH_ANGLE unit="deg">46.5</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">168.2</AZIMUTH_ANGLE></Mean_Sun_Angle>
</root>""".encode()
