"""A STAC client walks the results, and what it finds opens as a raster through the links alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pystac
import pytest
import rasterio
import uvicorn
from pystac_client import Client

from functions.api.access import HEADER
from functions.api.application import application
from functions.api.stac_items import COLLECTION
from functions.api.stac_search import MOST
from shared.models import BlobPath, ProductName, State
from tests.api.conftest import HERE, World
from tests.small_l2a import PRODUCT

INSIDE, ELSEWHERE = (-51.5, 66.5, -50.0, 67.5), (10.0, 45.0, 11.0, 46.0)


@pytest.fixture
def served(make_world) -> Iterator[tuple[World, str]]:
    """The app at an address of its own, with the emulator's way of handing files out, and with a key."""
    world: World = make_world(storage=HERE)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(), lifespan="off", log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield world, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def several(world: World, count: int) -> list[str]:
    """Give the ledger ``count`` more results, days apart, whose items are copies of the real one's."""
    row = next(iter(world.ledger.rows.values()))
    names = [str(PRODUCT)]
    for day in range(1, count + 1):
        product = replace(PRODUCT, sensing=PRODUCT.sensing - timedelta(days=day))
        folder = BlobPath.parse(row.results.replace(str(PRODUCT), str(product)))
        text = world.store.read(BlobPath.parse(row.results) / f"{PRODUCT}.json").decode()
        world.store.write(folder / f"{product}.json", text.replace(str(PRODUCT), str(product)).encode())
        name = str(product).replace("MSIL2A", "MSIL1C")
        times = {**row.times, "sensing": product.sensing}
        world.ledger.add(replace(row, name=name, l2a=str(product), results=str(folder), times=times))
        names.append(str(product))
    return names


def opened(served: tuple[World, str]) -> Client:
    world, address = served
    return Client.open(f"{address}/stac", headers={HEADER: world.key})


def test_a_client_walks_from_the_landing_page_to_every_item(served):
    names = several(served[0], 6)  # with the one that is there: two pages of three and one of one
    catalog = opened(served)
    (collection,) = list(catalog.get_collections())
    assert collection.id == COLLECTION
    collection.validate()
    assert [item.id for item in collection.get_items()] == names
    assert [item.id for item in catalog.search(limit=3).items()] == names
    assert [item.id for item in catalog.search(limit=3, method="GET").items()] == names
    assert [item.id for item in catalog.search(limit=500).items()] == names  # as many as a page may have


@pytest.mark.parametrize(("place", "count"), [((-50.5, 67.0), 4), ((10.5, 45.5), 0)])
def test_a_shape_narrows_by_get_as_by_post_on_every_page(served, place: tuple[float, float], count: int):
    several(served[0], 3)
    shape = {"type": "Point", "coordinates": place}
    for method in ("GET", "POST"):
        search = opened(served).search(intersects=shape, limit=3, method=method)
        assert (search.matched(), len(list(search.items()))) == (count, count), method


def test_items_are_valid_and_their_assets_open_by_their_links_alone(served):
    (item,) = list(opened(served).search().items())
    pystac.validation.validate_dict(item.to_dict(transform_hrefs=False) | {"stac_extensions": []})
    asset = item.assets["class"]
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(asset.href) as raster:
        assert raster.crs.to_epsg() == 32622
        assert raster.read(1)[75, 15] == 1
    with pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(asset.href.partition("?")[0])


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"bbox": INSIDE}, 3),
        ({"bbox": ELSEWHERE}, 0),
        ({"bbox": (170.0, 60.0, -45.0, 70.0)}, 3),  # across the 180th meridian
        ({"datetime": "2024-07-15/.."}, 2),
        ({"datetime": "2024-07-14"}, 1),
        ({"datetime": "../2024-07-01"}, 0),
        ({"ids": [str(PRODUCT)]}, 1),
        ({"collections": [COLLECTION]}, 3),
        ({"collections": ["another"]}, 0),
        ({"intersects": {"type": "Point", "coordinates": [-50.5, 67.0]}}, 3),
        ({"bbox": INSIDE, "datetime": "2024-07-15/..", "limit": 1}, 2),
    ],
)
def test_a_search_is_narrowed_by_place_time_and_name(served, asked: dict[str, Any], count: int):
    several(served[0], 2)
    search = opened(served).search(**asked)
    assert search.matched() == count
    assert len(list(search.items())) == count


def test_an_item_links_to_where_it_belongs(client, world: World):
    answer = client.get(f"/stac/collections/{COLLECTION}/items/{PRODUCT}")
    item = answer.json()
    assert answer.headers["content-type"] == "application/geo+json"
    assert item["collection"] == COLLECTION
    assert {link["rel"] for link in item["links"]} == {"self", "root", "parent", "collection"}
    assert all(link["href"].startswith("https://icewatch.example.org/stac") for link in item["links"])


