"""Who signs out ends the session, also for who copied its cookie, on every instance; and no other session."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping

import pytest
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from functions.api.access import COOKIE, HEADER, access
from functions.api.ended import FRESH, PATH, EndedSessions
from shared.errors import Changed, StorageUnavailable
from shared.models import BlobPath
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


def a_request(client: TestClient) -> HTTPConnection:
    cookie = f"{COOKIE}={client.cookies[COOKIE]}".encode()
    return HTTPConnection({"type": "http", "headers": [(b"cookie", cookie)], "query_string": b""})


def begun_anew() -> None:
    """The app is another instance from here on, which has read no list yet."""
    vars(access().ended).update(vars(EndedSessions(access().ended._store)))


class Slow(FakeStore):
    """Tells when somebody reads, and lets him wait."""

    def __init__(self, blobs: Mapping[BlobPath, bytes]) -> None:
        super().__init__(blobs)
        self.begun, self.go = threading.Event(), threading.Event()

    def read(self, path: BlobPath) -> bytes:
        self.begun.set()
        assert self.go.wait(60)
        return super().read(path)


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


def test_an_instance_that_could_not_read_the_list_yet_lets_no_session_in(world: World):
    ended, other = sign_in(world), sign_in(world)
    access().sign_out(a_request(ended))
    begun_anew()
    world.store.fail("read", StorageUnavailable("Azure storage is busy."))
    answer = ended.get("/api/products")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "Which sessions were ended" in answer.json()["detail"]
    assert ended.get("/api/products").status_code == 401  # the list could be read
    assert other.get("/api/products").status_code == 200


def test_without_the_list_the_key_health_and_the_form_are_as_ever(world: World):
    client = sign_in(world)
    begun_anew()
    for path, headers, status in (
        ("/api/health", {}, 200),
        ("/sign-in", {}, 200),
        ("/products", {}, 503),
        ("/api/failures", {HEADER: world.key}, 200),
    ):
        world.store.fail("read", StorageUnavailable("Azure storage is busy."))
        assert client.get(path, headers=headers).status_code == status
        assert not access().ended.is_known


def test_a_cookie_that_somebody_made_up_has_nothing_read(world: World):
    begun_anew()
    stranger = world.client(key="")
    stranger.cookies.set(COOKIE, f"{NOW * 2:.0f}.made-up.signature")
    assert stranger.get("/api/products").status_code == 401
    assert ("read", PATH) not in world.store.calls


def test_who_comes_while_a_new_instance_reads_the_list_waits_for_it():
    store = Slow({PATH: json.dumps([MINE]).encode()})
    here, answers = EndedSessions(lambda: store), list[bool]()

    def ask() -> None:
        here.renew()
        answers.append(MINE in here and OTHER not in here)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for one in asking:
        one.start()
    assert store.begun.wait(60)
    assert here.is_stale  # who comes now is one who waits
    assert MINE in here
    assert OTHER in here
    store.go.set()
    for one in asking:
        one.join(60)
    assert answers == [True] * 3
    assert store.calls.count(("read", PATH)) == 1


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
