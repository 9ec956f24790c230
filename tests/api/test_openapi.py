"""The OpenAPI document says all that may happen: whatever is sent, the answer is one that stands there."""

from __future__ import annotations

import json
from typing import get_args

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from functions.api.access import HEADER
from functions.api.application import application
from functions.api.problems import STATUS
from functions.api.tiles import ClassName
from shared.errors import IceWatchError
from shared.science.classes import SurfaceClass
from tests.api.conftest import L1C, World

schema = schemathesis.openapi.from_dict(application().openapi())
schema.app = application()
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_documented_and_none_is_a_fault(case, busy: World):
    case.call_and_validate(headers={HEADER: busy.key}, checks=CHECKS)


def test_every_route_says_what_it_is_for_and_what_may_go_wrong():
    for path, methods in application().openapi()["paths"].items():
        for method, route in methods.items():
            assert route.get("description") or route.get("summary"), f"{method} {path}"
            assert {"500", "503"} <= route["responses"].keys(), f"{method} {path}"
            if path != "/api/health":
                assert {"401", "422"} <= route["responses"].keys(), f"{method} {path}"


@pytest.mark.parametrize("part", ["/stac", "/api/watchlist", "/api/notifications"])
def test_every_parameter_has_an_example(part: str):
    for path, methods in application().openapi()["paths"].items():
        for route in methods.values() if path.startswith(part) else ():
            for parameter in route.get("parameters", ()):
                told = parameter["schema"].get("examples") or parameter.get("example")
                assert told, f"{path}: {parameter['name']}"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/products?states=FAILED", "There is no parameter 'states' here; it takes after, from, limit,"),
        ("/api/failures?%3Cb%3E=1", "There is no parameter '<b>' here; it takes tile."),
        ("/api/watchlist?a=1", "There is no parameter 'a' here; it takes none."),
        (f"/api/products/{L1C}?state=FAILED", "There is no parameter 'state' here; it takes none."),
        ("/api/results/22WEV/2024/07/x.SAFE/manifest.json?a=1", "There is no parameter 'a' here; it takes none."),
    ],
)
def test_a_parameter_that_a_route_does_not_have_is_refused(client, path: str, sentence: str):
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(sentence)


def test_every_error_of_ours_has_a_status():
    def below(kind: type[IceWatchError]) -> set[type[IceWatchError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert all(any(parent in STATUS for parent in kind.__mro__) for kind in below(IceWatchError))


def test_the_classes_of_a_query_are_those_of_the_maps():
    assert list(get_args(ClassName)) == [surface.short for surface in SurfaceClass]


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/results", "/stac/collections/x/y", "/%2e%2e/%2e%2e/etc/passwd"])
def test_what_is_not_there_is_a_problem_too(client, path: str):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404


@pytest.mark.parametrize("view", ["calendar", "series", "series.csv"])
@pytest.mark.parametrize("tile", ["22W%2FEV", "a" * 3000])
def test_what_can_be_no_tile_at_all_is_answered_as_documented(client, view: str, tile: str):
    status = client.get(f"/api/tiles/{tile}/{view}").status_code
    assert status == 404
    assert str(status) in application().openapi()["paths"][f"/api/tiles/{{tile}}/{view}"]["get"]["responses"]


def test_a_method_that_is_not_offered_is_a_problem_that_names_those_that_are(client):
    answer = client.delete("/api/watchlist")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
    assert answer.headers["allow"]


def test_a_body_that_is_too_large_is_refused(client, world: World):
    answer = client.put("/api/watchlist", content=b"x" * (1024 * 1024 + 1))
    assert answer.status_code == 413
    assert world.store.paths("config") == []


def test_a_body_that_is_no_json_is_refused_with_its_place(client):
    answer = client.post("/api/orders/retry", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert json.loads(answer.text)["errors"][0]["place"].startswith("body")


def test_a_fault_of_the_app_is_told_without_its_inside(client, world: World):
    world.store.fail("info", ValueError("a secret thing"))
    answer = client.get("/api/watchlist")
    assert answer.status_code == 500
    assert "secret" not in answer.text


def test_answers_are_kept_by_nobody_and_framed_by_nobody(client):
    headers = client.get("/api/failures").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_an_address_that_is_not_there_is_a_page_for_people_and_a_problem_for_programs(client):
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = client.get("/tiels/22WEV", headers=browser)
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing at this address." in page.text
    assert 'href="/"' in page.text
    for path, headers in (("/tiels/22WEV", {}), ("/api/tiels", browser), ("/stac/tiels", browser)):
        assert client.get(path, headers=headers).headers["content-type"] == "application/problem+json"


def test_a_page_that_takes_no_such_method_says_so_as_a_page(client):
    page = client.get("/orders/retry", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["allow"]) == (405, "POST")
    assert "does not take that method" in page.text
