"""Nothing is reached without the key; what is signed works for a while and for nothing else."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from functions.api.access import COOKIE, Access, access
from functions.api.ended import EndedSessions
from functions.api.links import folder_of, result_link
from tests.api.conftest import ELSEWHERE, HERE, World
from tests.fakes import FakeStore

KEY = "a key of the tests that is long".replace(" ", "-")


class Time:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("key", ["", "wrong", "x" * 5000, "é"])
@pytest.mark.parametrize("path", ["/api/products", "/api/openapi.json", "/stac", "/api/nowhere", "/api/results/a"])
def test_without_the_key_every_path_of_the_api_is_refused(world: World, path: str, key: str):
    client = world.client(key="")
    answer = client.get(path, headers=[(b"x-functions-key", key.encode())] if key else None)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert world.key not in answer.text


def test_the_key_is_taken_from_the_header_or_the_query(world: World):
    assert world.client().get("/api/failures").status_code == 200
    assert world.client(key="").get("/api/failures", params={"code": world.key}).status_code == 200


def test_health_says_ok_and_nothing_else_to_strangers(world: World):
    answer = world.client(key="").get("/api/health")
    assert answer.status_code == 200
    assert {name for name, value in answer.json().items() if value is not None} == {"status"}


def test_without_a_key_in_the_settings_nobody_gets_in(make_world):
    world: World = make_world(key="")
    answer = world.client(key="").get("/api/products")
    assert answer.status_code == 503
    assert "API_KEY" in answer.json()["detail"]
    assert world.client(key="anything-at-all-is-no-key").get("/api/products").status_code == 503
    assert world.client(key="").get("/api/health").json()["status"] == "ok"


@pytest.mark.parametrize("path", ["/api/products", "/", "/sign-in"])
@pytest.mark.parametrize("storage", [ELSEWHERE, HERE])
def test_a_key_that_cannot_be_used_lets_nobody_in_and_the_sentence_says_why(make_world, storage: str, path: str):
    world: World = make_world(storage=storage, key="a key with blanks in it, thirty")
    answer = world.client().get(path)
    assert answer.status_code == 500
    assert "Character 2 of API_KEY is a blank" in answer.text
    assert world.key not in answer.text


def test_on_one_machine_nothing_is_asked_for(make_world):
    world: World = make_world(storage=HERE, key="")
    assert world.client(key="").get("/api/products").status_code == 200


def test_a_key_that_is_set_is_asked_for_on_one_machine_too(make_world):
    world: World = make_world(storage=HERE)
    assert world.client(key="").get("/api/products").status_code == 401


def test_a_page_of_another_site_gives_no_orders(make_world):
    world: World = make_world(storage=HERE, key="")
    order = {"tile": "22WEV", "first": "2021-07"}
    foreign = world.client(key="").post("/api/orders/backfill", json=order, headers={"origin": "https://evil.example"})
    own = {"origin": "https://icewatch.example.org"}
    assert foreign.status_code == 403
    assert not world.queues.sent
    assert world.client(key="").post("/api/orders/backfill", json=order, headers=own).status_code == 202


def test_a_session_reads_the_api_and_gives_it_no_orders(world: World):
    client = world.client(key="")
    client.cookies.set(COOKIE, str(access().sign_in(world.key, a_request(None))))
    assert client.get("/api/products").status_code == 200
    assert client.post("/api/orders/retry", json={"failed": True}).status_code == 401


def test_a_page_sends_who_is_not_signed_in_to_the_form(world: World):
    answer = world.client(key="").get("/tiles/22WEV/calendar")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=/tiles/22WEV/calendar")


def an_access(now: Time | None = None, secret: bytes = b"secret") -> Access:
    ended = EndedSessions(FakeStore)
    ended.renew()
    return Access(KEY, False, secret, now or Time(), ended=ended)


def a_request(cookie: str | None):
    from starlette.requests import HTTPConnection

    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
    return HTTPConnection({"type": "http", "headers": headers, "query_string": b""})


def test_a_session_ends_after_its_hours_and_cannot_be_made_up():
    now = Time()
    one = an_access(now)
    cookie = one.sign_in(KEY, a_request(None))
    assert one.sign_in("another", a_request(None)) is None
    assert one.is_signed_in(a_request(cookie))
    longer = str(cookie).replace(str(cookie)[:10], str(int(now.now) + 10**6), 1)
    assert not one.is_signed_in(a_request(longer))
    assert not one.is_signed_in(a_request(None))
    now.now += 13 * 3600
    assert not one.is_signed_in(a_request(cookie))


def test_the_token_of_a_form_belongs_to_its_session():
    one = an_access()
    mine, other = a_request(one.sign_in(KEY, a_request(None))), a_request(one.sign_in(KEY, a_request(None)))
    assert one.check_csrf(mine, one.csrf(mine))
    assert not one.check_csrf(mine, one.csrf(other))
    assert not one.check_csrf(a_request(None), one.csrf(a_request(None)))


def test_a_token_opens_one_folder_for_an_hour_or_two():
    now = Time()
    one = an_access(now)
    token = one.token("22WEV/2021/07/a.SAFE")
    assert one.opens(token, "22WEV/2021/07/a.SAFE")
    assert not one.opens(token, "22WEV/2021/07/b.SAFE")
    assert not an_access(now, b"another").opens(token, "22WEV/2021/07/a.SAFE")
    assert not one.opens("9" * 12 + ".x", "22WEV/2021/07/a.SAFE")
    longer = f"{int(token.partition('.')[0]) + 3600}.{token.partition('.')[2]}"
    assert not one.opens(longer, "22WEV/2021/07/a.SAFE")
    now.now += 2 * 3600
    assert not one.opens(token, "22WEV/2021/07/a.SAFE")


def test_a_token_opens_results_only(world: World):
    link = result_link("surface/22WEV/2021/07/a.SAFE/x.tif", signed=True)
    token = link.partition("token=")[2]
    client = world.client(key="")
    assert client.get(link).status_code == 422  # let in, and told that this is no product
    for path in ("/api/products", "/stac", "/api/results/22WEV/2021/07/b.SAFE/x.tif"):
        assert client.get(path, params={"token": token}).status_code == 401


def test_a_token_gives_nothing_but_reading(world: World):
    link = result_link("surface/22WEV/2021/07/a.SAFE/x.tif", signed=True)
    client = world.client(key="")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert client.request(method, link).status_code == 401


def test_who_sends_notifications_learns_an_address_for_them_alone(world: World):
    address = world.client().get("/api/notifications").json()["address"]
    assert address.startswith("https://icewatch.example.org/api/notifications?token=")
    assert world.key not in address
    token, stranger = address.partition("token=")[2], world.client(key="")
    assert stranger.post(address, json={}).status_code == 422  # let in, and told that this is no notification
    assert stranger.post("/api/notifications?token=x", json={}).status_code == 401
    assert stranger.get(address).status_code == 401
    for method, path in (("GET", "/api/products"), ("POST", "/api/orders/retry"), ("PUT", "/api/watchlist")):
        assert stranger.request(method, path, params={"token": token}, json={}).status_code == 401
        assert stranger.request(method, path, params={"code": token}, json={}).status_code == 401


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("/products?state=FAILED&tile=22WEV", "/products?state=FAILED&tile=22WEV"),
        ("/refused?name=a%20%26%20b.zip", "/refused?name=a+%26+b.zip"),
        ("/products?code=a-wrong-key&state=FAILED", "/products?state=FAILED"),
        ("/products?code=a-wrong-key", "/products"),
        (f"/products?reason={'x' * 1000}", "/products"),
    ],
)
def test_after_signing_in_one_is_where_one_wanted_to_be(world: World, asked: str, wanted: str):
    client = world.client(key="")
    form = client.get(asked).headers["location"]
    assert form.startswith("/sign-in?next=")
    (sent,) = parse_qs(urlsplit(form).query)["next"]
    assert sent == wanted
    answer = client.post("/sign-in", data={"key": world.key, "next": sent})
    assert answer.headers["location"] == wanted


def test_the_folder_of_a_token_is_that_of_the_file():
    assert folder_of("22WEV/2021/07/a.SAFE/deep/x.tif") == "22WEV/2021/07/a.SAFE"
