"""Microsoft's own Python worker library indexes the deployed package and calls its functions.

The library (PyPI: azure-functions-runtime) is what Azure's worker runs from Python 3.13 on; none is published for 3.11.
So the app runs here on 3.13, with the pinned packages, azure-functions 2 in place of 1, and Azurite as its storage.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import types
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import function_app
from local.azurite import Azurite
from local.copernicus import SimulatedCopernicus
from shared.messages import TileMonthMessage
from shared.models import WATCHLIST, BlobPath, TileMonth
from shared.records import REFUSED
from shared.settings import STORAGE, Settings
from shared.wiring import Services
from tests.conftest import ROOT
from tests.infra import package

LIBRARY = "azure-functions-runtime==1.3.0"
PROGRAM = Path(__file__).parent / "worker/program.py"
AREAS = {"version": 1, "areas": [{"name": "Dark zone", "tiles": ["22WEV"]}]}
HOLIDAY, NOWHERE = BlobPath("drop", "holiday.jpg"), BlobPath("l2a", "nowhere/manifest.safe")
MONTH = TileMonth.parse("22WEV", "2021-07")
TIMER = {"timer": ["json", json.dumps({"Schedule": {"AdjustForDST": True}, "IsPastDue": False})]}
FUNCTIONS: dict[str, tuple[str, dict]] = {
    "schedule": ("timerTrigger", {"schedule": "%SCHEDULE%", "runOnStartup": False}),
    "discover": ("queueTrigger", {"queueName": "tile-months", "connection": STORAGE}),
    "classify": ("blobTrigger", {"path": "l2a/{name}", "source": "EventGrid"}),
    "drop": ("blobTrigger", {"path": "drop/{name}", "properties": {"SupportsDeferredBinding": True}}),
    "api": ("httpTrigger", {"authLevel": "ANONYMOUS", "route": "/{*route}"}),
}


def newer_python() -> str:
    """An interpreter of Python 3.13 that runs; skips where there is none."""
    installed = sorted((Path.home() / ".pyenv/versions").glob("3.13.*/bin/python3"))
    for candidate in (shutil.which("python3.13"), *map(str, installed)):
        if candidate and not subprocess.run([candidate, "--version"], capture_output=True, check=False).returncode:
            return candidate
    pytest.skip("the worker library needs Python 3.13, which is not installed")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worker")
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    requirements = folder / "requirements.txt"
    requirements.write_text(re.sub(r"(?m)^azure-functions==.*$", LIBRARY, pins) + "\nprotobuf\n", encoding="utf-8")
    return package.environment(folder / "venv", newer_python(), requirements, must_fit=False)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as azurite, SimulatedCopernicus() as copernicus:
        yield {
            **copernicus.environment(),
            STORAGE: azurite.connection_string,
            "SCHEDULE": "0 0 */6 * * *",
            "WATCH_SCHEDULE": "0 */15 * * * *",
        }


@pytest.fixture(scope="module")
def outside(settings: dict[str, str]) -> Iterator[Services]:
    found = Services(Settings.from_env(settings))
    found.store.write(WATCHLIST, json.dumps(AREAS).encode(), content_type="application/json")
    found.store.write(HOLIDAY, b"no product")
    yield found
    found.close()


def call(function: str, inputs: dict, **metadata: str) -> dict:
    sent = {name: ["json", value] for name, value in metadata.items()}
    return {"function": function, "inputs": inputs, "metadata": sent}


def queued(text: str) -> dict:
    return {"message": ["string", text]}


def blob(path: BlobPath) -> dict:
    """The reference that the host sends instead of a blob's bytes."""
    return {
        "blob": ["model_binding_data", {"Connection": STORAGE, "ContainerName": path.container, "BlobName": path.name}]
    }


CALLS = {
    "timer": call("schedule", TIMER),
    "queue": call("discover", queued(TileMonthMessage.of(MONTH).encode()), DequeueCount="1", Id='"a"'),
    "bad queue": call("discover", queued("no message"), DequeueCount="1"),
    "blob": call("drop", blob(HOLIDAY)),
    "bad blob": call("classify", blob(NOWHERE)),
    "http": call("api", {"req": ["http", {"method": "GET", "url": "https://x.azurewebsites.net/api/health"}]}),
}


@pytest.fixture(scope="module")
def said(python: Path, settings: dict[str, str], outside: Services, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What the worker says of the app, and of each call in one process."""
    folder = package.build(tmp_path_factory.mktemp("package"))
    done = subprocess.run(
        [python, PROGRAM],
        cwd=folder,
        env=settings | {"PATH": os.environ["PATH"]},
        input=json.dumps(list(CALLS.values())),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["error"] == ""
    return said


def answer(said: dict, name: str) -> dict:
    return said["calls"][list(CALLS).index(name)]


def test_no_output_is_annotated_in_a_way_that_the_worker_refuses():
    function_app.app.functions_bindings = None  # the library takes a second look for doubled names
    for function in function_app.app.get_functions():
        for name, annotation in typing.get_type_hints(function.get_user_function()).items():
            for inner in typing.get_args(annotation):
                assert not isinstance(inner, types.GenericAlias), f"{function.get_function_name()}: {name} is {inner}"


def test_the_worker_indexes_every_function(said):
    function_app.app.functions_bindings = None
    assert set(said["functions"]) == {function.get_function_name() for function in function_app.app.get_functions()}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_worker_tells_the_host_the_trigger_that_was_meant(said, name):
    kind, meant = FUNCTIONS[name]
    (trigger,) = [binding for binding in said["functions"][name] if binding["type"] == kind]
    assert meant.items() <= trigger.items()


def test_the_timer_asks_for_the_months_of_the_watchlist(said):
    told = answer(said, "timer")
    assert told["ok"], told["error"]
    kind, body = told["outputs"]["months"]
    asked = [TileMonthMessage.decode(text.encode()).value() for text in json.loads(body)]
    assert kind == "json"
    assert [month.tile.name for month in asked] == ["22WEV", "22WEV"]


def test_a_queue_message_is_searched_for_and_the_month_is_in_the_ledger(said, outside):
    told = answer(said, "queue")
    assert told["ok"], told["error"]
    assert told["outputs"]["products"] == ["json", "[]"], "the simulated catalogue is empty"
    assert outside.ledger.month(MONTH) is not None


def test_a_message_that_does_not_parse_fails_the_call_so_that_the_queue_counts_it(said):
    told = answer(said, "bad queue")
    assert not told["ok"]
    assert told["error"].startswith("BadMessage")


def test_a_blob_comes_by_name_only_and_one_that_is_no_product_is_refused_in_the_ledger(said, outside):
    for name, path in (("blob", HOLIDAY), ("bad blob", NOWHERE)):
        assert answer(said, name)["ok"], answer(said, name)["error"]
        assert outside.ledger.get(REFUSED, str(path)) is not None


def test_http_is_answered_by_the_application(said):
    kind, response = answer(said, "http")["returned"]
    assert kind == "http"
    assert response["status"] == "200", response
    assert "tile-months" in json.loads(response["body"][1])["queues"]
