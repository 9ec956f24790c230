"""What is answered from memory: the same to all who ask, never older than what the reader has changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from functions.api import products
from functions.api.access import COOKIE, access
from functions.api.keeping import Answer, Kept
from functions.pages import routes
from shared.errors import StorageUnavailable
from shared.models import State
from shared.pipeline.overview import Filter
from shared.records import Record
from tests.api.conftest import HERE, World, a_record
from tests.fakes import NOON

LIST = "/api/products"
CALENDAR = "/tiles/22WEV/calendar?year=2021"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Filter]:
    """What the list of products was made for, each time that it was made."""
    made = []

    def chosen(records: Iterable[Record], wanted: Filter) -> list[Record]:
        made.append(wanted)
        return list(records)

    monkeypatch.setattr(products, "chosen", chosen)
    return made


def test_the_same_question_is_answered_once(busy: World, client: TestClient, asked: list[Filter]):
    client.get(LIST)  # reads the ledger
    answers = [client.get(f"{LIST}?limit=5") for _ in range(4)]
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(answer.headers.items()) for answer in answers}) == 1
    assert len(asked) == 2
    client.get(f"{LIST}?limit=6")
    assert len(asked) == 3


@pytest.mark.parametrize(
    "path", [LIST, "/api/failures", "/", "/products", "/failures", "/tiles/22WEV/calendar?year=2021"]
)
def test_an_order_is_seen_at_once_in_every_list(busy: World, client: TestClient, path: str):
    name = a_record(9).name
    before = [client.get(path).content for _ in range(3)][-1]
    failed = next(row for row in busy.ledger.rows.values() if row.state is State.FAILED)
    assert client.post("/api/orders/cancel", json={"product": name}).status_code == 202
    assert client.post("/api/orders/retry", json={"product": failed.name}).status_code == 202
    assert client.get(path).content != before


def test_a_new_watchlist_is_seen_at_once(world: World, client: TestClient):
    for _ in range(2):
        assert "Elsewhere" not in client.get("/api/tiles").text
    area = {"name": "Elsewhere", "tiles": ["22WEU"], "months": [7], "since": "2021-07-01"}
    assert client.put("/api/watchlist", content=json.dumps({"version": 1, "areas": [area]})).status_code == 204
    assert "Elsewhere" in client.get("/api/tiles").text


def test_who_ordered_sees_it_on_an_instance_that_did_not_take_the_order(busy: World, client: TestClient):
    """A cookie says when the order was given; the copy here was read before, and nobody told it to be forgotten."""
    said = client.post("/api/orders/cancel", json={"product": a_record(9).name}).headers["set-cookie"]
    assert re.fullmatch(r"icewatch-changed=\d{13}; Max-Age=120; Path=/; HttpOnly; SameSite=Strict; Secure", said)
    cookie = said.partition(";")[0]
    client.cookies.clear()
    assert client.get(LIST).json()["total"] == 7
    busy.ledger.add(a_record(21))
    assert client.get(LIST).json()["total"] == 7
    assert client.get(LIST, headers={"cookie": cookie}).json()["total"] == 8


@pytest.mark.parametrize(("ahead", "said"), [(5, 0), (0, 8)], ids=["this one", "the one that took the order"])
def test_who_ordered_sees_it_though_the_clock_of_one_instance_is_ahead(
    busy: World, client: TestClient, ahead: float, said: float
):
    now = datetime.now(UTC)
    busy.clock.now = now + timedelta(seconds=ahead)
    assert client.get(LIST).json()["total"] == 7
    busy.ledger.add(a_record(21))
    cookie = f"icewatch-changed={round((now.timestamp() + said) * 1000)}"
    assert client.get(LIST, headers={"cookie": cookie}).json()["total"] == 8


@pytest.mark.parametrize("text", ["", "x", "9" * 13, "1" * 13, "1" * 400])
def test_a_cookie_that_says_nothing_is_passed_over(busy: World, client: TestClient, text: str):
    client.get(LIST)
    reads = busy.ledger.calls.count(("records", None))
    assert client.get(LIST, headers={"cookie": f"icewatch-changed={text}"}).status_code == 200
    assert busy.ledger.calls.count(("records", None)) == reads


def test_each_session_finds_its_own_token_in_a_page_that_was_made_for_another(make_world):
    world: World = make_world(storage=HERE)
    tokens = []
    for _ in range(3):
        with world.client(key="", base="http://127.0.0.1") as client:
            client.post("/sign-in", data={"key": world.key})
            for _ in range(2):
                page = client.get("/failures").text
            (token, *others) = re.findall('name="csrf" value="([^"]+)"', page)
            assert set(others) <= {token}
            assert client.post("/sign-out", data={"csrf": token}).headers["location"] == "/sign-in"
            tokens.append(token)
    assert len(set(tokens)) == 3


def test_only_who_signed_in_is_offered_to_sign_out_of_a_kept_page(world: World, client: TestClient):
    signed_in = world.client(key="")
    signed_in.cookies.set(COOKIE, str(access().sign_in(world.key, HTTPConnection({"type": "http", "headers": []}))))
    for _ in range(2):
        assert "/sign-out" in signed_in.get("/failures").text
        assert "/sign-out" not in client.get("/failures").text


def test_an_error_is_told_to_who_met_it_and_not_kept(world: World, client: TestClient, monkeypatch: pytest.MonkeyPatch):
    def busy(records: Iterable[Record]) -> list[object]:
        raise StorageUnavailable("The storage is busy.")

    client.get("/")  # reads the ledger
    with monkeypatch.context() as trouble:
        trouble.setattr(routes, "failures", busy)
        assert client.get("/failures").status_code == 503
    assert client.get("/failures").status_code == 200


def test_nobody_sees_a_kept_page_or_list_without_the_key(world: World, client: TestClient):
    for path in (LIST, "/failures"):
        for _ in range(2):
            assert client.get(path).status_code == 200
    with world.client(key="") as stranger:
        assert stranger.get(LIST).status_code == 401
        assert stranger.get("/failures").status_code == 303


def test_an_address_that_holds_the_key_is_never_kept(busy: World, client: TestClient, asked: list[Filter]):
    client.get(LIST)
    for _ in range(2):
        own = client.get(f"{LIST}?limit=1&code={busy.key}").json()
    assert len(asked) == 3
    assert own["next"]
    assert busy.key not in own["next"]  # nor is it in any answer
    assert busy.key not in client.get(f"{LIST}?limit=1").json()["next"]


def an_answer(size: int = 10) -> Answer:
    return Answer(b"x" * size, (), 7, NOON, 100.0)


def test_an_answer_is_kept_for_the_same_rows_and_some_seconds_only():
    kept = Kept()
    for now, version, since, is_there in [
        (101.0, 7, None, True),
        (101.0, 8, None, False),
        (200.0, 7, None, False),
        (101.0, 7, NOON, True),
        (101.0, 7, NOON + timedelta(seconds=1), False),
    ]:
        kept.put("a", an_answer(), kept.turn)
        assert (kept.get("a", version, now, since) is not None) is is_there


def test_the_order_of_a_query_makes_another_question(busy: World, client: TestClient):
    first, last = (client.get(f"{LIST}?{query}").json() for query in ("limit=1&limit=3", "limit=3&limit=1"))
    assert (len(first["products"]), len(last["products"])) == (3, 1)


def test_an_answer_made_while_something_changed_is_not_kept():
    kept, turn = Kept(), 0
    kept.clear()
    kept.put("a", an_answer(), turn)
    assert kept.get("a", 7, 101.0, None) is None


def test_what_is_kept_stays_bounded_and_what_is_asked_for_stays_longest():
    kept, size = Kept(), 2 * 1024 * 1024
    for number in range(30):
        kept.put(number, an_answer(size), kept.turn)
        kept.get(0, 7, 101.0, None)
    there = [number for number in range(30) if kept.get(number, 7, 101.0, None)]
    assert there == [0, *range(19, 30)]
    for number in range(3000):
        kept.put(f"small {number}", an_answer(), kept.turn)
    assert kept.get("small 999", 7, 101.0, None) is None
    assert kept.get("small 1000", 7, 101.0, None) is not None
    kept.put("huge", an_answer(4 * 1024 * 1024), kept.turn)
    assert kept.get("huge", 7, 101.0, None) is None


def test_only_what_changes_something_is_remembered_in_the_browser(busy: World, client: TestClient):
    assert "set-cookie" not in client.post("/stac/search", json={}).headers
    assert "set-cookie" not in client.post("/api/orders/cancel", json={"product": "nothing"}).headers
    answer = client.put("/api/watchlist", content=json.dumps({"version": 1, "areas": []}))
    assert answer.headers["set-cookie"].startswith("icewatch-changed=")
