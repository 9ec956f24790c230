"""HTTP triggers of the one-machine host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import azure.functions as func
import httpx
import pytest
from fastapi import FastAPI, Request, Response

from local import http_server
from local.http_server import routes_of
from shared.errors import BadSetting
from tests.adapters.hosting import host_of


def test_a_fastapi_app_answers_through_the_host(azurite: str, tmp_path: Path) -> None:
    life: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        life.append("up")
        yield
        life.append("down")

    web = FastAPI(lifespan=lifespan)

    @web.get("/")
    async def root() -> dict[str, str]:
        return {"who": "icewatch"}

    @web.post("/products/{tile}")
    async def echo(tile: str, request: Request) -> Response:
        body = await request.body()
        headers = {"x-tile": tile, "x-query": request.url.query}
        return Response(body[::-1], 201, headers, media_type="application/octet-stream")

    app = func.AsgiFunctionApp(web, http_auth_level=func.AuthLevel.ANONYMOUS, function_name="api")
    for turn in (1, 2):  # the same app also runs in a second host
        with host_of(app, azurite, tmp_path) as host, httpx.Client(base_url=host.http_address) as client:
            assert client.get("/").json() == {"who": "icewatch"}
            answer = client.post("/products/22WEV?a=1&b=%20x", content=bytes(range(256)))
            assert answer.status_code == 201
            assert answer.content == bytes(range(256))[::-1]
            assert answer.headers["x-tile"] == "22WEV"
            assert answer.headers["x-query"] == "a=1&b=%20x"
            assert answer.headers["content-type"] == "application/octet-stream"
            assert client.get("/none").status_code == 404
            assert client.head("/products/22WEV").status_code == 405
        assert life == ["up", "down"] * turn


@pytest.fixture
def plain() -> func.FunctionApp:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route("tiles/{tile}/{month?}", methods=["GET"])
    def tiles(req: func.HttpRequest) -> func.HttpResponse:
        where = "/".join(req.route_params.values())
        response = func.HttpResponse(f"{where} {req.params.get('q')} {req.headers['X-Word']}", status_code=203)
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        return response

    @app.route("tiles/all")
    def everything(req: func.HttpRequest) -> str:
        return "all"

    @app.route("json", methods=["POST"])
    async def number(req: func.HttpRequest) -> func.HttpResponse:
        await asyncio.sleep(0)
        return func.HttpResponse(str(req.get_json()["n"] + 1), mimetype="application/json")

    @app.route("nothing")
    def nothing(req: func.HttpRequest): ...

    @app.route("crash")
    def crash(req: func.HttpRequest):
        raise ZeroDivisionError

    @app.route("odd")
    def odd(req: func.HttpRequest):
        return 7

    return app


def test_plain_http_functions_answer_under_the_prefix(azurite: str, tmp_path: Path, plain: func.FunctionApp) -> None:
    config = {"http": {"routePrefix": "api"}}
    host = host_of(plain, azurite, tmp_path, config=config)
    with host, httpx.Client(base_url=f"{host.http_address}/api", headers={"x-word": "w"}) as client:
        answer = client.get("/tiles/22WEV/2019-07?q=1")
        assert (answer.status_code, answer.text) == (203, "22WEV/2019-07 1 w")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
        assert client.get("/tiles/22WEV").text == "22WEV None w"
        assert client.get("/tiles/all").text == "all"
        assert client.post("/tiles/22WEV").status_code == 405
        answer = client.post("/json", json={"n": 41})
        assert (answer.json(), answer.headers["content-type"]) == (42, "application/json")
        assert client.get("/nothing").status_code == 204
        assert client.get("/crash").status_code == 500
        assert client.get("/odd").status_code == 500
        assert client.get("/tiles/all").status_code == 200  # the host goes on
        assert httpx.get(f"{host.http_address}/tiles/all").status_code == 404


def test_a_body_larger_than_azure_takes_is_refused(
    azurite: str, tmp_path: Path, plain: func.FunctionApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "MAX_BODY", 1000)
    with host_of(plain, azurite, tmp_path) as host:
        assert httpx.post(f"{host.http_address}/json", content=b"x" * 1001).status_code == 413
        pieces = iter([b"x" * 600, b"x" * 600])
        assert httpx.post(f"{host.http_address}/json", content=pieces).status_code == 413
        assert httpx.post(f"{host.http_address}/json", json={"n": 1}).text == "2"


def test_requests_under_a_foreign_host_name_are_refused(azurite: str, tmp_path: Path, plain: func.FunctionApp) -> None:
    with host_of(plain, azurite, tmp_path) as host:
        answer = httpx.get(f"{host.http_address}/tiles/all", headers={"host": "evil.example"})
        assert answer.status_code == 400


def test_a_port_in_use_is_named(azurite: str, tmp_path: Path, plain: func.FunctionApp) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadSetting, match=f"Port {port} of 127.0.0.1 cannot be used"):
            host_of(plain, azurite, tmp_path, http_port=port).start()


@pytest.mark.parametrize(
    ("route", "prefix", "paths"),
    [
        ("/{*route}", "", ["/", "/{route:path}"]),
        ("/{*route}", "api", ["/api", "/api/{route:path}"]),
        ("a/{b:int}/{c?}", "", ["/a/{b:int}", "/a/{b:int}/{c:str}"]),
        ("", "", ["/"]),
    ],
)
def test_route_templates_become_paths(route: str, prefix: str, paths: list[str]) -> None:
    assert routes_of(route, prefix, "it") == paths


@pytest.mark.parametrize("route", ["a/{b:alpha}", "a/{b}.json", "a/{b", "{b:regex(x)}"])
def test_route_templates_that_are_not_supported_are_refused(route: str) -> None:
    with pytest.raises(BadSetting, match=r"^Function f has "):
        routes_of(route, "", "Function f")
