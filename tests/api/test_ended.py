"""Who signs out ends the session, also for who copied its cookie, on every instance; and no other session."""

from __future__ import annotations

import json
import re

import pytest
from starlette.testclient import TestClient

from functions.api.access import COOKIE, access
from functions.api.ended import FRESH, PATH, EndedSessions
from shared.errors import Changed, StorageUnavailable
from tests.api.conftest import World
from tests.fakes import FakeStore

NOW = 1_700_000_000.0
MINE, OTHER = f"{NOW + 3600:.0f}.mine", f"{NOW + 3600:.0f}.other"


class Counting:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sign_in(world: World) -> TestClient:
    client = world.client(key="")
    assert client.post("/sign-in", data={"key": world.key}).status_code == 303
    return client


def test_a_copied_cookie_opens_nothing_after_its_session_was_ended(world: World):
    mine, other, copied = sign_in(world), sign_in(world), world.client(key="")
    copied.cookies.set(COOKIE, mine.cookies[COOKIE])
    assert copied.get("/products").status_code == 200
    token = re.search(r'name="csrf" value="([^"]+)"', mine.get("/products").text)
    assert token is not None
    assert mine.post("/sign-out", data={"csrf": token[1]}).headers["location"] == "/sign-in"
    assert copied.get("/products").headers["location"].startswith("/sign-in")
    assert copied.get("/api/products").status_code == 401
    assert copied.post("/orders/retry", data={"csrf": token[1]}).status_code == 303
    assert other.get("/products").status_code == 200
    assert access().key not in world.store.blobs[PATH].data.decode()
    assert mine.cookies.get(COOKIE) is None


def test_a_sign_out_that_cannot_be_kept_says_so_and_leaves_the_session(world: World):
    mine = sign_in(world)
    token = re.search(r'name="csrf" value="([^"]+)"', mine.get("/products").text)
    assert token is not None
    world.store.fail("replace", StorageUnavailable("Azure storage is busy."))
    assert mine.post("/sign-out", data={"csrf": token[1]}).status_code == 503
    assert mine.get("/products").status_code == 200


def test_another_instance_knows_within_ten_seconds_and_reads_no_more_often():
    store, time = FakeStore(), Counting()
    here, there = (EndedSessions(lambda: store, time) for _ in range(2))
    there.renew()
    here.end(MINE, NOW)
    assert MINE in here
    assert MINE not in there
    store.calls.clear()
    time.now += FRESH - 0.1
    there.renew()
    assert store.calls == []
    time.now += 0.1
    there.renew()
    assert MINE in there
    assert OTHER not in there


def test_sessions_that_ran_out_are_forgotten_and_two_instances_lose_none():
    store = FakeStore()
    here, there = (EndedSessions(lambda: store) for _ in range(2))
    here.end(f"{NOW - 1:.0f}.old", NOW)
    store.fail("replace", Changed("Somebody was faster."))
    there.end(MINE, NOW)
    here.end(OTHER, NOW)
    here.end(OTHER, NOW)
    assert json.loads(store.blobs[PATH].data) == [MINE, OTHER]


def test_while_storage_is_away_the_last_copy_counts(caplog: pytest.LogCaptureFixture):
    store, time = FakeStore(), Counting()
    here = EndedSessions(lambda: store, time)
    here.end(MINE, NOW)
    store.fail("read", StorageUnavailable("Azure storage is busy."))
    here.renew()
    assert MINE in here
    assert "is not known anew: Azure storage is busy." in caplog.text


@pytest.mark.parametrize("broken", [b"{", b"{}", b'[1, null, {"a": 2}]', b'["\\u0000", "x.y"]', b"\xff"])
def test_a_list_that_somebody_broke_is_written_anew(broken: bytes):
    store = FakeStore({PATH: broken})
    here = EndedSessions(lambda: store)
    here.renew()
    here.end(MINE, NOW)
    assert json.loads(store.blobs[PATH].data) == [MINE]


def test_only_the_newest_thousand_are_kept():
    store = FakeStore({PATH: json.dumps([f"{NOW + 9:.0f}.{number}" for number in range(1000)]).encode()})
    EndedSessions(lambda: store).end(MINE, NOW)
    kept = json.loads(store.blobs[PATH].data)
    assert (len(kept), kept[-1], kept[0]) == (1000, MINE, f"{NOW + 9:.0f}.1")
