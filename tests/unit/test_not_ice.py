from __future__ import annotations

import numpy as np
import pytest

from models.spectra import read_responses, read_spectra
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from shared.science.indices import not_ice
from tests.conftest import SHARED, needs_shared
from tests.unit.spectra_tables import drawn

# B02 B03 B04 B05 B06 B07 B8A B11 B12; rounded, typical of what public spectral libraries and L2A products show.
NOT_ICE = {
    "gneiss": (0.09, 0.11, 0.13, 0.14, 0.16, 0.17, 0.19, 0.25, 0.21),
    "basalt": (0.05, 0.06, 0.07, 0.07, 0.07, 0.08, 0.08, 0.09, 0.08),
    "wet dark shale": (0.03, 0.035, 0.04, 0.04, 0.042, 0.043, 0.045, 0.05, 0.045),
    "moraine, dry": (0.16, 0.20, 0.24, 0.26, 0.28, 0.29, 0.31, 0.38, 0.34),
    "sand": (0.18, 0.25, 0.32, 0.35, 0.37, 0.38, 0.40, 0.48, 0.44),
    "tundra": (0.04, 0.07, 0.06, 0.11, 0.20, 0.24, 0.27, 0.19, 0.10),
    "grass": (0.03, 0.07, 0.04, 0.12, 0.32, 0.40, 0.44, 0.22, 0.11),
    "grass under thin cloud": (0.25, 0.25, 0.23, 0.25, 0.30, 0.31, 0.32, 0.04, 0.04),
    "grass under haze": (0.21, 0.18, 0.16, 0.18, 0.23, 0.24, 0.25, 0.03, 0.02),
    "clear sea": (0.06, 0.04, 0.02, 0.015, 0.01, 0.01, 0.008, 0.004, 0.003),
    "sea with sun glint": (0.11, 0.10, 0.09, 0.085, 0.08, 0.08, 0.08, 0.06, 0.05),
    # One rule alone tells each of these: of bare ground, of glint, the two of land under thin cloud, and two of water.
    "bright dry dust": (0.40, 0.46, 0.52, 0.54, 0.55, 0.57, 0.58, 0.22, 0.18),
    "sea full of silt with sun glint": (0.12, 0.14, 0.15, 0.13, 0.11, 0.10, 0.10, 0.05, 0.04),
    "soil under thin cloud": (0.30, 0.30, 0.29, 0.29, 0.295, 0.30, 0.305, 0.06, 0.05),
    "sparse grass under thin cloud": (0.22, 0.20, 0.16, 0.18, 0.20, 0.19, 0.19, 0.04, 0.03),
    "heath under thin cloud": (0.39, 0.355, 0.33, 0.345, 0.37, 0.375, 0.37, 0.03, 0.026),
    "estuary full of silt": (0.06, 0.075, 0.085, 0.083, 0.043, 0.043, 0.03, 0.013, 0.009),
    "mud flat under a film of water": (0.02, 0.031, 0.035, 0.039, 0.036, 0.039, 0.036, 0.006, 0.005),
    "sea under haze": (0.09, 0.08, 0.06, 0.06, 0.05, 0.05, 0.05, 0.03, 0.02),
    "stratus": (0.70, 0.69, 0.69, 0.69, 0.70, 0.70, 0.70, 0.45, 0.32),
    "no light at all": (0.0,) * 9,
}
# What must stay: cases at the edge of the six classes.
ICE = {
    "snow on a slope that faces the sun": (1.25, 1.24, 1.20, 1.18, 1.12, 1.05, 0.98, 0.09, 0.10),
    # Brighter in the infrared than snow can be by itself: light of the slope opposite, or a thin cloud's.
    "snow between sunlit slopes": (0.56, 0.55, 0.52, 0.53, 0.57, 0.59, 0.60, 0.06, 0.05),
    "fine snow under thin cloud": (0.62, 0.61, 0.60, 0.60, 0.60, 0.605, 0.61, 0.10, 0.08),
    "fine fresh snow": (0.96, 0.96, 0.95, 0.94, 0.92, 0.90, 0.88, 0.22, 0.20),
    "wet slush": (0.45, 0.44, 0.40, 0.37, 0.31, 0.26, 0.20, 0.005, 0.004),
    "deep blue lake on ice": (0.25, 0.18, 0.09, 0.07, 0.05, 0.045, 0.035, 0.005, 0.004),
    "dusty ice, reddened": (0.17, 0.18, 0.21, 0.23, 0.245, 0.245, 0.24, 0.022, 0.020),
    "ice full of dust, redder than soil": (0.20, 0.23, 0.26, 0.28, 0.32, 0.33, 0.33, 0.03, 0.025),
    "ice with a tenth of dry dust": (0.43, 0.42, 0.43, 0.43, 0.42, 0.39, 0.36, 0.045, 0.04),
    "ice in the shadow of a hill": (0.24, 0.22, 0.19, 0.18, 0.17, 0.15, 0.13, 0.004, 0.003),
    "heavy algae in slush": (0.265, 0.261, 0.265, 0.269, 0.213, 0.189, 0.135, 0.017, 0.015),
    "cryoconite under five centimetres of water": (0.098, 0.098, 0.093, 0.091, 0.076, 0.073, 0.047, 0.004, 0.003),
    "cryoconite under ten centimetres of water": (0.12, 0.118, 0.11, 0.104, 0.073, 0.073, 0.048, 0.002, 0.002),
    "light algae under blue haze": (0.31, 0.295, 0.275, 0.30, 0.305, 0.30, 0.29, 0.01, 0.008),
    "dark slush with cryoconite": (0.09, 0.09, 0.088, 0.087, 0.066, 0.062, 0.055, 0.004, 0.003),
    "wet cryoconite": (0.08, 0.08, 0.078, 0.077, 0.072, 0.068, 0.055, 0.010, 0.009),
    "the darkest cryoconite": (0.045, 0.045, 0.044, 0.044, 0.042, 0.041, 0.034, 0.009, 0.008),
}


