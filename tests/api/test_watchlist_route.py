"""The watchlist is read and replaced; what does not validate changes nothing."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from shared.models import WATCHLIST, BlobPath
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


@pytest.mark.parametrize(
    ("header", "text", "status"),
    [
        ("if-match", '"another", {etag}', 204),
        ("if-match", '"another", "older"', 412),
        ("if-match", "W/{etag}", 412),  # no byte-for-byte promise
        ("if-match", "*", 204),
        ("if-none-match", '"another"', 204),
        ("if-none-match", '"another", {etag}', 412),
        ("if-none-match", "*", 412),
        ("if-none-match", "W/{etag}", 412),
        ("if-match", "0x1", 400),
        ("if-match", "*, {etag}", 400),
        ("if-match", '"a" "b"', 400),
        ("if-match", "", 400),
        ("if-none-match", '"', 400),
    ],
)
def test_conditions_are_taken_as_http_has_them(client: TestClient, header: str, text: str, status: int):
    etag = client.put("/api/watchlist", json=GOOD).headers["etag"]
    answer = client.put("/api/watchlist", json=OTHER, headers={header: text.format(etag=etag)})
    assert answer.status_code == status
    assert client.get("/api/watchlist").json() == (OTHER if status == 204 else GOOD)


def test_nothing_is_replaced_where_nothing_is(client: TestClient, world: World):
    assert client.put("/api/watchlist", json=GOOD, headers={"if-match": "*"}).status_code == 412
    assert WATCHLIST not in world.store.blobs


def test_of_several_who_put_at_once_each_hears_of_the_own_version(client: TestClient, world: World):
    mine = json.dumps(GOOD).encode()
    replace = world.store.replace
    theirs: list[str] = []

    def crowded(path: BlobPath, data: bytes, *, etag: str | None, content_type: str) -> str:
        """Somebody is faster by a moment, and somebody else comes a moment later."""
        if not theirs:
            theirs.append(replace(path, json.dumps(OTHER).encode(), etag=etag, content_type=content_type))
        written = replace(path, data, etag=etag, content_type=content_type)
        theirs.append(replace(path, json.dumps(OTHER).encode(), etag=written, content_type=content_type))
        return written

    world.store.replace = crowded  # type: ignore[method-assign]
    told = client.put("/api/watchlist", content=mine).headers["etag"]
    world.store.replace = replace  # type: ignore[method-assign]
    assert told not in theirs
    assert client.put("/api/watchlist", json=GOOD, headers={"if-match": told}).status_code == 412


def test_the_first_one_is_put_only_where_there_is_none(client: TestClient):
    assert client.put("/api/watchlist", json=GOOD, headers={"if-none-match": "*"}).status_code == 204
    assert client.put("/api/watchlist", json=OTHER, headers={"if-none-match": "*"}).status_code == 412
