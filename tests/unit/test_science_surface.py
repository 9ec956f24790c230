from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.safe import ICE_BANDS
from shared.science.albedo import broadband
from shared.science.classes import Quality, SurfaceClass
from shared.science.forest import Classifier
from shared.science.indices import algae_index, cells_per_ml
from shared.science.layers import ALBEDO, ALGAE, CLASS, CONFIDENCE, MARGIN, QUALITY
from shared.science.reflectance import Radiometry
from shared.science.statistics import Tally, percents
from shared.science.surface import classify_window

ICE = (0.658, 0.648, 0.625, 0.612, 0.587, 0.543, 0.493, 0.013, 0.012)  # B02 ... B12 of clean ice
ROCK = (0.10, 0.13, 0.16, 0.18, 0.20, 0.21, 0.22, 0.28, 0.24)
SEA = (0.06, 0.04, 0.02, 0.015, 0.01, 0.01, 0.008, 0.004, 0.003)
RADIOMETRY = Radiometry((-1000,) * 9, 10000.0, 0, 65535)


class ByBrightness:
    """Shares that depend on B02 alone: the brighter, the more clean ice."""

    def shares(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        ice = np.clip(features[:, 0].astype(float), 0, 1)
        return np.column_stack([1 - ice, ice])


CLASSIFIER = Classifier("test", "1", "0" * 64, ICE_BANDS, (SurfaceClass.SNOW, SurfaceClass.CLEAN_ICE), ByBrightness())


def numbers(*pixels: tuple[float, ...]) -> npt.NDArray[np.uint16]:
    """Digital numbers (9, 1, pixels) of reflectances."""
    return (np.array(pixels).T[:, None, :] * 10000 + 1000).round().astype(np.uint16)


def classified(*pixels: tuple[float, ...], quality: int = 0) -> dict[str, list[int]]:
    codes = np.full((1, len(pixels)), quality, np.uint8)
    layers = classify_window(numbers(*pixels), codes, RADIOMETRY, CLASSIFIER)
    return {name: layer[0].tolist() for name, layer in layers.items()}


def test_the_offset_is_added_before_the_division() -> None:
    assert Radiometry((-1000,), 10000.0, 0, 65535).reflectance(np.array([[1500]], np.uint16))[0, 0] == np.float32(0.05)


def test_nodata_is_looked_for_before_the_offset() -> None:
    stored = np.array([[[0, 1000]], [[5, 1000]]], np.uint16)
    assert Radiometry((-1000, -1000), 10000.0, 0, 65535).lacks_data(stored).tolist() == [[True, False]]


def test_ice_gets_all_layers() -> None:
    layers = classified(ICE)
    assert layers[CLASS.name] == [SurfaceClass.CLEAN_ICE]
    assert layers[QUALITY.name] == [Quality.CLASSIFIED]
    assert layers[CONFIDENCE.name] == [66]
    assert layers[ALGAE.name] == [round(0.612 / 0.625 * 10000)]
    by_hand = 0.356 * 0.658 + 0.130 * 0.625 + 0.373 * 0.493 + 0.085 * 0.013 + 0.072 * 0.012 - 0.0018
    assert layers[ALBEDO.name] == [round(by_hand * 10000)]


@pytest.mark.parametrize("spectrum", [ROCK, SEA])
def test_rock_and_sea_are_no_ice(spectrum: tuple[float, ...]) -> None:
    layers = classified(spectrum)
    assert layers[QUALITY.name] == [Quality.NOT_ICE]
    assert layers[CLASS.name] == [0]
    assert layers[ALBEDO.name] == [ALBEDO.nodata]
    assert layers[ALGAE.name] == [ALGAE.nodata]
    assert layers[CONFIDENCE.name] == [CONFIDENCE.nodata]


@pytest.mark.parametrize(
    ("blue", "swir", "expected"),
    [
        (1.55, 0.01, Quality.CLASSIFIED),  # snow on a slope that faces the sun
        (1.65, 0.01, Quality.IMPLAUSIBLE),
        (5.50, 0.01, Quality.IMPLAUSIBLE),
        (0.66, -0.02, Quality.CLASSIFIED),  # what atmospheric correction leaves of wet ice
    ],
)
def test_what_no_surface_reflects_is_implausible(blue: float, swir: float, expected: Quality) -> None:
    assert classified((blue, *ICE[1:8], swir))[QUALITY.name] == [expected]


def test_reflectance_far_below_zero_is_implausible_too() -> None:
    before_offsets = Radiometry((-3000,) * 9, 10000.0, 0, 65535)
    layers = classify_window(numbers(ICE), np.zeros((1, 1), np.uint8), before_offsets, CLASSIFIER)
    assert layers[QUALITY.name].tolist() == [[Quality.IMPLAUSIBLE]]


def test_saturated_pixels_are_implausible() -> None:
    stored = numbers(ICE, ICE)
    stored[3, 0, 1] = 65535
    layers = classify_window(stored, np.zeros((1, 2), np.uint8), RADIOMETRY, CLASSIFIER)
    assert layers[QUALITY.name].tolist() == [[Quality.CLASSIFIED, Quality.IMPLAUSIBLE]]


def test_saturated_is_what_the_metadata_call_so_however_plausible_the_number() -> None:
    other, stored = Radiometry((-1000,) * 9, 10000.0, 0, 12000), numbers(ICE, ICE)
    stored[3, 0, 1] = 12000  # reflectance 1.1
    layers = classify_window(stored, np.zeros((1, 2), np.uint8), other, CLASSIFIER)
    assert layers[QUALITY.name].tolist() == [[Quality.CLASSIFIED, Quality.IMPLAUSIBLE]]


def test_a_pixel_that_lacks_one_band_is_nodata() -> None:
    stored = numbers(ICE)
    stored[8] = 0
    layers = classify_window(stored, np.zeros((1, 1), np.uint8), RADIOMETRY, CLASSIFIER)
    assert layers[QUALITY.name].tolist() == [[Quality.NODATA]]


def test_masked_pixels_keep_their_reason_whatever_the_bands_say() -> None:
    assert classified(ROCK, quality=Quality.CLOUD)[QUALITY.name] == [Quality.CLOUD]


def test_the_algae_index_is_given_on_ice_only() -> None:
    dark = tuple(0.2 if i < 7 else 0.01 for i in range(9))  # shares 0.8 for snow
    layers = classified(dark)
    assert layers[CLASS.name] == [SurfaceClass.SNOW]
    assert layers[ALGAE.name] == [ALGAE.nodata]


@pytest.mark.parametrize(("red", "expected"), [(0.5, 1.2), (0.0, np.nan), (-0.01, np.nan)])
def test_the_algae_index_never_divides_by_nothing(red: float, expected: float) -> None:
    index = algae_index(np.array([red], np.float32), np.array([0.6], np.float32))
    assert index[0] == pytest.approx(expected, nan_ok=True)


def test_cells_follow_the_predecessor() -> None:
    assert cells_per_ml(1.0) == pytest.approx(6600)


def test_albedo_takes_bands_by_name_in_any_order() -> None:
    bands = {band: np.array([value], np.float32) for band, value in reversed(list(zip(ICE_BANDS, ICE, strict=True)))}
    assert broadband(bands)[0] == pytest.approx(0.49955, abs=0.00005)


def test_numbers_that_do_not_fit_a_layer_become_nodata() -> None:
    values = np.array([0.5, np.nan, np.inf, 9.0, -1.0], np.float32)
    assert ALGAE.store(values).tolist() == [5000, 65535, 65535, 65535, 65535]


def test_a_tie_goes_to_the_class_listed_first() -> None:
    votes = CLASSIFIER.vote(np.full((1, 9), 0.5, np.float32))
    assert votes.codes.tolist() == [SurfaceClass.SNOW]
    assert votes.confidence.tolist() == [0.5]
    assert votes.margin.tolist() == [0]


def test_the_margin_is_what_the_winner_has_more_than_the_next() -> None:
    layers = classified(ICE)  # shares 0.658 and 0.342
    assert layers[MARGIN.name] == [32]
    assert classified(ROCK)[MARGIN.name] == [MARGIN.nodata]


def test_statistics_are_those_of_the_written_numbers() -> None:
    tally, random = Tally(), np.random.default_rng(3)
    spectra = [tuple(np.array(ICE) * factor) for factor in random.uniform(0.6, 1.1, 40)]
    whole = classify_window(numbers(*spectra), np.zeros((1, 40), np.uint8), RADIOMETRY, CLASSIFIER)
    tally.add(whole)
    albedo = whole[ALBEDO.name].astype(float) / 10000
    moments = tally.albedo_moments()
    assert moments is not None
    assert moments.mean == pytest.approx(albedo.mean(), abs=1e-12)
    assert moments.sd == pytest.approx(albedo.std(), abs=1e-12)
    assert tally.classified == 40
    assert sum(tally.percent(surface) for surface in SurfaceClass) == pytest.approx(100)


@given(st.lists(st.integers(0, 30_000_000), min_size=1, max_size=9))
def test_percents_add_up_to_a_hundred_and_are_right_to_the_last_digit(counts: list[int]) -> None:
    shares = percents(counts)
    whole = sum(counts)
    assert sum(round(1000 * share) for share in shares) == (100_000 if whole else 0)
    assert all(abs(share - 100 * count / max(whole, 1)) < 0.001 for share, count in zip(shares, counts, strict=True))


def test_what_is_missing_to_a_hundred_goes_to_those_that_lost_most() -> None:
    assert percents([1, 1, 1]) == [33.334, 33.333, 33.333]
    assert percents([2, 1], digits=0) == [67, 33]
    assert percents([0, 7]) == [0, 100]


def test_statistics_of_parts_add_up_exactly() -> None:
    spectra = [tuple(np.array(ICE) * factor) for factor in np.linspace(0.6, 1.1, 30)]
    once, in_parts = Tally(), Tally()
    once.add(classify_window(numbers(*spectra), np.zeros((1, 30), np.uint8), RADIOMETRY, CLASSIFIER))
    for part in (spectra[:7], spectra[7:8], spectra[8:]):
        codes = np.zeros((1, len(part)), np.uint8)
        in_parts.add(classify_window(numbers(*part), codes, RADIOMETRY, CLASSIFIER))
    assert once.albedo_moments() == in_parts.albedo_moments()
    assert once.index_moments() == in_parts.index_moments()


def test_statistics_of_nothing_say_so() -> None:
    tally = Tally()
    assert tally.albedo_moments() is None
    assert tally.percent(SurfaceClass.SNOW) == 0
