"""Signing in and giving orders on the pages, over fakes."""

from __future__ import annotations

import re

import pytest

from functions.pages.doing import own_path
from shared.messages import CORRECTIONS, PRODUCTS, TILE_MONTHS
from shared.models import ProductName, State, staged_zip
from shared.pipeline.overview_failures import key as reason_key
from tests.fakes import FakeLedger
from tests.unit.pages_case import BROKEN, CLEAR, CLOUDY, Pages, a_record, forms, some_records

KEY = "a-key-of-thirty-letters-and-more"


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("API_KEY", KEY)
    return Pages(FakeLedger(some_records()))


@pytest.fixture
def signed_in(pages: Pages) -> Pages:
    answer = pages.client.post("/sign-in", data={"key": KEY, "next": "/failures"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/failures")
    return pages


def state(pages: Pages, name: str) -> State:
    record = pages.ledger.get("22WEV", name)
    assert record is not None
    return record.state


def test_nobody_sees_a_page_without_signing_in(pages: Pages):
    answer = pages.client.get("/tiles/22WEV/calendar")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/tiles/22WEV/calendar"
    assert "Sign out" not in pages.get("/sign-in")


def test_a_wrong_key_is_refused_and_repeated_nowhere(pages: Pages):
    answer = pages.client.post("/sign-in", data={"key": "wrong" + KEY})
    assert answer.status_code == 403
    assert "This is not the key." in answer.text
    assert KEY not in answer.text
    assert "set-cookie" not in answer.headers


def test_the_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(pages: Pages):
    cookie = pages.client.post("/sign-in", data={"key": KEY}).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert KEY not in cookie


def test_no_page_shows_the_key(signed_in: Pages):
    for path in ("/", "/tiles/22WEV/calendar", "/tiles/22WEV/series", f"/products/{CLEAR}", "/failures"):
        assert KEY not in signed_in.get(path), path


def test_who_signs_out_is_out(signed_in: Pages):
    assert signed_in.send("/sign-out", {}, "/").headers["location"] == "/sign-in"
    assert signed_in.client.get("/").status_code == 303


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "",
        "javascript:alert(1)",
        "/a\nb",
        "/a b",
        "/failures\u202etxt.evil",  # turns what follows around
        "/failures\u200b",  # is not seen
        "/\x7f/evil.example",
        "/" + "a" * 2000,
    ],
)
def test_signing_in_leads_to_no_other_site(signed_in: Pages, text: str):
    assert own_path(text) == "/"
    assert signed_in.client.post("/sign-in", data={"key": KEY, "next": text}).headers["location"] == "/"


def test_retry_puts_a_failed_product_back_and_leads_to_its_page(signed_in: Pages):
    answer = signed_in.send("/orders/retry", {}, f"/products/{BROKEN}")
    assert answer.headers["location"] == f"/products/{BROKEN}?ordered=retry"
    assert state(signed_in, BROKEN) is State.DISCOVERED
    assert len(signed_in.queues.sent[PRODUCTS]) == 1
    assert "It is put back" in signed_in.get(answer.headers["location"])


def test_retry_given_twice_does_no_more_than_once(signed_in: Pages):
    fields = forms(signed_in.get(f"/products/{BROKEN}"))["/orders/retry"]
    for _ in range(2):
        answer = signed_in.client.post("/orders/retry", data=fields)
    assert answer.headers["location"].endswith("?ordered=none")
    assert len(signed_in.queues.sent[PRODUCTS]) == 1


def test_retry_of_one_kind_puts_back_all_of_it_and_nothing_else(signed_in: Pages):
    other = BROKEN.replace("20210713", "20210714")
    signed_in.ledger.add(a_record(other, State.FAILED, reason="No ozone file.", id="1"))
    signed_in.store.write(staged_zip(ProductName.parse(other)), b"zip")
    keys = re.findall(r'name="key" value="([0-9a-f]{12})"', signed_in.get("/failures"))
    assert len(keys) == 2
    answer = signed_in.send("/orders/retry-failed", {"key": reason_key("No ozone file.")}, "/failures")
    assert "1 put back within the last minutes" in signed_in.get(answer.headers["location"])
    assert (state(signed_in, BROKEN), state(signed_in, other)) == (State.FAILED, State.STAGED)


def test_a_product_whose_zip_is_still_staged_goes_on_from_there(signed_in: Pages):
    signed_in.store.write(staged_zip(ProductName.parse(BROKEN)), b"zip")
    signed_in.send("/orders/retry", {}, f"/products/{BROKEN}")
    assert state(signed_in, BROKEN) is State.STAGED
    assert len(signed_in.queues.sent[CORRECTIONS]) == 1


def test_older_months_can_be_searched_from_the_calendar(signed_in: Pages):
    page = "/tiles/22WEV/calendar?year=2019"
    answer = signed_in.send("/orders/backfill", {"first": "2019-06", "last": "2019-08"}, page)
    assert len(signed_in.queues.sent[TILE_MONTHS]) == 3
    assert "3 months wait to be searched" in signed_in.get(answer.headers["location"])


def test_a_span_that_is_none_is_refused_with_a_sentence(signed_in: Pages):
    page = "/tiles/22WEV/calendar"
    answer = signed_in.send("/orders/backfill", {"first": "2019-09", "last": "2019-08"}, page)
    assert answer.status_code == 422
    assert "name the earlier month first" in answer.text


@pytest.mark.parametrize(
    "path",
    ["/orders/retry", "/orders/reclassify", "/orders/cancel", "/orders/retry-failed", "/orders/backfill", "/sign-out"],
)
@pytest.mark.parametrize("token", [None, "", "forged"])
def test_a_form_without_the_sessions_token_does_nothing(signed_in: Pages, path: str, token: str | None):
    fields = {"name": BROKEN, "key": "0" * 12} | ({} if token is None else {"csrf": token})
    answer = signed_in.client.post(path, data=fields)
    assert answer.status_code == 403
    assert "nothing was done" in answer.text
    assert state(signed_in, BROKEN) is State.FAILED


def test_the_token_of_one_session_is_of_no_use_to_another(signed_in: Pages):
    fields = forms(signed_in.get(f"/products/{BROKEN}"))["/orders/retry"]
    signed_in.client.cookies.clear()
    signed_in.client.post("/sign-in", data={"key": KEY})
    assert signed_in.client.post("/orders/retry", data=fields).status_code == 403


def test_a_form_sent_by_another_sites_page_is_refused(signed_in: Pages):
    answer = signed_in.send("/orders/retry", {}, f"/products/{BROKEN}", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert state(signed_in, BROKEN) is State.FAILED


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 20, b"x" * 30_000])
def test_a_body_that_is_no_form_of_ours_is_refused(signed_in: Pages, body: bytes):
    assert signed_in.client.post("/orders/retry", content=body).status_code == 422


def test_an_order_that_does_not_fit_is_answered_with_its_sentence(signed_in: Pages):
    answer = signed_in.send("/orders/retry", {"name": CLEAR}, f"/products/{CLOUDY}")
    assert answer.status_code == 409
    assert "is CLASSIFIED" in answer.text
