"""The watchlist: what people may write in it, and what is refused with the place and the reason."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from shared.errors import BadSetting
from shared.models import Tile
from shared.watchlist import MAX_BYTES, Watchlist

AREA: dict[str, Any] = {"name": "Dark zone", "tiles": ["22WEV"]}


def listed(*areas: dict[str, Any], **top: Any) -> str:
    return json.dumps({"version": 1, "areas": areas, **top})


def test_name_and_tiles_are_all_that_an_area_needs() -> None:
    [area] = Watchlist.parse(listed(AREA)).areas
    assert area.months == tuple(range(1, 13))
    assert (area.since, area.until, area.scene_cloud_limit) == (None, None, 100)
    assert (area.cloud_probability, area.minimum_usable, area.resolution) == (None, None, None)


def test_everything_an_area_may_say_is_read() -> None:
    full = AREA | {
        "tiles": ["T22WEV", "22WEA"],
        "months": [6, 7, 8],
        "since": "2019-06-01",
        "until": "2024-08-31",
        "scene_cloud_limit": 70,
        "cloud_probability": 30,
        "minimum_usable": 25.5,
        "resolution": 60,
    }
    [area] = Watchlist.parse(listed(full).encode()).areas
    assert area.tiles == ("22WEV", "22WEA")
    assert (area.months, area.since, area.until) == ((6, 7, 8), date(2019, 6, 1), date(2024, 8, 31))
    assert (area.cloud_probability, area.minimum_usable, area.resolution) == (30, 25.5, 60)


def test_the_first_area_that_names_a_tile_is_its_area() -> None:
    watched = Watchlist.parse(listed(AREA | {"tiles": ["22WEA"]}, AREA, AREA | {"name": "again"}))
    area = watched.area_of(Tile("22WEV"))
    assert area
    assert area.name == "Dark zone"
    assert watched.area_of(Tile("22WEB")) is None


def test_an_empty_watchlist_watches_nothing() -> None:
    assert Watchlist.parse('{"version": 1}').areas == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "the whole file: Invalid JSON"),
        ("{", "the whole file: Invalid JSON"),
        ("[]", "the whole file"),
        ("{}", "version: Field required"),
        (listed(AREA, version=2), "version"),
        (listed(AREA, area=[]), "area: Extra"),
        (listed({"name": "x"}), "areas.0.tiles: Field required"),
        (listed(AREA | {"name": ""}), "areas.0.name"),
        (listed(AREA | {"tiles": []}), "areas.0.tiles"),
        (listed(AREA, AREA | {"tiles": ["22WEW"]}), "areas.1.tiles: Value error, '22WEW' is no Sentinel-2 tile"),
        (listed(AREA | {"months": [13]}), "areas.0.months: Value error, 13 is no month"),
        (listed(AREA | {"since": "June"}), "areas.0.since"),
        (listed(AREA | {"since": "2024-02-01", "until": "2024-01-01"}), "since 2024-02-01 lies after until 2024-01-01"),
        (listed(AREA | {"scene_cloud_limit": 101}), "areas.0.scene_cloud_limit"),
        (listed(AREA | {"cloud_probability": -1}), "areas.0.cloud_probability"),
        (listed(AREA | {"resolution": 10}), "areas.0.resolution"),
        (listed(AREA | {"minArea": 10}), "areas.0.minArea: Extra"),
    ],
)
def test_a_watchlist_that_cannot_be_used_is_refused_with_the_place(text: str, place: str) -> None:
    with pytest.raises(BadSetting) as caught:
        Watchlist.parse(text)
    assert place in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_watchlist_of_megabytes_is_not_even_parsed() -> None:
    with pytest.raises(BadSetting, match=f"{MAX_BYTES + 1} bytes"):
        Watchlist.parse(b" " * (MAX_BYTES + 1))
