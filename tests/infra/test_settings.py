"""The app runs with exactly the settings the templates give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from infra.check.load import load
from infra.check.names import ELSEWHERE, FUNCTIONS, JOB, PLATFORM, settings_of
from shared.settings import STORAGE, Settings
from tests.conftest import ROOT

VALUES = {
    "SCHEDULE": "0 0 */6 * * *",
    "WATCH_SCHEDULE": "0 */15 * * * *",
    f"{STORAGE}__blobServiceUri": "https://st.blob.core.windows.net/",
    f"{STORAGE}__queueServiceUri": "https://st.queue.core.windows.net/",
    f"{STORAGE}__tableServiceUri": "https://st.table.core.windows.net/",
    f"{STORAGE}__credential": "managedidentity",
    f"{STORAGE}__clientId": "00000000-0000-0000-0000-000000000000",
    "COPERNICUS_USER": "somebody@example.org",
    "COPERNICUS_PASSWORD": "secret",
}
PROGRAM = """
import json, os, function_app
from shared.settings import Settings
Settings.from_env(os.environ)
print(json.dumps({f.get_function_name(): [b.get_dict_repr() for b in f.get_bindings()]
                  for f in function_app.app.get_functions()}, default=lambda v: getattr(v, "value", str(v))))
"""


def settings(file: str) -> dict[str, str]:
    """The settings of a template, with made-up values; what may be tuned is empty."""
    return {name: VALUES.get(name, "") for name in settings_of(load(ROOT), file)}


def test_the_app_indexes_all_functions_with_exactly_the_settings_of_the_templates():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=settings(FUNCTIONS) | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    functions = json.loads(done.stdout)
    assert {"schedule", "discover", "stage", "drop", "classify", "reclassify", "watch", "api"} <= functions.keys()
    wanted = {word for bindings in functions.values() for word in json.dumps(bindings).split("%")[1::2]}
    assert wanted == {"SCHEDULE", "WATCH_SCHEDULE"}
    assert all(settings(FUNCTIONS)[name] for name in wanted)


def test_the_connection_of_every_trigger_is_by_identity_and_complete():
    made = settings(FUNCTIONS)
    assert STORAGE not in made
    uris = {f"{STORAGE}__{kind}ServiceUri" for kind in ("blob", "queue", "table")}
    assert {*uris, f"{STORAGE}__credential", f"{STORAGE}__clientId"} <= made.keys()


@pytest.mark.parametrize("file", [FUNCTIONS, JOB])
def test_the_settings_are_accepted_by_the_code(file):
    read = Settings.from_env(settings(file))
    assert read.storage.connection_string == ""
    assert read.storage.client_id == VALUES[f"{STORAGE}__clientId"]


def test_settings_that_are_tuned_keep_the_defaults_of_the_code_while_they_are_empty():
    mine = Settings.from_env(settings(FUNCTIONS))
    plain = Settings.from_env({name: value for name, value in settings(FUNCTIONS).items() if value})
    assert mine == plain


def test_every_exception_has_its_reason():
    assert all(len(reason) > 10 for reason in (PLATFORM | ELSEWHERE).values())


@pytest.mark.parametrize(
    "name",
    [
        "FUNCTIONS_WORKER_RUNTIME",
        "FUNCTIONS_EXTENSION_VERSION",
        "ENABLE_ORYX_BUILD",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "WEBSITE_RUN_FROM_PACKAGE",
        "WEBSITE_TIME_ZONE",
    ],
)
def test_no_setting_is_made_that_flex_consumption_refuses(name):
    assert name not in settings(FUNCTIONS)
