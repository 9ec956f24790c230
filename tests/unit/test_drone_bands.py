"""The model's bands among those of a file: by wavelength, by name, by order, or refused with what was read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadProduct
from shared.science.drone import DRONE_BANDS, MICASENSE
from shared.science.drone_bands import BandText, Choice, choose

DUAL = ("Blue-444", "Blue", "Green-531", "Green", "Red-650", "Red", "Red edge-705", "Red edge", "Red edge-740", "NIR")


def chosen(names: Sequence[str | tuple[str, float]]) -> Choice:
    texts = [(name, None) if isinstance(name, str) else name for name in names]
    return choose([BandText(number, *text) for number, text in enumerate(texts, start=1)], "ortho")


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (DUAL, (2, 4, 6, 8, 10)),
        (("Blue", "Green", "Red", "NIR", "Red edge", *(name for name in DUAL if "-" in name)), (1, 2, 3, 5, 4)),
        (("NIR", "Red Edge", "RED", "green", "blue"), (5, 4, 3, 2, 1)),
        (("Panchro", "near infrared", "red-edge", "Red", "Green", "Blue", "LWIR"), (6, 5, 4, 3, 2)),
        (("Band 1: Blue", "Band 2: Green", "Band 3: Red", "Band 4: Red edge", "Band 5: NIR"), (1, 2, 3, 4, 5)),
        (("Blue reflectance", "Green reflectance", "Red reflectance", "NIR reflectance", "RedEdge"), (1, 2, 3, 5, 4)),
        (("842 nm", "717 nm", "668 nm", "560 nm", "475 nm"), (5, 4, 3, 2, 1)),
        (("NIR 842", "Red edge (717 nm)", "Red 668/14", "Green 550-570", "Blue 0.475 µm"), (5, 4, 3, 2, 1)),
        (("Blue 444", "Blue 470", "Blue 476", "Green", "Red", "Red edge", "NIR 860", "NIR 842"), (3, 4, 5, 6, 8)),
        (("N 842", "RE 717", "R 668", "G 560", "B 475"), (5, 4, 3, 2, 1)),
        (("Blue 475", "Green 560", "Red 668", "RE 717", "NIR 842"), (1, 2, 3, 4, 5)),
        (("820-860 nm", "712-722 nm", "658-678", "546/574", "459/491"), (5, 4, 3, 2, 1)),
        (("Blue 430-460", "Blue", "Green", "Red", "Red edge", "NIR"), (2, 3, 4, 5, 6)),
        ((("", 842.0), ("", 717.0), ("", 668.0), ("", 560.0), ("", 475.0), ("", 444.0)), (5, 4, 3, 2, 1)),
        ((("Blue", 444.0), ("Blue", 475.0), "Green", "Red", "Red edge", "NIR"), (2, 3, 4, 5, 6)),
        (("Blue 2017", "Green 2017", "Red 2017", "Red edge 2017", "NIR 2017"), (1, 2, 3, 4, 5)),
    ],
)
def test_bands_are_found_by_wavelength_and_name(
    names: Sequence[str | tuple[str, float]], numbers: tuple[int, ...]
) -> None:
    found = chosen(names)
    assert found.numbers == numbers
    assert found.is_named


@pytest.mark.parametrize(
    "names",
    [
        ("",) * 5,
        ("Band 1", "Band 2", "Band 3", "Band 4", "Band 5"),
        ("1", "2", "3", "4", "5"),
        ("ortho_01", "ortho_02", "ortho_03", "ortho_04", "ortho_05"),
        ("", "", "", "Band 4", ""),
    ],
)
def test_where_nothing_is_said_the_order_counts(names: Sequence[str]) -> None:
    found = chosen(names)
    assert found.numbers == (1, 2, 3, 4, 5)
    assert not found.is_named


@pytest.mark.parametrize(
    "names",
    [
        ("n", "r", "g", "b", "re"),
        ("Band 5", "Band 4", "Band 3", "Band 2", "Band 1"),
        ("reflectance",) * 5,
        ("B1", "G2", "R3", "RE4", "N5"),
        ("Blue", "Green", "Red", "Band 4", "Band 5"),
        ("Blue 450", "Green 560", "Red 650", "Red edge 730", "NIR 840"),  # another camera
        ("Red 475", "Green 560", "Blue 668", "Red edge 717", "NIR 842"),  # contradicts itself
        ("R 475", "G 560", "B 668", "RE 717", "N 842"),
        ("cam1 475 nm", "cam2 560 nm", "cam3 668 nm", "cam4 717 nm", "cam5 842 nm"),
        ("NDVI 475", "Green 560", "Red 668", "Red edge 717", "NIR 842"),
        (("Blue", 668.0), "Green", "Red", "Red edge", "NIR"),
    ],
)
def test_names_that_are_not_understood_are_refused_with_what_was_read_and_what_was_expected(
    names: Sequence[str | tuple[str, float]],
) -> None:
    with pytest.raises(
        BadProduct, match=r"of which none is .*; expected Blue, Green, Red, RedEdge, NIR, the"
    ) as caught:
        chosen(names)
    first = names[0] if isinstance(names[0], str) else names[0][0]
    assert str(caught.value).startswith(f"ortho names its bands '{first}'")


@pytest.mark.parametrize(
    ("names", "which"),
    [
        (("Blue", "Blue", "Green", "Red", "RedEdge", "NIR"), "as Blue: band 1, 'Blue' and band 2, 'Blue'"),
        (("Blue", "Blue 475", "Green", "Red", "RedEdge", "NIR"), "as Blue: band 1, 'Blue' and band 2, 'Blue 475'"),
        (("Blue", "Green", "Red", "Red edge 1", "Red edge 2", "NIR"), "band 4, 'Red edge 1' and band 5, 'Red edge 2'"),
        (("Blue", "Green", "Red", "Red edge", "NIR 830", "NIR 850"), "as NIR: band 5, 'NIR 830' and band 6, 'NIR 850'"),
    ],
)
def test_two_bands_that_are_equally_good_are_refused_with_both_names(names: Sequence[str], which: str) -> None:
    with pytest.raises(BadProduct, match="has 2 bands that are equally good") as caught:
        chosen(names)
    assert which in str(caught.value)
    assert "or give each its wavelength, as in '" in str(caught.value)


def test_the_count_counts_where_nothing_is_said() -> None:
    with pytest.raises(BadProduct, match="has 6 bands without names; expected Blue, Green, Red, RedEdge, NIR"):
        chosen(("",) * 6)


def test_a_long_list_of_names_makes_no_long_sentence() -> None:
    with pytest.raises(BadProduct) as caught:
        chosen(["x" * 80] * 16)
    assert len(str(caught.value)) < 800


@given(st.lists(st.text(max_size=30), max_size=16))
def test_any_text_is_understood_or_refused(names: list[str]) -> None:
    sentence, numbers = "", set(range(len(DRONE_BANDS)))
    try:
        numbers = set(chosen(names).numbers)
    except BadProduct as refused:
        sentence = str(refused)
    assert "\n" not in sentence
    assert len(numbers) == len(DRONE_BANDS)


@given(st.sampled_from(DRONE_BANDS), st.floats(-1, 1))
def test_a_wavelength_counts_within_the_width_of_the_models_band(name: str, part: float) -> None:
    middle, width = MICASENSE[name]
    assert BandText(1, name, middle + part * width * 0.999).claims() == name
    assert BandText(1, name, middle + width * 1.001).claims() is None
    assert BandText(1, name, middle - width * 1.001).claims() is None
