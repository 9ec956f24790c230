"""The simple atmosphere: forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadProduct
from shared.safe import BANDS, ICE_BANDS
from shared.science.atmosphere import WAVELENGTHS, atmosphere, direct_share, rayleigh_depth

VISIBLE_GROUND = [band for band in BANDS if band != "B10"]


@given(
    band=st.sampled_from(VISIBLE_GROUND),
    zenith=st.floats(0, 80),
    aerosol=st.floats(0, 0.5),
    surface=st.floats(0, 1.25, width=32),
)
def test_the_surface_comes_back_from_the_top_of_the_atmosphere(
    band: str, zenith: float, aerosol: float, surface: float
) -> None:
    air = atmosphere(band, zenith, aerosol=aerosol)
    ground = np.full((2, 3), surface, np.float32)
    back = air.surface(air.toa(ground))
    assert back.shape == ground.shape
    np.testing.assert_allclose(back, ground, atol=2e-3)


def test_all_thirteen_bands_have_a_wavelength() -> None:
    assert tuple(WAVELENGTHS) == BANDS


def test_molecules_scatter_blue_as_textbooks_say() -> None:
    assert rayleigh_depth(550) == pytest.approx(0.098, rel=0.01)
    assert rayleigh_depth(400) == pytest.approx(0.36, rel=0.02)
    assert rayleigh_depth(800) / rayleigh_depth(400) == pytest.approx(1 / 16, rel=0.1)  # the fourth power


def test_the_shorter_the_wave_the_more_the_air_shines_and_the_less_it_lets_through() -> None:
    airs = [atmosphere(band, 45, aerosol=0.06) for band in ("B01", *ICE_BANDS)]
    assert [air.path for air in airs] == sorted((air.path for air in airs), reverse=True)
    assert [air.transmittance for air in airs] == sorted(air.transmittance for air in airs)


def test_a_lower_sun_brightens_the_air_and_dims_the_ground() -> None:
    high, low = (atmosphere("B02", zenith, aerosol=0.06) for zenith in (30, 70))
    assert low.path > high.path
    assert low.transmittance < high.transmittance


@given(zenith=st.floats(0, 80), aerosol=st.floats(0, 0.5))
def test_no_more_light_comes_back_than_came(zenith: float, aerosol: float) -> None:
    for band in BANDS:
        air = atmosphere(band, zenith, aerosol=aerosol)
        white = float(air.toa(np.ones((1, 1), np.float32))[0, 0])
        assert 0 <= air.gas * air.path <= white <= 1.05  # single scattering is no exact balance
        assert 0 < direct_share(band, zenith, aerosol=aerosol) <= 1


def test_water_vapour_hides_the_ground_in_b09_only_partly_and_in_b10_wholly() -> None:
    wet, dry = (atmosphere("B09", 45, aerosol=0.06, water_vapour=cm) for cm in (2.0, 0.2))
    assert 0 < wet.gas < dry.gas < 1
    opaque = atmosphere("B10", 45, aerosol=0.06)
    assert not opaque.toa(np.ones((2, 2), np.float32)).any()
    with pytest.raises(BadProduct, match="blocks"):
        opaque.surface(np.zeros((2, 2), np.float32))


def test_nodata_stays_nodata() -> None:
    air = atmosphere("B03", 45, aerosol=0.06)
    pixels = np.array([[np.nan, 0.5]], np.float32)
    assert np.isnan(air.surface(pixels)).tolist() == [[True, False]]


@pytest.mark.parametrize("zenith", [80.1, 95, -1, float("nan")])
def test_a_sun_too_low_for_the_model_is_refused_with_its_angle(zenith: float) -> None:
    with pytest.raises(BadProduct, match="degrees from the zenith"):
        atmosphere("B03", zenith, aerosol=0.06)
