"""HEAD is answered wherever GET is, with the same headers and without the body."""

from __future__ import annotations

import pytest

from functions.api.application import application
from tests.api.conftest import HERE, L1C, World
from tests.small_l2a import PRODUCT

RESULT = f"/api/results/22WEV/2024/07/{PRODUCT}.SAFE/T22WEV_20240716T151809_CLASS_60m.tif"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/health", 200),
        ("/api/tiles", 200),
        ("/api/tiles/22WEV/series.csv", 200),
        (f"/api/products/{L1C}", 200),
        ("/api/openapi.json", 200),
        ("/stac", 200),
        ("/", 200),
        ("/static/icewatch.css", 200),
        ("/api/tiles/nowhere/series", 422),
        ("/api/failures?a=1", 400),
        ("/api/nowhere", 404),
        ("/nowhere", 404),
        ("/api/orders/retry", 405),
    ],
)
def test_head_tells_what_get_would(make_world, path: str, status: int):
    client = make_world(storage=HERE, key="").client()
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (status, b"")
    assert get.content
    assert {name: head.headers[name] for name in ("content-type", "content-length")} == {
        "content-type": get.headers["content-type"],
        "content-length": str(len(get.content)),
    }


def test_head_opens_no_door_that_get_does_not(world: World):
    stranger = world.client(key="")
    answers = [stranger.head(path) for path in ("/api/tiles", "/stac", RESULT, "/")]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 303]
    assert not any(answer.content for answer in answers)


def test_who_asks_by_another_method_hears_of_head_where_there_is_get(client):
    assert set(client.delete("/api/health").headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert sorted(client.delete("/api/openapi.json").headers["allow"].split(", ")) == ["GET", "HEAD"]
    assert client.put("/api/orders/retry").headers["allow"] == "POST"


def test_head_of_a_result_reads_nothing_of_it_and_takes_no_range(make_world):
    world: World = make_world(storage=HERE, key="")
    whole = len(world.client().get(RESULT).content)
    world.store.calls.clear()
    answer = world.client().head(RESULT, headers={"range": "bytes=0-0"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(whole))
    assert "content-range" not in answer.headers
    assert {call[0] for call in world.store.calls} == {"info"}


def test_every_get_is_documented_with_its_head_under_a_name_of_its_own():
    paths = application().openapi()["paths"]
    assert all("head" in methods for methods in paths.values() if "get" in methods)
    names = [told["operationId"] for methods in paths.values() for told in methods.values()]
    assert len(names) == len(set(names))
    head = paths["/api/tiles"]["head"]
    assert {"200", "401"} <= head["responses"].keys()
    assert "content" not in head["responses"]["200"]
    assert {"206", "416"}.isdisjoint(paths["/api/results/{path}"]["head"]["responses"])  # a range is of GET alone
