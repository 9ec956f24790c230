"""The watchlist is read and replaced; what does not validate changes nothing."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from shared.models import WATCHLIST
from tests.api.conftest import World

GOOD = {"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"]}]}
OTHER = {"version": 1, "areas": [{"name": "b", "tiles": ["22WEU"]}]}


def test_an_empty_one_is_read_where_there_is_none(client: TestClient):
    answer = client.get("/api/watchlist")
    assert answer.json() == {"version": 1, "areas": []}
    assert "etag" not in answer.headers


def test_what_is_put_is_read_again_and_is_in_force(client: TestClient, world: World):
    put = client.put("/api/watchlist", json=GOOD)
    answer = client.get("/api/watchlist")
    assert answer.json() == GOOD
    assert answer.headers["etag"] == put.headers["etag"]
    assert world.store.paths("config") == ["watchlist.accepted.json", "watchlist.json"]


def test_every_fault_is_told_with_its_place_and_the_old_one_stays(client: TestClient, world: World):
    client.put("/api/watchlist", json=GOOD)
    areas = [{"name": "", "tiles": ["nowhere"]}, {"name": "x", "tiles": ["22WEV"], "months": [13]}]
    answer = client.put("/api/watchlist", json={"version": 1, "areas": areas})
    assert answer.status_code == 422
    assert {fault["place"] for fault in answer.json()["errors"]} == {
        "areas.0.name",
        "areas.0.tiles",
        "areas.1.months",
    }
    assert client.get("/api/watchlist").json() == GOOD


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"version": 2}', b"\xff\xfe"])
def test_what_is_no_watchlist_is_refused(client: TestClient, world: World, body: bytes):
    answer = client.put("/api/watchlist", content=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert WATCHLIST not in world.store.blobs


def test_a_polygon_that_touches_no_tile_is_refused_with_its_place(client: TestClient):
    ring = [[0, 89], [1, 89], [1, 89.5], [0, 89]]
    area = {"name": "pole", "polygon": {"type": "Polygon", "coordinates": [ring]}}
    answer = client.put("/api/watchlist", json={"version": 1, "areas": [area]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["place"] == "areas.0.polygon"


def test_who_has_seen_an_older_version_replaces_nothing(client: TestClient):
    seen = client.put("/api/watchlist", json=GOOD).headers["etag"]
    assert client.put("/api/watchlist", json=OTHER, headers={"if-match": seen}).status_code == 204
    late = client.put("/api/watchlist", json=GOOD, headers={"if-match": seen})
    assert late.status_code == 412
    assert client.get("/api/watchlist").json() == OTHER


def test_the_first_one_is_put_only_where_there_is_none(client: TestClient):
    assert client.put("/api/watchlist", json=GOOD, headers={"if-none-match": "*"}).status_code == 204
    assert client.put("/api/watchlist", json=OTHER, headers={"if-none-match": "*"}).status_code == 412