@pytest.mark.parametrize(
    "query",
    [
        {"bbox": "1,2,3"},
        {"bbox": "0,50,1,40"},
        {"bbox": "a,b,c,d"},
        {"bbox": "nan,nan,nan,nan"},
        {"bbox": "nan,66,-48,68"},
        {"bbox": "-51,66,nan,68"},
        {"bbox": "-51,66,inf,68"},
        {"bbox": "-51,66,nan,-48,68,0"},
        {"datetime": "yesterday"},
        {"datetime": "2021-W30-2"},
        {"datetime": "2021-W30-2/.."},
        {"datetime": "20210727"},
        {"datetime": "2021-07"},
        {"datetime": "2021-02-30"},
        {"datetime": "2021-07-27T15"},
        {"datetime": "2021-07-27T25:00:00Z"},
        {"datetime": "2021-07-27T15:09:11,5Z"},
        {"datetime": "0001-01-01T00:00:00+23:59"},
        {"datetime": "٢٠٢١-07-27"},
        {"datetime": "2024-02-01/2024-01-01"},
        {"datetime": "../.."},
        {"limit": "0"},
        {"intersects": "here"},
        {"intersects": "[0, 0]"},
        {"intersects": "{}"},
        {"intersects": '{"type": "Point", "coordinates": [NaN, 0]}'},
        {"intersects": '{"type": "Point", "coordinates": [0, 0]}', "bbox": "1,2,3,4"},
        {"token": "!!"},
    ],
)
def test_a_search_that_does_not_parse_is_refused(client, query: dict[str, str]):
    assert client.get("/stac/search", params=query).status_code == 422


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("2024-07-16", 1),  # taken at 15:18:09
        ("2024-07-01/2024-07-16", 3),
        ("2024-07-16/..", 1),
        ("../2024-07-15", 2),
        ("/2024-07-15", 2),
        ("2024-07-15/", 2),
        ("2024-07-15/2024-07-15", 1),
        ("2024-07-16T15:18:09Z", 1),
        ("2024-07-16t15:18:09z", 1),
        ("2024-07-16T15:18:09", 1),
        ("2024-07-16T17:18:09.000000000+02:00", 1),
        ("2024-07-16T15:18:09.001Z", 0),
        ("2024-07-16T15:18:10Z/2024-07-16", 0),
        ("0001-01-01/9999-12-31", 3),
    ],
)
@pytest.mark.parametrize("path", ["/stac/search", f"/stac/collections/{COLLECTION}/items"])
def test_a_day_is_all_of_it_and_an_instant_a_moment(client, world: World, path: str, asked: str, count: int):
    several(world, 2)
    assert client.get(path, params={"datetime": asked}).json()["numberMatched"] == count
    assert client.post("/stac/search", json={"datetime": asked}).json()["numberMatched"] == count


def test_a_box_with_heights_is_taken_and_one_that_is_no_number_is_not(client):
    box = [-51.5, 66.5, 0, -50.0, 67.5, 3000]
    assert client.post("/stac/search", json={"bbox": box}).json()["numberMatched"] == 1
    for place in range(6):
        text = ",".join("NaN" if at == place else str(side) for at, side in enumerate(box))
        body = f'{{"bbox": [{text}]}}'
        sent = client.post("/stac/search", content=body, headers={"content-type": "application/json"})
        assert sent.status_code == 422, body


@pytest.mark.parametrize("path", ["/stac/search", f"/stac/collections/{COLLECTION}/items"])
def test_who_asks_for_more_than_a_page_holds_gets_a_page(client, world: World, path: str):
    several(world, MOST)
    found = client.get(path, params={"limit": str(10**9)}).json()
    assert (found["numberReturned"], found["numberMatched"]) == (MOST, MOST + 1)
    (following,) = [link["href"] for link in found["links"] if link["rel"] == "next"]
    assert client.get(following).json()["numberReturned"] == 1


@pytest.mark.parametrize(
    "geometry",
    [{}, {"type": "Point"}, {"type": "Cube", "coordinates": []}, {"type": "Polygon", "coordinates": [[[0, 0]]]}],
)
def test_a_geometry_that_is_none_is_refused(client, geometry: dict[str, Any]):
    asked = {"intersects": geometry} if geometry else {"intersects": {"a": 1}}
    assert client.post("/stac/search", json=asked).status_code == 422


def test_what_is_not_classified_is_no_item(busy: World):
    client = busy.client()
    known = {record.l2a for record in busy.ledger.rows.values() if record.state is State.CLASSIFIED}
    found = client.get("/stac/search").json()
    assert {feature["id"] for feature in found["features"]} <= known
    other = ProductName.parse(str(PRODUCT).replace("T151809", "T151808"))
    assert client.get(f"/stac/collections/{COLLECTION}/items/{other}").status_code == 404
    assert client.get(f"/stac/collections/{COLLECTION}/items/x").status_code == 404
    assert client.get("/stac/collections/another").status_code == 404
