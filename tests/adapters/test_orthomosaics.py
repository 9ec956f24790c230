"""Orthomosaics as files: what they hold is read as reflectance, and what is none is refused with one sentence."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pyproj import Geod

from shared.adapters.orthomosaics import GdalOrthomosaics
from shared.errors import BadProduct, StorageUnavailable
from shared.science.drone import DRONE_BANDS
from shared.science.orthomosaic import RADIOMETRY
from shared.science.windows import Window
from tests.orthomosaics import geotiff, scene

BANDS, TRUTH = scene()
WHOLE = Window(0, 0, *TRUTH.shape)


def read(data: bytes, window: Window = WHOLE) -> npt.NDArray[np.float32]:
    """Reflectances; NaN where there is nothing."""
    with GdalOrthomosaics().open(io.BytesIO(data), "ortho") as orthomosaic:
        numbers = orthomosaic.read(window)
    reflectance = RADIOMETRY.reflectance(numbers)
    reflectance[:, RADIOMETRY.lacks_data(numbers)] = np.nan
    return reflectance


def test_floating_point_is_reflectance() -> None:
    assert read(geotiff(BANDS)) == pytest.approx(BANDS, abs=5.1e-5)


def test_integers_have_32768_for_one_unless_the_file_states_a_scale() -> None:
    assert read(geotiff(np.rint(BANDS * 32768).astype(np.uint16))) == pytest.approx(BANDS, abs=1e-4)
    thousands = np.rint(BANDS * 1000).astype(np.int16)
    assert read(geotiff(thousands, scales=[0.001] * 5)) == pytest.approx(BANDS, abs=6e-4)


def test_integers_of_8_bits_need_a_scale() -> None:
    stored = np.rint(BANDS * 255).astype(np.uint8)
    assert read(geotiff(stored, scales=[1 / 255] * 5)) == pytest.approx(BANDS, abs=2.1e-3)


def test_bands_are_found_by_their_descriptions_in_any_order_and_among_others() -> None:
    names = ["Panchro", "NIR", "Red edge", "Red", "Green", "Blue", "LWIR"]
    stored = np.stack([BANDS[0] * 0, *BANDS[::-1], BANDS[0] * 0 + 290])
    assert read(geotiff(stored, names=names)) == pytest.approx(BANDS, abs=5.1e-5)


def test_of_a_camera_of_ten_bands_the_models_five_are_read() -> None:
    names = ["Blue-444", "Blue", "Green-531", "Green", "Red-650", "Red", "Red edge-705", "Red edge", "Red edge-740"]
    others = BANDS[:4] * 0.5
    stored = np.stack(
        [part for pair in zip(others, BANDS[:4], strict=True) for part in pair] + [BANDS[3] * 0.5, BANDS[4]]
    )
    assert read(geotiff(stored, names=[*names, "NIR"])) == pytest.approx(BANDS, abs=5.1e-5)


def test_wavelengths_in_the_metadata_name_bands_too() -> None:
    stored = np.stack([*BANDS[::-1], BANDS[0] * 0.5])
    data = geotiff(stored, names=None, wavelengths=[0.842, 0.717, 0.668, 0.56, 0.475, 0.444])
    assert read(data) == pytest.approx(BANDS, abs=5.1e-5)


def test_without_descriptions_the_order_is_that_of_the_wavelengths() -> None:
    data = geotiff(BANDS, names=None)
    assert read(data) == pytest.approx(BANDS, abs=5.1e-5)
    with GdalOrthomosaics().open(io.BytesIO(data), "ortho") as orthomosaic:
        assert not orthomosaic.choice.is_named
    alpha = np.full(TRUTH.shape, 255, np.uint8)
    assert read(geotiff(BANDS, names=None, alpha=alpha)) == pytest.approx(BANDS, abs=5.1e-5)


@pytest.mark.parametrize("how", ["nodata", "alpha", "not a number", "zero in all bands"])
def test_where_there_is_nothing_there_is_nothing(how: str) -> None:
    stored, more = BANDS.copy(), dict[str, Any]()
    stored[:, :10] = {"nodata": -10000.0, "alpha": 0.5, "not a number": np.nan, "zero in all bands": 0.0}[how]
    if how == "nodata":
        more["nodata"] = -10000.0
    if how == "alpha":
        more["alpha"] = np.where(np.arange(60) < 10, 0, 255)[:, None].repeat(90, axis=1).astype(np.uint8)
    found = read(geotiff(stored, **more))
    assert np.isnan(found[:, :10]).all()
    assert found[:, 10:] == pytest.approx(BANDS[:, 10:], abs=5.1e-5)


def test_a_reflectance_as_low_as_no_surface_has_is_no_missing_data() -> None:
    stored = BANDS.copy()
    stored[2, :10] = -0.1  # the number that would stand for nodata
    stored[2, 10:20] = -0.0999
    with GdalOrthomosaics().open(io.BytesIO(geotiff(stored)), "ortho") as orthomosaic:
        numbers = orthomosaic.read(WHOLE)
    assert not RADIOMETRY.lacks_data(numbers).any()
    assert RADIOMETRY.is_saturated(numbers)[:10].all()
    assert not RADIOMETRY.is_saturated(numbers)[10:].any()


def test_windows_are_the_same_as_the_whole() -> None:
    data = geotiff(BANDS, tiled=True, blockxsize=16, blockysize=16, compress="DEFLATE")
    assert (read(data, Window(7, 11, 40, 50)) == read(data)[:, 7:47, 11:61]).all()


CODES = [
    ("EPSG:32622", (10, 0, 5e5, 0, -10, 745e4)),
    ("EPSG:32622", (10, 0, 1.3e6, 0, -10, 745e4)),  # two zones beside its own
    ("EPSG:3857", (10, 0, -5.5e6, 0, -10, 1.02e7)),
    ("EPSG:3413", (5, 0, -2e5, 0, -20, -25e5)),
    ("EPSG:3573", (10, 0, 0, 0, -10, -24e5)),
    ("EPSG:4326", (1e-4, 0, -49.0, 0, -1e-4, 67.0)),
    ("EPSG:4326", (1e-4, 0, 311.0, 0, -1e-4, 67.0)),
    ("EPSG:4326", (1e-4, 0, 179.999, 0, -1e-4, -67.0)),
    ("EPSG:3031", (10, 0, -450, 0, -10, 300)),  # around the pole
    ("EPSG:2225", (30, 0, 6e6, 0, -30, 2e6)),  # US survey feet
    ("+proj=laea +lat_0=67 +lon_0=-49 +ellps=WGS84 +units=km", (0.01, 0, 0, 0, -0.01, 0)),
]


@pytest.mark.parametrize(("crs", "transform"), CODES)
def test_pixels_measure_on_the_ground_what_geodesics_say(crs: str, transform: tuple[float, ...]) -> None:
    with GdalOrthomosaics().open(io.BytesIO(geotiff(BANDS, crs=crs, transform=transform)), "ortho") as orthomosaic:
        place = orthomosaic.place
    earth = Geod(ellps="WGS84")
    ring = np.array(place.outline)
    area, _ = earth.polygon_area_perimeter(ring[:, 0], ring[:, 1])
    assert place.ground.pixel_m2 * TRUTH.size == pytest.approx(abs(area), rel=3e-6)
    assert place.pixel_km2 == pytest.approx(place.ground.pixel_m2 / 1e6)
    assert place.metres**2 == pytest.approx(place.ground.pixel_m2)
    lengths = [earth.line_length(edge[:, 0], edge[:, 1]) / TRUTH.shape[1] for edge in (ring[:21], ring[40:61])]
    assert place.ground.across == pytest.approx(np.mean(lengths), rel=1e-3)


@pytest.mark.parametrize(
    ("crs", "transform", "metres"),
    [
        ("EPSG:32622", (0.1, 0, 5e5, 0, -0.1, 745e4), 0.1),
        ("EPSG:3857", (0.1, 0, -5.5e6, 0, -0.1, 1.02e7), 0.0389),
        ("EPSG:4326", (1e-5, 0, -49.0, 0, -1e-5, 67.0), 0.6976),
        ("EPSG:2225", (1, 0, 6e6, 0, -1, 2e6), 0.3048),  # US survey feet
    ],
)
def test_any_coordinate_system_will_do(crs: str, transform: tuple[float, ...], metres: float) -> None:
    data = geotiff(BANDS, crs=crs, transform=transform)
    with GdalOrthomosaics().open(io.BytesIO(data), "ortho") as orthomosaic:
        assert orthomosaic.place.crs == crs
        assert orthomosaic.place.metres == pytest.approx(metres, rel=1e-3)
        assert orthomosaic.place.outline[0] == orthomosaic.place.outline[-1]


@pytest.mark.parametrize(
    ("crs", "transform", "spread"),
    [
        ("EPSG:32622", (100, 0, 5e5, 0, -100, 745e4), 0.0),
        ("EPSG:3857", (100, 0, -5.5e6, 0, -100, 1.02e7), 0.15),
        ("EPSG:3857", (1000, 0, -5.5e6, 0, -1000, 1.02e7), 1.55),
    ],
)
def test_what_a_projection_does_to_areas_is_said_where_it_is_much(
    crs: str, transform: tuple[float, ...], spread: float
) -> None:
    with GdalOrthomosaics().open(io.BytesIO(geotiff(BANDS, crs=crs, transform=transform)), "ortho") as orthomosaic:
        place = orthomosaic.place
    assert place.ground.spread == pytest.approx(spread, abs=0.03)
    expected = f"its largest pixel covers {place.ground.spread:.1f} % more ground than its smallest"
    assert (expected in place.note) is (spread > 1)
    assert bool(place.note) is (spread > 1)


def test_a_coordinate_system_without_a_code_will_do_too() -> None:
    own = "+proj=laea +lat_0=67 +lon_0=-49 +ellps=WGS84 +units=m"
    with GdalOrthomosaics().open(io.BytesIO(geotiff(BANDS, crs=own, transform=(2, 0, 0, 0, -2, 0))), "o") as found:
        assert "Lambert_Azimuthal_Equal_Area" in found.place.crs
        assert found.place.outline[0][0] == pytest.approx(-49, abs=0.01)


@pytest.mark.parametrize(
    ("tag", "year"), [("2017:07:21 12:00:00", 2017), ("yesterday", None), ("9999:99:99 00:00:00", None)]
)
def test_the_time_is_what_the_file_states_if_it_is_one(tag: str, year: int | None) -> None:
    with GdalOrthomosaics().open(io.BytesIO(geotiff(BANDS, tags={"TIFFTAG_DATETIME": tag})), "ortho") as orthomosaic:
        assert (orthomosaic.taken.year if orthomosaic.taken else None) == year


def _header(width: int, height: int, bands: int = 5, rows_per_strip: int = 1) -> bytes:
    """A GeoTIFF that claims a size and holds nothing."""
    tags = {
        256: (4, width),
        257: (4, height),
        258: (3, 16),
        259: (3, 1),
        262: (3, 1),
        273: (4, 8),
        277: (3, bands),
        278: (4, rows_per_strip),
        279: (4, 8),
        284: (3, 2),
    }
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is no readable GeoTIFF"),
        (b"PK\x03\x04", "is no readable GeoTIFF"),
        (b"<VRTDataset rasterXSize='5' rasterYSize='5'/>", "is no readable GeoTIFF"),
        (geotiff(BANDS)[:300], "is no readable GeoTIFF"),
        (_header(2_000_000, 2_000_000), "has 2000000 x 2000000 pixels; at most 1600000000 are accepted"),
        (_header(1000, 1000, bands=300), "has 300 bands; at most 16 are accepted"),
        (geotiff(BANDS[:3], names=None), "has 3 bands without names; expected Blue, Green, Red, RedEdge, NIR"),
        (
            geotiff(BANDS, names=["Blue", "Green", "Red", "a", "b"]),
            "names its bands 'Blue', 'Green', 'Red', 'a', 'b', of which none is RedEdge (717 nm, at",
        ),
        (geotiff(BANDS.astype(np.complex64)), "holds complex64; expected numbers"),
        (
            geotiff((BANDS * 255).astype(np.uint8)),
            "holds integers of 8 bits without a scale, so that nothing says which",
        ),
        (geotiff((BANDS * 127).astype(np.int8)), "holds integers of 8 bits without a scale"),
        (geotiff(BANDS, scales=[1, 1, 0, 1, 1]), "states the scale 0 and the offset 0 for Red; expected a scale of"),
        (geotiff(BANDS, scales=[1, np.nan, 1, 1, 1]), "states the scale nan and the offset 0 for Green"),
        (geotiff(BANDS, scales=[np.inf, 1, 1, 1, 1]), "states the scale inf and the offset 0 for Blue"),
        (geotiff(BANDS, scales=[-1, 1, 1, 1, 1]), "states the scale -1 and the offset 0 for Blue"),
        (geotiff(BANDS, transform=(1e-30, 0, 5e5, 0, -1e-30, 745e4)), "has pixels of 1e-30 m; expected 0.0001"),
        (geotiff(BANDS, transform=(1500, 0, 5e5, 0, -1500, 745e4)), "has pixels of 1500 m; expected 0.0001 to 1000 m"),
        (geotiff(BANDS, crs=None), "has no coordinate system"),
        (geotiff(BANDS, transform=(0.1, 0.01, 5e5, 0.01, -0.1, 7e6)), "is not north-up"),
        (geotiff(BANDS, transform=(0.1, 0, 5e5, 0, 0.1, 7e6)), "is not north-up"),
        (geotiff(BANDS, transform=(0.1, 0, 1e12, 0, -0.1, 7e12)), "has a coordinate system that cannot be used"),
        (geotiff(BANDS, crs="EPSG:4326", transform=(1, 0, 0, 0, -1, 500)), "lies outside what its coordinate system"),
        (
            geotiff(np.ones((5, 1, 45_000), np.uint16), crs="EPSG:4326", transform=(0.01, 0, -270, 0, -0.01, 80)),
            "lies outside what its coordinate system",  # more than once around
        ),
        (geotiff(BANDS, crs="EPSG:4326", transform=(0.001, 0, 1e6, 0, -0.001, 5)), "lies outside what its coordinate"),
    ],
    ids=lambda value: value[:24].strip() if isinstance(value, str) else "",
)
def test_what_is_no_orthomosaic_is_refused_with_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(BadProduct) as caught, GdalOrthomosaics().open(io.BytesIO(data), "ortho"):
        pass
    assert str(caught.value).startswith(f"ortho {sentence}")
    assert "\n" not in str(caught.value)


def test_blocks_too_large_to_decode_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.adapters.orthomosaics.MOST_BLOCK", 1000)
    with pytest.raises(BadProduct, match=r"stored in blocks of .* store it in tiles"):
        read(geotiff(BANDS))


def test_pixels_that_do_not_decode_are_named() -> None:
    data = bytearray(geotiff(BANDS, tiled=True, blockxsize=16, blockysize=16, compress="DEFLATE"))
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    with (
        GdalOrthomosaics().open(io.BytesIO(bytes(data)), "ortho") as orthomosaic,
        pytest.raises(BadProduct, match="ortho is damaged: its pixels from row 0, column 0 do not decode"),
    ):
        orthomosaic.read(WHOLE)


def test_a_file_whose_end_is_missing_is_refused() -> None:
    whole = geotiff(BANDS, tiled=True, blockxsize=16, blockysize=16)
    for part in (0.01, 0.5, 0.99):
        with (
            pytest.raises(BadProduct, match=r"^ortho is (no readable GeoTIFF|damaged)"),
            GdalOrthomosaics().open(io.BytesIO(whole[: int(len(whole) * part)]), "ortho") as orthomosaic,
        ):
            orthomosaic.read(WHOLE)


class Flaky(io.BytesIO):
    """A blob whose storage becomes busy after some bytes."""

    def __init__(self, data: bytes, good_for: int) -> None:
        super().__init__(data)
        self.left = good_for

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.left -= len(found)
        if self.left < 0:
            raise StorageUnavailable("Storage is busy.")
        return found


@pytest.mark.parametrize("good_for", [0, 100, 30_000])
def test_busy_storage_stays_busy_storage_and_becomes_no_damage(good_for: int) -> None:
    data = geotiff(BANDS, tiled=True, blockxsize=16, blockysize=16)
    with (
        pytest.raises(StorageUnavailable),
        GdalOrthomosaics().open(Flaky(data, good_for), "ortho") as orthomosaic,
    ):
        orthomosaic.read(WHOLE)


def test_a_window_fetches_little_of_a_large_file() -> None:
    large = np.tile(BANDS, (1, 20, 15))
    data = geotiff(large, tiled=True, blockxsize=64, blockysize=64)
    counted = Flaky(data, len(data))
    with GdalOrthomosaics().open(counted, "ortho") as orthomosaic:
        orthomosaic.read(Window(0, 0, 64, 64))
    assert len(data) - counted.left < len(data) / 20


def test_the_bands_of_the_tests_are_those_of_the_model() -> None:
    assert len(BANDS) == len(DRONE_BANDS)
