"""The app indexes fast, with every step and poison handler in its place."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

import function_app
from functions.blob_name import BlobName
from shared.errors import BadMessage
from shared.models import BlobPath
from tests.conftest import ROOT

HEAVY = {"rasterio", "sklearn", "numba", "numpy", "pandas", "fastapi", "azure.storage.blob", "azure.identity", "PIL"}


@cache
def bindings() -> dict[str, list[dict[str, object]]]:
    function_app.app.functions_bindings = None  # the library takes a second look for doubled names
    found: dict[str, list[dict[str, object]]] = {}
    for function in function_app.app.get_functions():
        found[str(function.get_function_name())] = [binding.get_dict_repr() for binding in function.get_bindings()]
    return found


def trigger(name: str) -> dict[str, object]:
    return next(binding for binding in bindings()[name] if str(binding["type"]).endswith("Trigger"))


def test_every_step_is_registered():
    assert set(bindings()) == {
        "schedule", "discover", "stage", "drop", "classify", "reclassify", "watch", "api",
        "poison_tile_months", "poison_products", "poison_corrections", "poison_classifications", "poison_blobs",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("schedule", {"type": "timerTrigger", "schedule": "%SCHEDULE%"}),
        ("watch", {"type": "timerTrigger", "schedule": "%WATCH_SCHEDULE%"}),
        ("discover", {"type": "queueTrigger", "queueName": "tile-months"}),
        ("stage", {"type": "queueTrigger", "queueName": "products"}),
        ("reclassify", {"type": "queueTrigger", "queueName": "classifications"}),
        ("drop", {"type": "blobTrigger", "path": "drop/{name}", "source": "EventGrid"}),
        ("classify", {"type": "blobTrigger", "path": "l2a/{name}", "source": "EventGrid"}),
        ("poison_products", {"type": "queueTrigger", "queueName": "products-poison"}),
        ("poison_blobs", {"type": "queueTrigger", "queueName": "webjobs-blobtrigger-poison"}),
    ],
)
def test_a_step_listens_where_the_design_says(function, expected):
    told = {key: str(getattr(value, "value", value)) for key, value in trigger(function).items()}
    assert expected.items() <= told.items()


@pytest.mark.parametrize(
    ("function", "queues"),
    [
        ("schedule", {"tile-months"}),
        ("discover", {"products"}),
        ("stage", {"corrections"}),
        ("drop", {"corrections", "classifications"}),
    ],
)
def test_a_step_sends_to_the_queue_of_the_next(function, queues):
    assert {b["queueName"] for b in bindings()[function] if b["type"] == "queue"} == queues


def test_indexing_loads_nothing_heavy():
    program = "import sys, json, function_app; function_app.app.get_functions(); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert HEAVY & set(json.loads(done.stdout)) == set()


class Reference:
    """What the host sends for a blob, as the worker passes it on."""

    def __init__(self, **told: object) -> None:
        self.content = json.dumps(told).encode()


def test_a_blob_reference_becomes_its_path():
    data = Reference(Connection="AzureWebJobsStorage", ContainerName="drop", BlobName="a/b.zip")
    assert BlobName(data=data).path == BlobPath("drop", "a/b.zip")


def test_a_blob_reference_that_climbs_is_refused():
    with pytest.raises(BadMessage, match="no blob reference"):
        BlobName(data=Reference(ContainerName="drop", BlobName="../b.zip"))
