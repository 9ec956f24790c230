"""The true-colour picture of a small L2A product."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from shared.adapters.truecolour import true_colour
from shared.errors import BadProduct
from shared.models import l2a_folder
from tests.fakes import FakeStore
from tests.small_l2a import PRODUCT, Scene, l2a_files_of, named

FOLDER = l2a_folder(PRODUCT)


def _scene(red: float, green: float, blue: float) -> Scene:
    scene = Scene.of_classes(rows=64, columns=64)
    flat = {band: np.full(scene.shape, value) for band, value in (("B04", red), ("B03", green), ("B02", blue))}
    return replace(scene, reflectance=dict(scene.reflectance) | flat)


def _picture(files: dict[str, bytes], **options: int) -> np.ndarray:
    store = FakeStore({FOLDER / name: data for name, data in files.items()})
    return np.asarray(Image.open(io.BytesIO(true_colour(store, FOLDER, **options))))


@pytest.mark.parametrize("offset", [0, -1000])
def test_reflectance_is_shown_as_screens_expect_it_whatever_the_offset(offset: int):
    picture = _picture(l2a_files_of(_scene(0.5, 0.2, 0.05), offset=offset))
    # The transfer function of sRGB, IEC 61966-2-1: 0.5 -> 188, 0.2 -> 124, 0.05 -> 63
    assert np.abs(picture.astype(int) - [188, 124, 63]).max() <= 3


def test_snow_keeps_its_shades_where_other_pictures_are_white_throughout():
    assert _picture(l2a_files_of(_scene(0.9, 0.9, 0.9))).max() < 250
    assert _picture(l2a_files_of(_scene(1.2, 1.2, 1.2))).min() == 255


def test_a_large_product_becomes_a_picture_of_bounded_size():
    files = l2a_files_of(Scene.of_classes(rows=64, columns=48))
    assert _picture(files, side=40).shape == (40, 30, 3)
    assert _picture(files).shape == (64, 48, 3)


def test_a_band_that_is_cut_short_is_refused_and_no_half_picture_shown():
    files = l2a_files_of(_scene(0.5, 0.5, 0.5))
    name = named(files, "B03")
    with pytest.raises(BadProduct, match=r"B03 of .* is cut short"):
        _picture(files | {name: files[name][:-200]})


def test_a_product_without_its_bands_is_refused_with_what_is_missing():
    files = l2a_files_of(_scene(0.5, 0.5, 0.5), resolution=20)
    del files[named(files, "B02")]
    with pytest.raises(BadProduct, match="B02 missing"):
        _picture(files)
