"""Orthomosaics, refused things and products of old names: rows that lie on no tile, or whose name says none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from starlette.testclient import TestClient

from shared.models import BlobPath, State
from shared.pipeline.runs import TIMERS, note
from shared.records import DRONE
from tests.api.conftest import HERE, World, a_record
from tests.unit.pages_case import BAD_FLIGHT, FLIGHT, FLIGHT_LAYER, OLD_NAME, other_records

SITE = "https://icewatch.example.org"
_ADDRESS = re.compile(r'(?:href|src)="([^"]+)"')


@pytest.fixture
def flown(world: World) -> World:
    """The classified product, others in trouble, and one row of each kind without a tile."""
    for row in [*other_records(), a_record(5, State.FAILED, reason="B04 is damaged."), a_record(9, State.STAGED)]:
        world.ledger.add(row)
    for name in ("quicklook.png", FLIGHT_LAYER, f"{FLIGHT}.json"):
        world.store.write(BlobPath.parse(f"surface/{DRONE}/{FLIGHT}/{name}"), b"12345")
    for step in TIMERS:
        note(step, world.store, world.clock)
    return world


def links(answer: Any) -> Iterator[str]:
    """Where an answer leads: links and pictures of a page, addresses in JSON."""
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/html"):
        yield from (address.replace("&amp;", "&") for address in _ADDRESS.findall(answer.text))
    elif "json" in kind and "openapi" not in str(answer.url):
        yield from _addresses(json.loads(answer.text))


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _addresses(part)
    elif isinstance(value, str) and value.startswith(("/", SITE)):
        yield value


def test_no_page_and_no_answer_leads_nowhere_whatever_the_ledger_holds(flown: World):
    seen: set[str] = set()
    with flown.client() as client:
        todo = ["/", "/api/tiles", "/api/products?limit=1000", "/api/failures", "/api/health", "/stac"]
        while todo:
            address = urldefrag(urljoin(f"{SITE}/", todo.pop())).url
            if address in seen or urlsplit(address).netloc != urlsplit(SITE).netloc:
                continue
            seen.add(address)
            answer = client.get(address)
            assert answer.status_code in {200, 302}, (address, answer.status_code, answer.text[:300])
            todo += links(answer)
    for part in (f"/products/{FLIGHT}", f"/api/products/{BAD_FLIGHT}", f"/products/{OLD_NAME}", "/refused?name=drop"):
        assert any(part in address for address in seen), part
    assert any(f"/api/results/{DRONE}/{FLIGHT}/{FLIGHT_LAYER}" in address for address in seen)
    assert not any("/tiles/drone" in address or "/tiles/refused" in address for address in seen)


def test_an_orthomosaic_is_no_tile_and_no_item_of_the_collection(flown: World, client: TestClient):
    assert [tile["tile"] for tile in client.get("/api/tiles").json()["tiles"]] == ["22WEV"]
    (box,) = client.get("/stac/collections/icewatch-surface").json()["extent"]["spatial"]["bbox"]
    assert box[1] > 60  # of 22WEV alone
    items = client.get("/stac/search?limit=100").json()
    assert items["numberMatched"] == 1


@pytest.mark.parametrize(("partition", "names"), [("drone", [BAD_FLIGHT, FLIGHT]), ("refused", ["drop/a b?.zip"])])
def test_lists_are_narrowed_to_what_has_no_tile(flown: World, client: TestClient, partition: str, names: list[str]):
    listed = client.get("/api/products", params={"tile": partition}).json()["products"]
    assert [row["product"] for row in listed] == names
    (kind,) = client.get("/api/failures", params={"tile": partition}).json()["kinds"]
    assert [row["product"] for row in kind["products"]] == names[:1]
    page = client.get("/products", params={"tile": partition}).text
    assert all(name in page for name in names)


def test_the_files_of_an_orthomosaic_open_with_the_token_of_its_folder_and_no_other(flown: World):
    told = flown.client().get(f"/api/products/{FLIGHT}").json()
    file = next(file for file in told["files"] if file["name"] == FLIGHT_LAYER)
    stranger = flown.client(key="")
    assert stranger.get(file["href"]).content == b"12345"
    assert stranger.get(file["href"].replace(FLIGHT_LAYER, "quicklook.png")).status_code == 200
    flown.store.write(BlobPath.parse("surface/drone/another/quicklook.png"), b"1")
    assert stranger.get(file["href"].replace(f"{FLIGHT}/{FLIGHT_LAYER}", "another/quicklook.png")).status_code == 401


@pytest.mark.parametrize("path", ["drone", "drone/upe-2017", "drone/a/b/c", "x/y/z", "drone/../22WEV/2024", "drone//x"])
def test_what_is_no_file_of_an_orthomosaic_is_not_looked_for(make_world, path: str):
    here = make_world(storage=HERE, key="")
    assert here.client().get(f"/api/results/{path}").status_code in {404, 422}


def test_a_pixel_of_an_orthomosaic_is_refused_with_the_reason(flown: World, client: TestClient):
    answer = client.get(f"/api/products/{FLIGHT}/point", params={"longitude": -50, "latitude": 67})
    assert answer.status_code == 409
    assert "is an orthomosaic" in answer.json()["detail"]


def test_a_retry_of_an_orthomosaic_says_how_it_is_done(flown: World, client: TestClient):
    answer = client.post("/api/orders/retry", json={"product": BAD_FLIGHT})
    assert answer.status_code == 404
    assert "put the file into the inbox again" in answer.json()["detail"]


def test_an_old_name_is_looked_for_among_what_is_skipped_and_a_made_up_product_nowhere(flown: World):
    flown.client().get(f"/api/products/{OLD_NAME}")
    assert ("in_state", State.SKIPPED) in flown.ledger.calls
    flown.ledger.calls.clear()
    unknown = a_record(30).name
    assert flown.client().get(f"/api/products/{unknown}").status_code == 404
    assert not [call for call in flown.ledger.calls if call[0] == "in_state"]


def test_the_address_of_the_next_page_holds_no_key(flown: World):
    with flown.client(key="") as client:
        told = client.get(f"/api/products?limit=1&code={flown.key}").json()
    assert "after=" in told["next"]
    assert flown.key not in told["next"]


def test_an_acquisition_whose_row_has_no_sensing_time_is_on_the_calendar_by_its_name(flown: World, client: TestClient):
    bare = a_record(20, results="")
    flown.ledger.add(replace(bare, times={}))
    assert f"/products/{bare.name}" in client.get("/tiles/22WEV/calendar?year=2021").text


def test_an_orthomosaic_is_neither_classified_again_nor_retried_but_can_be_put_away(flown: World, client: TestClient):
    for kind in ("reclassify", "retry"):
        answer = client.post(f"/api/orders/{kind}", json={"product": BAD_FLIGHT})
        assert answer.status_code in {404, 409}
        assert "inbox again" in answer.json()["detail"]
    assert client.post("/api/orders/cancel", json={"product": BAD_FLIGHT}).json()["accepted"] == [BAD_FLIGHT]
    assert flown.ledger.rows["drone", BAD_FLIGHT].state is State.SKIPPED