def verdict(*spectra: tuple[float, ...]) -> list[bool]:
    found: list[bool] = not_ice(*np.array(spectra, np.float32).T).tolist()
    return found


@pytest.mark.parametrize("name", NOT_ICE)
def test_what_is_none_of_the_six_classes_is_said_to_be_no_ice(name: str) -> None:
    assert verdict(NOT_ICE[name]) == [True]


@pytest.mark.parametrize("name", ICE)
def test_odd_ice_is_still_ice(name: str) -> None:
    assert verdict(ICE[name]) == [False]


@pytest.mark.parametrize("bias", [-0.004, 0.0, 0.006])
@pytest.mark.parametrize("brightness", [0.8, 1.0, 1.15])
def test_at_most_two_percent_of_any_class_are_lost(brightness: float, bias: float) -> None:
    features, codes = drawn(2000)
    seen = np.maximum(features * brightness + bias * np.linspace(1, 0.2, 9), 0.001).astype(np.float32)
    lost = not_ice(*seen.T)
    for surface in SurfaceClass:
        assert lost[codes == surface].mean() <= 0.02, surface


@needs_shared
@pytest.mark.parametrize("bias", [-0.006, 0.0, 0.006])
@pytest.mark.parametrize("brightness", [0.7, 1.0, 1.3])
@pytest.mark.parametrize("platform", ["S2A", "S2B", "S2C"])
def test_no_field_spectrum_is_lost_on_a_slope_or_under_a_residue_of_haze(
    platform: str, brightness: float, bias: float
) -> None:
    data = SHARED / "data/spectra"
    field = read_spectra(data / "field_hcrf_2017.csv", data / "site_classes_2017.csv")
    features = field.weighted(read_responses(data / f"msi_srf_{platform}.tsv", ICE_BANDS))
    seen = (features * brightness + bias * np.linspace(1, 0.2, 9)).astype(np.float32)
    lost = not_ice(*seen.T)
    assert len(lost) == 63
    assert not lost.any()


def test_single_numbers_and_arrays_get_the_same_verdict() -> None:
    spectra = np.random.default_rng(2).random((500, 9), np.float32) * np.float32(0.4)
    assert [bool(not_ice(*one)) for one in spectra] == not_ice(*spectra.T).tolist()


def test_arrays_keep_their_shape_and_values() -> None:
    spectra = np.random.default_rng(2).random((9, 3, 4), np.float32)
    before = spectra.copy()
    assert not_ice(*spectra).shape == (3, 4)
    assert (spectra == before).all()


@needs_shared
def test_a_real_coast_is_next_to_nowhere_taken_for_ice() -> None:
    import rasterio

    product = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE"
    (granule,) = (SHARED / "data/safe" / product / "GRANULE").iterdir()

    def band(pattern: str) -> np.ndarray:
        with rasterio.open(next(granule.glob(pattern))) as raster:
            return np.asarray(raster.read(1))

    numbers = np.stack([band(f"IMG_DATA/R60m/*_{name}_60m.jp2") for name in ICE_BANDS])
    clear = ~np.isin(band("IMG_DATA/R60m/*_SCL_60m.jp2"), (0, 1, 3, 8, 9, 10))
    clear &= (band("QI_DATA/*CLDPRB_60m.jp2") < 20) & (numbers != 0).all(axis=0)
    left = clear & ~not_ice(*((numbers.astype(np.float32) - 1000) / 10000))
    assert 100 * left.mean() < 0.03  # percent of the tile
