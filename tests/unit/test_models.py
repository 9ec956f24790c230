"""Tiles, months, product names and blob paths: what parses, and what is refused with which sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadName, LongProductName
from shared.models import (
    BlobPath,
    Level,
    ProductName,
    State,
    Tile,
    TileMonth,
    l2a_folder,
    l2a_of_manifest,
    shown,
    staged_zip,
    surface_folder,
)

NAME = "S2B_MSIL1C_20240716T151809_N0510_R068_T22WEV_20240716T184612"
L2A = NAME.replace("L1C", "L2A")

TILES = st.from_regex(r"(0[1-9]|[1-5][0-9]|60)[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]", fullmatch=True).map(Tile)
INSTANTS = st.datetimes(
    min_value=datetime(2015, 6, 23),  # noqa: DTZ001  # hypothesis adds the zone
    max_value=datetime(2099, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda at: at.replace(microsecond=0))
PRODUCTS = st.builds(
    ProductName,
    platform=st.sampled_from("ABCDZ").map("S2{}".format),
    level=st.sampled_from(Level),
    sensing=INSTANTS,
    baseline=st.integers(0, 9999).map("{:04d}".format),
    orbit=st.integers(1, 143),
    tile=TILES,
    discriminator=INSTANTS,
)


@given(TILES, st.sampled_from(["", "T"]))
def test_a_tile_parses_with_and_without_the_leading_t(tile: Tile, prefix: str) -> None:
    assert Tile.parse(prefix + tile.name) == tile
    assert str(tile) == tile.name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "22WE",
        "22WEVX",
        "TT22WEV",
        "22wev",
        "00WEV",
        "61WEV",
        "22IEV",
        "22WIV",
        "22WEW",
        "22AEV",
        "22WEV\n",
        " 22WEV",
    ],
)
def test_what_is_no_tile_is_refused_with_what_arrived(text: str) -> None:
    with pytest.raises(BadName, match="is no Sentinel-2 tile; expected a name like 22WEV"):
        Tile.parse(text)


def test_a_tile_with_its_leading_t_cannot_be_made_by_hand() -> None:
    with pytest.raises(BadName, match="'T22WEV'"):
        Tile("T22WEV")


@given(PRODUCTS, st.sampled_from(["", ".SAFE", ".SAFE.zip", ".zip"]))
def test_a_product_name_survives_writing_and_parsing(product: ProductName, suffix: str) -> None:
    assert ProductName.parse(str(product) + suffix) == product


def test_a_product_name_says_what_it_says() -> None:
    product = ProductName.parse(NAME)
    assert (product.platform, product.level, product.baseline, product.orbit) == ("S2B", Level.L1C, "0510", 68)
    assert (product.sensing, product.tile) == (datetime(2024, 7, 16, 15, 18, 9, tzinfo=UTC), Tile("22WEV"))
    assert (product.stamp, product.safe) == ("20240716T151809", f"{NAME}.SAFE")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S2B_MSIL1C",
        NAME.lower(),
        NAME + "x",
        NAME + "\n",
        "../" + NAME,
        NAME.replace("S2B", "S3A"),
        NAME.replace("S2B", "S2"),
        NAME.replace("L1C", "L1B"),
        NAME.replace("R068", "R68"),
        NAME.replace("22WEV", "22WEW"),
        NAME.replace("N0510", "N05.1"),
        NAME.replace("20240716T151809", "２０２４0716T151809"),  # digits of another script
    ],
)
def test_what_is_no_product_name_is_refused(text: str) -> None:
    with pytest.raises(BadName, match="is no Sentinel-2 product name"):
        ProductName.parse(text)


@pytest.mark.parametrize("stamp", ["20240230T151809", "20241316T151809", "20240716T251809", "00000716T151809"])
def test_a_name_with_an_impossible_time_is_refused_with_that_time(stamp: str) -> None:
    with pytest.raises(BadName, match=f"{stamp}.*no date and time"):
        ProductName.parse(NAME.replace("20240716T151809", stamp))


@pytest.mark.parametrize("orbit", [0, 144, 999])
def test_an_orbit_that_sentinel_2_does_not_fly_is_refused(orbit: int) -> None:
    with pytest.raises(BadName, match=f"relative orbit {orbit}"):
        ProductName.parse(NAME.replace("R068", f"R{orbit:03d}"))


@pytest.mark.parametrize("suffix", ["", ".SAFE", ".zip"])
def test_a_name_of_before_december_2016_is_told_from_nonsense(suffix: str) -> None:
    old = "S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807"
    with pytest.raises(LongProductName, match="before 2016-12-06"):
        ProductName.parse(old + suffix)


def refusal(parse: Callable[[], object]) -> str:
    """The sentence that ``parse`` refuses with; "" where it does not."""
    try:
        parse()
    except BadName as error:
        return str(error)
    return ""


@given(st.text(max_size=80))
def test_any_text_parses_or_is_refused_in_one_line(text: str) -> None:
    for parse in (ProductName.parse, Tile.parse, BlobPath.parse):
        assert refusal(partial(parse, text)).isprintable()


def test_reprocessings_and_halves_share_their_acquisition_and_other_platforms_do_not() -> None:
    product = ProductName.parse(NAME)
    again = ProductName.parse(NAME.replace("N0510", "N0511").replace("184612", "200000"))
    other = ProductName.parse(NAME.replace("S2B", "S2C"))
    assert product.acquisition == again.acquisition != other.acquisition


@pytest.mark.parametrize(
    "key", ["2024-13", "2024-00", "2024-7", "24-07", "2024-07-01", "2014-12", "2101-01", "", "2024-07\n"]
)
def test_what_is_no_month_of_sentinel_2_is_refused(key: str) -> None:
    with pytest.raises(BadName, match="is no month"):
        TileMonth.parse("22WEV", key)


@given(TILES, st.integers(2015, 2099), st.integers(1, 12))
def test_a_month_ends_where_the_next_begins(tile: Tile, year: int, month: int) -> None:
    this = TileMonth(tile, year, month)
    assert TileMonth.parse(tile.name, this.key) == this
    assert this.end == this.next().start
    assert 28 <= (this.end - this.start).days <= 31


def test_december_is_followed_by_january() -> None:
    assert TileMonth.parse("22WEV", "2023-12").next() == TileMonth(Tile("22WEV"), 2024, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "l1c",
        "l1c/",
        "/name",
        "l1c//name",
        "l1c/a/../b",
        "l1c/..",
        "l1c/./a",
        "l1c/a/",
        "l1c/a\\b",
        "l1c/a\nb",
        "l1c/" + "x" * 1025,
    ],
    ids=lambda text: str(text)[:20] or "nothing",
)
def test_a_path_that_climbs_hides_or_is_empty_is_refused(text: str) -> None:
    with pytest.raises(BadName, match="is no blob path IceWatch accepts"):
        BlobPath.parse(text)


@given(PRODUCTS)
def test_every_blob_of_a_product_mirrors_the_same_virtual_folder(product: ProductName) -> None:
    middle = f"{product.tile}/{product.sensing:%Y}/{product.sensing:%m}"
    assert str(staged_zip(product)) == f"l1c/{middle}/{product}.SAFE.zip"
    assert str(l2a_folder(product)) == f"l2a/{middle}/{product}.SAFE"
    assert str(surface_folder(product)) == f"surface/{middle}/{product}.SAFE"


def test_the_manifest_of_an_l2a_folder_names_its_product() -> None:
    product = ProductName.parse(L2A)
    assert l2a_of_manifest(l2a_folder(product) / "manifest.safe") == product


@pytest.mark.parametrize(
    "text",
    [
        f"l2a/22WEV/2024/07/{L2A}.SAFE/MTD_MSIL2A.xml",
        f"l2a/22WEV/2024/07/{L2A}.SAFE/DATASTRIP/manifest.safe",
        f"l2a/22WEV/2024/08/{L2A}.SAFE/manifest.safe",
        f"l2a/22WEA/2024/07/{L2A}.SAFE/manifest.safe",
        f"l1c/22WEV/2024/07/{L2A}.SAFE/manifest.safe",
        f"l2a/22WEV/2024/07/{NAME}.SAFE/manifest.safe",
        f"l2a/22WEV/2024/07/{L2A}/manifest.safe",
        "l2a/manifest.safe",
    ],
)
def test_anything_else_is_no_manifest_of_an_l2a_folder(text: str) -> None:
    with pytest.raises(BadName):
        l2a_of_manifest(BlobPath.parse(text))


@given(st.text(), st.integers(1, 50))
def test_shown_text_is_short_and_printable(text: str, limit: int) -> None:
    result = shown(text, limit)
    assert len(result) <= limit
    assert result.isprintable()


def test_the_final_states_are_those_after_which_nothing_follows_by_itself() -> None:
    assert {state.value for state in State if state.is_final} == {"SKIPPED", "CLASSIFIED", "REJECTED", "FAILED"}


def test_states_are_spelled_as_the_ledger_shows_them() -> None:
    assert all(re.fullmatch("[A-Z]+", state) and state.name == state.value for state in State)
