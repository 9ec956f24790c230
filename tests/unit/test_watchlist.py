"""The watchlist: what people may write in it, what is refused with the place and the reason, and what is in force."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from shared.cloud import CloudRule
from shared.errors import BadSetting
from shared.models import CONFIG, WATCHLIST, BlobPath, State, Tile
from shared.pipeline.watching import ACCEPTED, in_force, parse, settings_of, watchlist
from shared.records import REFUSED, Record
from shared.settings import Defaults
from shared.watchlist import MAX_BYTES, Watchlist
from tests.fakes import FakeClock, FakeLedger, FakeStore

AREA: dict[str, Any] = {"name": "Dark zone", "tiles": ["22WEV"]}


def listed(*areas: dict[str, Any], **top: Any) -> str:
    return json.dumps({"version": 1, "areas": areas, **top})


def square(west: float, south: float, side: float = 0.1, *, closed: bool = True) -> dict[str, Any]:
    ring = [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]
    return {"type": "Polygon", "coordinates": [ring if closed else ring[:-1]]}


def test_name_and_tiles_are_all_that_an_area_needs() -> None:
    [area] = Watchlist.parse(listed(AREA)).areas
    assert area.months == tuple(range(1, 13))
    assert (area.since, area.until, area.scene_cloud_limit) == (None, None, 100)
    assert (area.cloud_probability, area.minimum_usable, area.resolution) == (None, None, None)
    assert (area.catalogue, area.correction, area.ice_mask, area.model) == ("cdse", "sen2cor", None, None)


def test_everything_an_area_may_say_is_read() -> None:
    full = AREA | {
        "tiles": ["T22WEV", "22WEA"],
        "months": [6, 7, 8],
        "since": "2019-06-01",
        "until": "2024-08-31",
        "scene_cloud_limit": 70,
        "cloud_probability": 30,
        "cloud_rule": "both",
        "minimum_usable": 25.5,
        "resolution": 60,
        "catalogue": "dhus",
        "correction": "official",
        "ice_mask": "config/masks/greenland.shp",
        "model": "forest-2",
    }
    [area] = Watchlist.parse(listed(full).encode()).areas
    assert area.tiles == ("22WEV", "22WEA")
    assert (area.months, area.since, area.until) == ((6, 7, 8), date(2019, 6, 1), date(2024, 8, 31))
    assert (area.cloud_probability, area.minimum_usable, area.resolution) == (30, 25.5, 60)
    assert area.cloud_rule is CloudRule.BOTH
    assert (area.catalogue, area.correction) == ("dhus", "official")
    assert (area.ice_mask, area.model) == ("config/masks/greenland.shp", "forest-2")


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
        (listed({"name": "x"}), "areas.0: neither tiles nor a polygon is given"),
        (listed(AREA | {"name": ""}), "areas.0.name"),
        (listed(AREA | {"tiles": []}), "areas.0: neither tiles nor a polygon is given"),
        (listed(AREA, AREA | {"tiles": ["22WEW"]}), "areas.1.tiles: '22WEW' is no Sentinel-2 tile"),
        (listed(AREA | {"months": [13]}), "areas.0.months: 13 is no month"),
        (listed(AREA | {"months": []}), "areas.0.months"),
        (listed(AREA | {"since": "June"}), "areas.0.since"),
        (listed(AREA | {"catalogue": "scihub"}), "areas.0.catalogue: Input should be 'cdse' or 'dhus'"),
        (listed(AREA | {"correction": "none"}), "areas.0.correction"),
        (listed(AREA | {"ice_mask": "masks/a.tif"}), "areas.0.ice_mask: 'masks/a.tif' is not in the"),
        (listed(AREA | {"ice_mask": "config/../a.tif"}), "areas.0.ice_mask"),
        (listed(AREA | {"model": "../forest"}), "areas.0.model"),
        (listed({"name": "x", "polygon": {"type": "Point", "coordinates": [0, 0]}}), "areas.0.polygon"),
        (listed({"name": "x", "polygon": square(0, 91)}), "areas.0.polygon.Polygon.coordinates.0.0.1"),
        (listed({"name": "x", "polygon": square(0, 0, closed=False)}), "it must be closed"),
        (listed(AREA | {"since": "2024-02-01", "until": "2024-01-01"}), "since 2024-02-01 lies after until 2024-01-01"),
        (listed(AREA | {"scene_cloud_limit": 101}), "areas.0.scene_cloud_limit"),
        (listed(AREA | {"cloud_probability": -1}), "areas.0.cloud_probability"),
        (listed(AREA | {"cloud_rule": "all"}), "areas.0.cloud_rule: Input should be 'probability', 'scl', 'both' or"),
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


@pytest.mark.parametrize(
    ("place", "tiles"),
    [
        ((-49.9, 66.9), ("22WEV",)),  # in the middle of a tile
        ((-49.9, 66.6), ("22WEU", "22WEV")),  # where two overlap
        ((11.0, 48.1), ("32UPU", "33UTP")),  # at the edge of two zones
        ((-103.01, 31.9), ("13SFR",)),  # in band R by its latitude, in a square whose centre is in band S
        ((121.5, 23.9), ("51QUG",)),
        ((1.4, 43.6), ("31TCJ",)),
        ((15.0, 78.0), ("33XVG", "33XWG")),  # Svalbard, whose zones are wider
        ((-1.0, -0.05), ("30MYE", "30NYF")),  # across the equator
        ((179.85, -16.8), ("01KAB", "60KYG", "60KZG")),  # at the 180th meridian
    ],
)
def test_a_polygon_means_the_tiles_it_touches(place: tuple[float, float], tiles: tuple[str, ...]) -> None:
    [area] = parse(listed({"name": "x", "polygon": square(*place)}).encode()).areas
    assert area.tiles == tiles


def test_a_multipolygon_means_the_tiles_of_its_parts_and_holes_are_left_out() -> None:
    outer, hole = square(-53, 64, 6)["coordinates"], square(-52.5, 64.5, 5)["coordinates"]
    parts = {"type": "MultiPolygon", "coordinates": [outer + hole, square(15, 78)["coordinates"]]}
    [area] = parse(listed({"name": "x", "polygon": parts}).encode()).areas
    assert {"33XVG", "33XWG", "22WDA"} <= set(area.tiles)
    assert "22WEV" not in area.tiles


def test_tiles_that_are_named_win_over_the_polygon_so_that_a_resolved_list_can_be_put_back() -> None:
    [area] = parse(listed({"name": "x", "tiles": ["22WEA"], "polygon": square(-49.9, 66.9)}).encode()).areas
    assert area.tiles == ("22WEA",)


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}, "is not valid: Self-inter"),
        (square(0, 85.5), "touches no Sentinel-2 tile"),
        (square(-179, 0, 80) | {"coordinates": [[[-179, 0], [179, 0], [179, 1], [-179, 1], [-179, 0]]]}, "358 degrees"),
        (square(0, 0, 60), "at most 1000 are accepted"),
    ],
)
def test_a_polygon_that_cannot_be_used_is_refused_with_the_place(polygon: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadSetting, match=r"refused at areas\.1\.polygon: ") as caught:
        parse(listed(AREA, {"name": "x", "polygon": polygon}).encode())
    assert reason in str(caught.value)


GOOD, BETTER, BAD = listed(AREA).encode(), listed(AREA | {"tiles": ["22WEA"]}).encode(), b'{"version": 2}'


class Watched:
    def __init__(self) -> None:
        self.store, self.ledger, self.clock = FakeStore(), FakeLedger(), FakeClock()

    def tiles(self, text: bytes) -> list[str]:
        self.store.write(WATCHLIST, text)
        watched = in_force(self.store, ledger=self.ledger, clock=self.clock)
        assert watchlist(self.store) == watched
        return [tile for area in watched.areas for tile in area.tiles]

    def refusal(self) -> Record:
        return self.ledger.rows[REFUSED, "config/watchlist.json"]


def test_what_validates_is_in_force_and_kept_beside_as_it_was_written() -> None:
    watched = Watched()
    assert watched.tiles(GOOD) == ["22WEV"]
    assert watched.store.read(ACCEPTED) == GOOD
    assert watched.ledger.rows == {}


def test_where_one_is_refused_the_last_good_one_stays_in_force_and_the_ledger_says_why() -> None:
    watched = Watched()
    watched.tiles(GOOD)
    watched.tiles(BETTER)
    assert watched.tiles(BAD) == ["22WEA"]
    assert watched.refusal().state is State.FAILED
    assert "refused at version" in watched.refusal().reason
    assert watched.refusal().reason.endswith("the one accepted last stays in force.")


def test_the_refusal_is_written_once_per_reason() -> None:
    watched = Watched()
    for _ in range(3):
        watched.tiles(BAD)
        watched.clock.advance(hours=1)
    assert [call[0] for call in watched.ledger.calls].count("add") == 1


def test_once_mended_the_new_one_is_in_force_and_the_refusal_is_over() -> None:
    watched = Watched()
    watched.tiles(BAD)
    assert watched.tiles(BETTER) == ["22WEA"]
    assert watched.refusal().state is State.SKIPPED
    assert watched.refusal().reason.startswith("Mended, and accepted on 2024-08-01 12:00 UTC.")


def test_where_none_ever_validated_nothing_is_watched_and_no_step_falls_over() -> None:
    watched = Watched()
    assert watched.tiles(BAD) == []
    assert watched.refusal().reason.endswith("nothing is watched until it is mended.")


def test_a_kept_copy_that_is_of_no_use_does_no_harm() -> None:
    watched = Watched()
    watched.store.write(ACCEPTED, b"{")
    assert watched.tiles(BAD) == []


def test_without_a_watchlist_nothing_is_watched() -> None:
    assert in_force(FakeStore(), ledger=FakeLedger(), clock=FakeClock()).areas == ()


def test_a_tile_gets_the_settings_of_its_area_and_the_defaults_of_the_app() -> None:
    area = AREA | {
        "cloud_rule": "scl",
        "minimum_usable": 0,
        "scene_cloud_limit": 80,
        "correction": "official",
        "ice_mask": "config/m.tif",
    }
    watched = Watchlist.parse(listed(area))
    defaults = Defaults(cloud_probability=15, minimum_usable=55, resolution=60, cloud_rule=CloudRule.BOTH)
    mine, other = (settings_of(Tile(name), watched, defaults) for name in ("22WEV", "22WEA"))
    assert (mine.cloud_probability, mine.minimum_usable, mine.resolution) == (15, 0, 60)
    assert (mine.scene_cloud_limit, mine.correction, mine.ice_mask) == (80, "official", BlobPath(CONFIG, "m.tif"))
    assert (mine.cloud_rule, other.cloud_rule) == (CloudRule.SCL, CloudRule.BOTH)
    assert (other.minimum_usable, other.scene_cloud_limit, other.correction) == (55, 100, "sen2cor")
