"""Guessing keys is slowed down where it comes from, and nobody else is kept out."""

from __future__ import annotations

import secrets

import pytest
from starlette.requests import HTTPConnection
from starlette.testclient import TestClient

from functions.api.access import COOKIE, HEADER, access
from functions.api.tries import MOST_WRONG, SPAN, Tries, address_of
from tests.api.conftest import World

STRANGER, FRIEND = "203.0.113.7:51234", "198.51.100.4:443"
PATH = "/api/failures"


class Counting:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch, world: World) -> Counting:
    """The clock that the tries of ``world`` are counted by."""
    counting = Counting()
    monkeypatch.setattr(access().tries, "_monotonic", counting)
    return counting


def ask(client: TestClient, key: str, *, by: str = STRANGER, path: str = PATH) -> int:
    return client.get(path, headers={HEADER: key, "x-forwarded-for": by}).status_code


def guess(client: TestClient, count: int, **more: str) -> list[int]:
    return [ask(client, secrets.token_hex(16), **more) for _ in range(count)]


def test_after_ten_different_wrong_keys_none_is_looked_at_until_the_first_is_forgotten(world: World, time: Counting):
    client = world.client(key="")
    assert guess(client, MOST_WRONG) == [401] * MOST_WRONG
    answer = client.get(PATH, headers={HEADER: world.key, "x-forwarded-for": STRANGER})
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "300"
    assert answer.json()["detail"].endswith("none is looked at for 300 seconds.")
    time.now += SPAN - 1.5
    assert client.get(PATH, headers={HEADER: world.key, "x-forwarded-for": STRANGER}).headers["retry-after"] == "2"
    time.now += 1.5
    assert ask(client, world.key) == 200


def test_a_right_key_from_elsewhere_is_let_in_whatever_strangers_do(world: World, time: Counting):
    client = world.client(key="")
    guess(client, MOST_WRONG + 5)
    assert ask(client, world.key, by=FRIEND) == 200
    assert client.post("/sign-in", data={"key": world.key}, headers={"x-forwarded-for": FRIEND}).status_code == 303


def test_an_old_key_that_is_sent_again_and_again_keeps_nobody_out(world: World, time: Counting):
    client, old = world.client(key=""), secrets.token_hex(16)
    assert {ask(client, old) for _ in range(3 * MOST_WRONG)} == {401}
    assert ask(client, world.key) == 200


@pytest.mark.parametrize("path", [PATH, "/products", "/api/health"])
def test_a_page_of_another_site_cannot_use_up_the_tries_of_who_opens_it(world: World, time: Counting, path: str):
    client, by = world.client(key=""), {"x-forwarded-for": STRANGER, "sec-fetch-site": "cross-site"}
    answers = [client.get(path, params={"code": f"x{number}"}, headers=by) for number in range(2 * MOST_WRONG)]
    assert {answer.status_code for answer in answers} == {{PATH: 401, "/products": 303}.get(path, 200)}
    assert ask(client, world.key) == 200
    assert client.post("/sign-in", data={"key": world.key}, headers={"x-forwarded-for": STRANGER}).status_code == 303


def test_what_says_that_it_comes_from_another_site_learns_nothing_about_keys(world: World, time: Counting):
    client, by = world.client(key=""), {"x-forwarded-for": STRANGER, "sec-fetch-site": "cross-site"}
    wrong, right = (client.get(PATH, params={"code": key}, headers=by) for key in ("wrong", world.key))
    assert (right.status_code, right.json()) == (401, wrong.json())
    assert "another site" in right.json()["detail"]
    for own in ("same-origin", "same-site", "none"):
        assert client.get(PATH, params={"code": world.key}, headers={"sec-fetch-site": own}).status_code == 200


def test_who_is_signed_in_reads_on_where_others_guess(world: World, time: Counting):
    client = world.client(key="")
    client.cookies.set(COOKIE, str(access().sign_in(world.key, HTTPConnection({"type": "http", "headers": []}))))
    guess(world.client(key=""), MOST_WRONG + 1)
    assert client.get("/products", headers={"x-forwarded-for": STRANGER}).status_code == 200


