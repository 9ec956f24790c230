"""What the function app sends to Application Insights: its own lines, and nothing for each request to storage."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from azure.monitor.opentelemetry._utils.configurations import _get_configurations

from infra.check.load import load
from infra.check.names import FUNCTIONS
from infra.check.queries import code_of
from infra.check.wiring import place_of
from shared.settings import STORAGE
from tests.conftest import ROOT

KEY = "a2V5"
HEADERS = {"ETag": '"1"', "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT", "Content-Length": "0"}
DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
# What the worker does before it indexes the app: everything from INFO up is handled at the root.
PROGRAM = """
import json, logging, os, sys
records = []
class Kept(logging.Handler):
    def emit(self, record):
        records.append([record.name, record.getMessage()])
logging.getLogger().addHandler(Kept())
logging.getLogger().setLevel(logging.INFO)
if sys.argv[1] == "indexed":
    import function_app
from shared.models import BlobPath
from shared.wiring import services
services().store.write(BlobPath("l2a", "a/b"), b"x")
logging.getLogger("icewatch").info("a line of a step")
logging.getLogger("azure.storage").warning("a warning of the library")
print(json.dumps(records))
"""


class Storage(BaseHTTPRequestHandler):
    """Takes every blob."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(201)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def connection() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ends = (f"{kind}Endpoint=http://127.0.0.1:{server.server_port}/account" for kind in ("Blob", "Queue", "Table"))
    yield ";".join(("DefaultEndpointsProtocol=http", "AccountName=account", f"AccountKey={KEY}", *ends))
    server.shutdown()
    server.server_close()


def logged(connection: str, how: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        cwd=ROOT,
        env={STORAGE: connection},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [f"{name}: {text}" for name, text in json.loads(done.stdout)]


def test_a_write_logs_nothing_once_the_app_is_indexed_but_lines_and_warnings_still_come(connection):
    assert logged(connection, "indexed") == [
        "icewatch: a line of a step",
        "azure.storage: a warning of the library",
    ]
    assert any("Request URL" in line for line in logged(connection, "as the library is")), "there is nothing to hush"


def test_the_libraries_that_reach_storage_tell_of_no_request_and_those_of_the_provider_do(monkeypatch):
    _, setting = place_of(load(ROOT).files[FUNCTIONS], f"var settings.{DISABLED}")
    told = load(ROOT).plain(load(ROOT).files[FUNCTIONS], setting)
    monkeypatch.setenv(DISABLED, str(told))
    options: Any = _get_configurations()["instrumentation_options"]  # as the worker's distribution does
    is_on = {name: option["enabled"] for name, option in options.items()}
    assert not any(is_on[name] for name in ("azure_sdk", "requests", "urllib", "urllib3"))
    assert is_on["httpx"]
    assert set(str(told).split(",")) <= is_on.keys()


# As host and worker call requests with OpenTelemetry: OpenTelemetryConfigurationExtensions.cs of azure-functions-host,
# and measured with the instrumentation of FastAPI that the worker's distribution brings.
HTTP = ["GET {*route}", "GET", "GET /api/products/{product:path}", "POST /sign-in", "GET /wp-login.php", "api"]


@pytest.mark.parametrize("name", HTTP)
def test_no_request_over_http_counts_as_a_failed_invocation_whoever_asks_for_what(name):
    query = code_of((ROOT / "infra/queries/failures.kql").read_text(encoding="utf-8"))
    listed = query.partition("where Name in (")[2].partition(")")[0]
    assert f'"{name}"' not in listed
    for step in ("classify", "schedule", "poison_products"):
        assert f'"{step}"' in listed
    assert query.count("Name") == 1, "nothing else lets a name in"
