"""Reflectances that contradict their metadata are noticed; those of sound products are not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from models.statistics import read_statistics
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from shared.science.selftest import SHORT_WAVE, fault

Spectra = dict[str, npt.NDArray[np.float32]]


def sample(*codes: SurfaceClass, pixels: int = 2000, shift: float = 0.0, factor: float = 1.0) -> Spectra:
    """Pixels of some classes as the training figures have them, all moved by ``shift``."""
    random = np.random.default_rng(5)
    classes = [read_statistics(ICE_BANDS)[code - 1] for code in codes]
    parts = [
        np.maximum(random.normal(one.mean, np.asarray(one.sd) / 2, (pixels // len(classes), len(ICE_BANDS))), 0.001)
        for one in classes
    ]
    values = (np.concatenate(parts) * factor + shift).astype(np.float32)
    return dict(zip(ICE_BANDS, values.T, strict=True))


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("code", SurfaceClass)
def test_each_class_alone_passes(code: SurfaceClass, stated: bool) -> None:
    assert fault(sample(code), stated_offset=stated) is None


@pytest.mark.parametrize("code", SurfaceClass)
def test_a_missing_offset_is_noticed_on_each_class_alone(code: SurfaceClass) -> None:
    found = fault(sample(code, shift=0.1), stated_offset=False)
    assert found is not None
    assert found.startswith("no offset is stated, and 0.00 % of its usable pixels are darker than 0.1 in any band")


@pytest.mark.parametrize("code", SurfaceClass)
def test_an_offset_that_is_stated_too_small_is_noticed_on_each_class_alone(code: SurfaceClass) -> None:
    found = fault(sample(code, shift=0.1), stated_offset=True)
    assert found is not None
    assert found.startswith("offsets are stated, and 0.00 % of its usable pixels are darker than 0.1 in any band")
    assert found.endswith("so that the stated ones seem to be too small")


@pytest.mark.parametrize("stated", [True, False])
def test_a_plateau_of_fine_snow_which_is_dark_nowhere_passes(stated: bool) -> None:
    random, fine = np.random.default_rng(3), (0.96, 0.96, 0.95, 0.94, 0.93, 0.92, 0.91, 0.20, 0.18)
    values = (np.array(fine) * random.normal(1, 0.02, (2000, 1))).astype(np.float32)
    assert values.min() > 0.1
    assert fault(dict(zip(ICE_BANDS, values.T, strict=True)), stated_offset=stated) is None


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.2])
def test_fine_snow_on_slopes_and_a_few_clouds_that_were_missed_pass(spread: float) -> None:
    light = np.random.default_rng(3).normal(0.9, spread, 20_000).clip(0.55, 1.2).astype(np.float32)
    light[:20] = 0.75
    snow = {band: light * (0.2 if band in SHORT_WAVE else 0.96) for band in ICE_BANDS}
    for band in SHORT_WAVE:
        snow[band][:20] = 0.45
    assert fault(snow, stated_offset=True) is None
    odd = np.zeros(20_000, bool)
    odd[:150] = True  # 0.75 % of sand
    sandy = {band: np.where(odd, np.float32(0.3), values) for band, values in snow.items()}
    assert fault(sandy, stated_offset=True) is None


def test_a_missing_offset_is_noticed_where_most_but_not_all_is_fine_snow() -> None:
    ice = sample(SurfaceClass.CLEAN_ICE, shift=0.1, pixels=200)
    snow = np.full(5000, 0.95, np.float32)
    both = {band: np.concatenate([values, snow * (0.3 if band in SHORT_WAVE else 1)]) for band, values in ice.items()}
    found = fault(both, stated_offset=False)
    assert found is not None
    assert "an offset of 0.1 seems to be missing" in found


def test_a_camera_without_short_wave_infrared_may_see_nothing_but_bright_snow() -> None:
    drone = {band: values for band, values in sample(SurfaceClass.SNOW).items() if band not in SHORT_WAVE}
    assert min(values.min() for values in drone.values()) > 0.1
    assert fault(drone, stated_offset=False) is None


def test_an_offset_that_the_numbers_do_not_hold_is_noticed() -> None:
    found = fault(sample(*SurfaceClass, shift=-0.1), stated_offset=True)
    assert found is not None
    assert "of its usable reflectances are impossible" in found


def test_a_wrong_quantification_value_is_noticed() -> None:
    found = fault(sample(*SurfaceClass, factor=10), stated_offset=True)
    assert found is not None
    assert "at most 10 % are accepted" in found


def test_a_few_odd_pixels_do_no_harm() -> None:
    values = sample(*SurfaceClass)
    values["B02"][:150] = 6.0
    assert fault(values, stated_offset=True) is None
    values["B02"][:300] = 6.0
    assert fault(values, stated_offset=True) is not None


def test_of_a_handful_of_pixels_nothing_is_said() -> None:
    assert (
        fault({band: values[:99] for band, values in sample(*SurfaceClass, shift=3).items()}, stated_offset=True)
        is None
    )