def test_the_form_header_and_query_count_together_and_health_tells_no_more(world: World, time: Counting):
    client, by = world.client(key=""), {"x-forwarded-for": STRANGER}
    for number in range(MOST_WRONG - 2):
        assert client.post("/sign-in", data={"key": f"wrong-{number}"}, headers=by).status_code == 403
    assert client.get(PATH, params={"code": "another"}, headers=by).status_code == 401
    assert ask(client, "one-more", path="/api/health") == 200
    for path in (PATH, "/api/health"):
        assert ask(client, world.key, path=path) == 429
    refused = client.post("/sign-in", data={"key": world.key}, headers=by)
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    assert "set-cookie" not in refused.headers
    assert client.get("/api/health", headers=by).json()["status"] == "ok"  # without a key there is nothing to count


def test_people_read_on_the_form_how_long_they_have_to_wait(world: World, time: Counting):
    client = world.client(key="")
    guess(client, MOST_WRONG)
    headers = {"x-forwarded-for": STRANGER, "accept": "text/html"}
    answer = client.post("/sign-in", data={"key": world.key, "next": "/failures"}, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "300")
    assert "none is looked at for 300 seconds." in answer.text
    assert 'name="next" value="/failures"' in answer.text


def test_memory_is_bounded_and_forgets_the_longest_quiet_address_first():
    tries = Tries(Counting())
    for number in range(5000):
        for mark in range(2 * MOST_WRONG):
            tries.pause(f"10.0.{number // 256}.{number % 256}", str(mark), is_right=False)
    assert len(tries._wrong) == 4096
    assert {len(marks) for marks in tries._wrong.values()} == {MOST_WRONG}
    assert tries.pause("10.0.0.0", "new", is_right=False) == 0
    assert tries.pause("10.0.19.135", "new", is_right=False) == SPAN


def test_the_pause_ends_when_the_first_wrong_key_is_forgotten_not_the_last():
    time = Counting()
    tries = Tries(time)
    for mark in range(MOST_WRONG):
        assert tries.pause("10.0.0.1", str(mark), is_right=False) == 0
        time.now += 1
    assert tries.pause("10.0.0.1", "one more", is_right=True) == SPAN - MOST_WRONG
    time.now += SPAN - MOST_WRONG
    assert tries.pause("10.0.0.1", "one more", is_right=False) == 0
    assert tries.pause("10.0.0.1", "and another", is_right=True) == 1


def test_an_address_that_was_wrong_again_is_remembered_longer_than_a_quiet_one():
    tries = Tries(Counting())
    for mark in range(MOST_WRONG - 1):
        for address in ("10.9.0.1", "10.9.0.2"):
            tries.pause(address, str(mark), is_right=False)
    for address in ("10.9.0.2", "10.9.0.1"):  # the first that ever came is wrong last
        tries.pause(address, "the last", is_right=False)
    for number in range(4095):
        tries.pause(f"10.0.{number // 256}.{number % 256}", "wrong", is_right=False)
    assert tries.pause("10.9.0.2", "new", is_right=True) == 0
    assert tries.pause("10.9.0.1", "new", is_right=True) == SPAN


def test_a_right_key_is_not_remembered():
    tries = Tries(Counting())
    for mark in range(2 * MOST_WRONG):
        assert tries.pause("10.0.0.1", str(mark), is_right=True) == 0
    assert not tries._wrong


@pytest.mark.parametrize(
    ("told", "client", "address"),
    [
        ("203.0.113.7:51234", None, "203.0.113.7"),
        ("10.9.9.9, 1.2.3.4:80, 203.0.113.7:51234", None, "203.0.113.7"),  # what stands before, the client made up
        ("[2001:db8:1:2:3:4:5:6]:443", None, "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", None, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", None, "203.0.113.7"),
        ("", ("192.0.2.1", 5), "192.0.2.1"),
        ("unknown", ("192.0.2.1", 5), ""),
        ("", None, ""),
    ],
)
def test_the_address_is_what_the_front_end_says(told: str, client: tuple[str, int] | None, address: str):
    headers = [(b"x-forwarded-for", told.encode())] if told else []
    assert address_of(HTTPConnection({"type": "http", "headers": headers, "client": client})) == address
