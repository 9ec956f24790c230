"""Lists, one product, calendars, series and failures, as a client sees them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from functions.api.snapshot import forget
from shared.models import State, TileMonth
from shared.records import REFUSED, MonthRecord, Record
from tests.api.conftest import L1C, World, a_record
from tests.fakes import NOON
from tests.small_l2a import PRODUCT


def get(client: TestClient, path: str, **query: Any):
    answer = client.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 7),
        ({"tile": "T22WEU"}, 1),
        ({"state": "FAILED"}, 2),
        ({"state": ["FAILED", "REJECTED"]}, 3),
        ({"from": "2021-07-06", "to": "2021-07-08"}, 2),
        ({"from": "2024-01-01"}, 1),
        ({"reason": "DAMAGED"}, 2),
        ({"reason": "damaged", "to": "2021-07-05"}, 1),
        ({"tile": "22WEU", "state": "FAILED"}, 0),
    ],
)
def test_the_list_is_narrowed_by_each_filter(busy: World, client: TestClient, query: dict[str, Any], count: int):
    answer = client.get("/api/products", params=query).json()
    assert answer["total"] == len(answer["products"]) == count


def test_pages_hold_every_product_once_newest_first_though_rows_come_between(busy: World, client: TestClient):
    seen, path, pages = [], "/api/products?limit=2", 0
    while path:
        page = get(client, path)
        seen += [(product["sensing"], product["product"]) for product in page["products"]]
        path, pages = page["next"], pages + 1
        busy.ledger.add(a_record(20 + pages))  # newer than all that is left to see
        forget()
    assert pages == 4
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 7


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"limit": 0}, "query.limit"),
        ({"state": "GONE"}, "query.state.0"),
        ({"from": "yesterday"}, "query.from"),
        ({"tile": "nowhere at all"}, "query.tile"),
    ],
)
def test_a_filter_that_does_not_parse_is_refused_with_its_place(client: TestClient, query: dict[str, Any], place):
    answer = client.get("/api/products", params=query)
    assert answer.status_code == 422
    assert [fault["place"] for fault in answer.json()["errors"]] == [place]


@pytest.mark.parametrize("query", [{"tile": "99XXX"}, {"after": "x"}, {"from": "2021-07-02", "to": "2021-07-01"}])
def test_a_filter_that_says_nothing_is_refused_with_a_sentence(client: TestClient, query: dict[str, Any]):
    answer = client.get("/api/products", params=query)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")


@pytest.mark.parametrize("name", [L1C, str(PRODUCT), f"{PRODUCT}.SAFE"])
def test_one_product_is_told_with_its_history_and_files_by_either_name(world: World, client: TestClient, name: str):
    told = get(client, f"/api/products/{name}")
    assert told["product"] == L1C
    assert {"sensing", "published", "stage", "correct", "classify"} <= told["times"].keys()
    assert told["model"].startswith("ice_surface ")
    assert told["index_mean"] > 0
    assert {"quicklook.png", "summary.json", "manifest.json"} <= {file["name"] for file in told["files"]}
    strangers = world.client(key="")
    assert all(strangers.get(file["href"]).status_code == 302 or file["bytes"] < 4e6 for file in told["files"])
    assert strangers.get(told["files"][0]["href"]).status_code == 200


def test_what_the_ledger_does_not_know_is_not_found(client: TestClient):
    unknown = client.get(f"/api/products/{str(PRODUCT).replace('20240716T151809', '20240717T151809')}")
    assert unknown.status_code == 404
    assert client.get("/api/products/nonsense").status_code == 404


def test_a_refused_name_is_found_though_it_is_no_product(world: World, client: TestClient):
    world.ledger.add(Record(REFUSED, "drop/a b?.zip", State.FAILED, reason="It is no product."))
    (told,) = get(client, "/api/products", tile="refused")["products"]
    assert get(client, told["href"])["reason"] == "It is no product."


def test_tiles_are_those_watched_and_those_with_products(busy: World, client: TestClient):
    area = {"name": "Fjord", "tiles": ["22WEV", "21XWB"]}
    assert client.put("/api/watchlist", json={"version": 1, "areas": [area]}).status_code == 204
    tiles = {tile["tile"]: tile for tile in get(client, "/api/tiles")["tiles"]}
    assert list(tiles) == ["21XWB", "22WEU", "22WEV"]
    assert tiles["22WEV"]["areas"] == ["Fjord"]
    assert tiles["22WEV"]["latest"]["product"] == L1C
    assert tiles["22WEV"]["states"] == {"CLASSIFIED": 2, "FAILED": 2, "REJECTED": 1, "DISCOVERED": 1}
    assert tiles["21XWB"]["latest"] is None


def test_the_calendar_shows_every_acquisition_on_its_day(busy: World, client: TestClient):
    month = TileMonth.parse("22WEV", "2021-07")
    busy.ledger.save_month(MonthRecord(month, searched=NOON, found=9, closed=True))
    told = get(client, "/api/tiles/22WEV/calendar", year=2021)
    assert told["years"] == [2024, 2021]
    july = told["months"][6]
    assert (july["month"], july["found"]) == ("2021-07", 9)
    assert [(day, row["state"]) for day, rows in july["days"].items() for row in rows] == [
        ("2021-07-02", "CLASSIFIED"),
        ("2021-07-05", "FAILED"),
        ("2021-07-06", "FAILED"),
        ("2021-07-08", "REJECTED"),
        ("2021-07-09", "DISCOVERED"),
    ]
    assert get(client, "/api/tiles/22WEV/calendar")["year"] == 2024


def test_the_series_is_the_same_as_json_and_as_csv(busy: World, client: TestClient):
    points = get(client, "/api/tiles/22WEV/series")["points"]
    text = client.get("/api/tiles/22WEV/series.csv")
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert text.headers["content-type"].startswith("text/csv")
    assert [row["product"] for row in rows] == [point["product"] for point in points]
    assert [float(row["LA_percent"]) for row in rows] == pytest.approx(
        [point["class_percent"]["LA"] for point in points], rel=1e-5
    )
    assert rows[0]["albedo_mean"] == ""  # unknown is empty, never 0


def test_the_series_is_narrowed_by_day_and_class(busy: World, client: TestClient):
    query = {"from": "2024-01-01", "class": ["LA", "HA"]}
    (point,) = client.get("/api/tiles/22WEV/series", params=query).json()["points"]
    assert set(point["class_percent"]) == {"LA", "HA"}
    head = client.get("/api/tiles/22WEV/series.csv", params=query).text.splitlines()[0]
    assert "LA_percent" in head
    assert "SN_percent" not in head


def test_failures_are_grouped_by_what_their_sentences_share(busy: World, client: TestClient):
    row = a_record(12, State.FAILED, reason="The model is missing.")
    busy.ledger.add(replace(row, times={**row.times, "classify": NOON}))
    told = get(client, "/api/failures")
    assert told["total"] == 3
    assert [(kind["count"], kind["step"]) for kind in told["kinds"]] == [(2, "stage"), (1, "classify")]
    assert told["kinds"][0]["reason"].endswith("is damaged: … of … bytes.")


def test_a_list_is_read_anew_after_an_order(busy: World, client: TestClient):
    assert get(client, "/api/products", state="SKIPPED")["total"] == 0
    waiting = a_record(9).name
    assert client.post("/api/orders/cancel", json={"product": waiting}).status_code == 202
    assert get(client, "/api/products", state="SKIPPED")["total"] == 1


def test_a_product_says_what_each_of_its_steps_cost_where_the_prices_are_known(world: World, client: TestClient):
    timed = replace(a_record(3), seconds={"stage": 60.0, "correct": 1200.0})
    world.ledger.add(timed)
    assert get(client, f"/api/products/{timed.name}")["cost_usd"] == {"stage": pytest.approx(60 * 2 * 0.000026)}
