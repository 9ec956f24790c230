"""From landscape to digital numbers: what the instrument would record, strip by strip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from container.approximate_rasters import mean_of_blocks, strips
from local.scenes.landscape import Landscape
from local.scenes.spec import Truth
from local.scenes.spectra import CLOUD_TOP, Draws, draw, other_bands
from shared.safe import BANDS, ICE_BANDS, NATIVE_METRES
from shared.science.atmosphere import Atmosphere, atmosphere, direct_share

Pixels = NDArray[np.float32]

STRIP = 240  # rows at 20 m made at once; a multiple of 3, and part of what the random numbers depend on
CLEAR, HAZY = 0.03, 0.09  # aerosol optical depth at 550 nm between which the haze drifts; the corrector knows neither
CLOUD_TRUTH = 0.05  # opacity from which a pixel counts as cloud
_TEXTURE = 0.02  # relative contrast of the 10 m pixels inside a 20 m pixel
_QUANTIFICATION = 10000
_LARGEST = 65534  # 65535 means saturated


@dataclass(frozen=True, slots=True)
class Strip:
    """Some whole rows of a scene."""

    rows: slice  # at 20 m
    truth: NDArray[np.uint8]  # codes of Truth, (rows, columns)
    numbers: Mapping[str, NDArray[np.uint16]]  # digital numbers per band at its own pixel size
    surface: Mapping[str, Pixels]  # drawn reflectance of ICE_BANDS at 20 m, shadows and clouds not applied


@dataclass(frozen=True, slots=True)
class _Light:
    clear: Atmosphere
    hazy: Atmosphere
    direct: float  # share of the light that clouds can take away

    def toa(self, surface: Pixels, haze: Pixels) -> Pixels:
        low, high = self.clear.toa(surface), self.hazy.toa(surface)
        return np.asarray(low + haze * (high - low), dtype=np.float32)


def render(landscape: Landscape) -> Iterator[Strip]:
    """Make the scene from north to south."""
    zenith = landscape.sun_zenith
    light = {
        band: _Light(
            atmosphere(band, zenith, aerosol=CLEAR),
            atmosphere(band, zenith, aerosol=HAZY),
            direct_share(band, zenith, aerosol=(CLEAR + HAZY) / 2),
        )
        for band in BANDS
    }
    for number, rows in enumerate(strips(landscape.spec.size, STRIP)):
        yield _strip(landscape, light, rows, np.random.default_rng([landscape.spec.seed, 99, number]))


def _strip(landscape: Landscape, light: Mapping[str, _Light], rows: slice, rng: np.random.Generator) -> Strip:
    spec = landscape.spec
    index = np.arange(rows.start, rows.stop)
    classes = landscape.surface(index)
    surface = draw(classes, _draws(landscape, index, rng), spec.noise)
    haze = np.clip(0.5 + 0.25 * landscape.smooth(index, 1), 0, 1)
    cloud, shade = landscape.cloud(index), landscape.shade(index)
    tops = 1 + 0.06 * landscape.smooth(index, 2)  # clouds are brighter here and darker there
    inside = landscape.has_data(index)
    texture = _texture(classes.shape, rng)
    numbers = {}
    for band, ground in {**surface, **other_bands(surface)}.items():
        lit = ground * (1 - light[band].direct * shade)
        seen = (1 - cloud) * light[band].toa(lit, haze) + cloud * tops * CLOUD_TOP[band]
        numbers[band] = _digitise(
            _to_native(band, np.asarray(seen, np.float32), texture), _to_native_mask(band, inside), spec.offset
        )
    truth = np.where(cloud > CLOUD_TRUTH, Truth.CLOUD, classes)
    return Strip(rows, np.where(inside, truth, Truth.NODATA).astype(np.uint8), numbers, surface)


def _draws(landscape: Landscape, index: NDArray[np.intp], rng: np.random.Generator) -> Draws:
    shape = (len(index), landscape.spec.size)

    def white() -> Pixels:
        return rng.standard_normal(shape, dtype=np.float32)

    return Draws(
        smooth=landscape.smooth(index, 0),
        pixel=white(),
        short_wave=white(),
        bands={band: white() for band in ICE_BANDS},
        tundra=np.clip(0.5 + landscape.smooth(index, 3), 0, 1),
    )


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> Pixels:
    """Contrast of the four 10 m pixels in each 20 m pixel; their mean is exactly one."""
    rows, columns = shape
    quarters = rng.standard_normal((rows, 2, columns, 2), dtype=np.float32)
    quarters -= quarters.mean(axis=(1, 3), keepdims=True)
    return np.asarray(1 + _TEXTURE * quarters.reshape(2 * rows, 2 * columns), dtype=np.float32)


def _to_native(band: str, seen: Pixels, texture: Pixels) -> Pixels:
    metres = NATIVE_METRES[band]
    if metres == 10:
        return np.asarray(np.repeat(np.repeat(seen, 2, axis=0), 2, axis=1) * texture)
    return mean_of_blocks(seen, metres // 20)


def _to_native_mask(band: str, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    metres = NATIVE_METRES[band]
    if metres == 10:
        return np.repeat(np.repeat(inside, 2, axis=0), 2, axis=1)
    return np.asarray(mean_of_blocks(inside.astype(np.float32), metres // 20) == 1)


def _digitise(toa: Pixels, inside: NDArray[np.bool_], offset: int) -> NDArray[np.uint16]:
    """Digital numbers as the metadata explains them: reflectance = (DN + offset) / 10000; 0 is no data."""
    numbers = np.clip(np.rint(toa * _QUANTIFICATION) - offset, 1, _LARGEST)
    return np.where(inside, numbers, 0).astype(np.uint16)
