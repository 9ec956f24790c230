"""What the code of the app says: queues, containers, tables, settings, functions. Read from the code itself."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.adapters.leases import LOCKS
from shared.messages import QUEUES, poison_of
from shared.models import CONTAINERS, STAGING
from shared.settings import STORAGE, Settings

ROOT = Path(__file__).parents[2]
_INDEX = """
import json, function_app
print(json.dumps({f.get_function_name(): [b.get_dict_repr() for b in f.get_bindings()]
                  for f in function_app.app.get_functions()}, default=lambda v: getattr(v, "value", str(v))))
"""


@dataclass(frozen=True, slots=True)
class BlobTrigger:
    """A function that Event Grid has to tell of new blobs."""

    function: str
    container: str


class _Asked(Mapping[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.names: set[str] = set()
        self._known = known

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@cache
def settings_read() -> set[str]:
    """Every name that ``Settings.from_env`` looks up where the storage account is reached by identity."""
    known = {f"{STORAGE}__{kind}ServiceUri": "https://a.example.org" for kind in ("blob", "queue", "table")}
    asked = _Asked(known)
    Settings.from_env(asked)
    return asked.names


@cache
def bindings(root: Path = ROOT) -> dict[str, list[dict[str, object]]]:
    """The bindings of each function as the host indexes them; in a process of its own, so that nothing changes here."""
    done = subprocess.run([sys.executable, "-c", _INDEX], cwd=root, capture_output=True, text=True, check=True)
    found: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return found


@cache
def steps() -> set[str]:
    """The functions whose invocations carry their name in telemetry: all but those that answer HTTP.

    With OpenTelemetry the host calls a request over HTTP "GET {route}" (OpenTelemetryConfigurationExtensions.cs of
    azure-functions-host), and the worker tells of it once more, after the route of the application.
    """
    return {
        name for name, all_of in bindings().items() if not any(binding["type"] == "httpTrigger" for binding in all_of)
    }


@cache
def settings_of_bindings() -> set[str]:
    """Names that bindings and host.json take from the settings as ``%NAME%``."""
    text = json.dumps(bindings()) + (ROOT / "host.json").read_text(encoding="utf-8")
    return set(re.findall(r"%(\w+)%", text))


@cache
def blob_triggers() -> set[BlobTrigger]:
    """The functions with a blob trigger from Event Grid."""
    return {
        BlobTrigger(name, str(binding["path"]).partition("/")[0])
        for name, all_of in bindings().items()
        for binding in all_of
        if binding["type"] == "blobTrigger"
    }


def queues() -> set[str]:
    """Queues between the steps."""
    return set(QUEUES)


@cache
def poison_queues() -> set[str]:
    """Where the queues put what they give up on, and what else the functions listen to."""
    listened = {str(b["queueName"]) for all_of in bindings().values() for b in all_of if b["type"] == "queueTrigger"}
    return ({poison_of(queue) for queue in QUEUES} | listened) - queues()


@cache
def containers() -> set[str]:
    """Blob containers: those of the design, the locks, and any other that the code spells out."""
    return {*CONTAINERS, STAGING, LOCKS, *_spelled_out()}


def _spelled_out() -> Iterator[str]:
    for path in sorted((ROOT / "shared").glob("**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "BlobPath"
                and node.args
            ):
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


@cache
def tables() -> set[str]:
    """Tables of the ledger."""
    from shared.adapters.ledger import PRODUCTS, TILE_MONTHS

    return {PRODUCTS, TILE_MONTHS}
