"""What is deployed is what runs: built by .funcignore, installed in a clean environment, started from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pathspec
import pytest

from tests.conftest import ROOT
from tests.infra import package

MEGABYTE = 10**6
MOST_UNPACKED, MOST_OWN = 700 * MEGABYTE, 5 * MEGABYTE  # bytes: with packages, and the project's own files
CLASSIFIERS = ("ice_surface", "ice_surface_drone")
RUNS = 3
INDEX = """
import json, sys, time
begun = time.perf_counter(), time.process_time()
import function_app
taken = time.perf_counter() - begun[0], time.process_time() - begun[1]
names = [function.get_function_name() for function in function_app.app.get_functions()]
print(json.dumps({"taken": taken, "names": names, "from": function_app.__file__, "path": sys.path}))
"""
CLASSIFIER = """
from shared.adapters.models import load_classifier
load_classifier()
"""


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package.build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "venv"
    return package.environment(folder, sys.executable, ROOT / "requirements.txt", must_fit=True)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def run(python: Path, built: Path, program: str) -> str:
    clean = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [python, "-c", program], cwd=built, env=clean, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_holds_what_runs_and_nothing_else():
    found = {str(path) for path in package.files()}
    assert {path.split("/")[0] for path in found} == {
        "LICENSE", "function_app.py", "functions", "host.json", "models", "requirements.txt", "shared",
    }  # fmt: skip
    shipped = {f"models/{name}/{part}" for name in CLASSIFIERS for part in ("forest.npz", "card.json")}
    assert {path for path in found if path.startswith("models/")} == shipped
    ours = {f"{part}/{path.relative_to(ROOT / part)}" for part in ("functions", "shared") for path in code(ROOT / part)}
    assert ours <= found


def code(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.py") if "__pycache__" not in path.parts]


@pytest.mark.parametrize(
    "name",
    [".azure/prod/.env", ".env", "local.settings.json", ".git/config", "docs/deploy.md", "tests/x.py", ".venv/bin/x"],
)
def test_secrets_and_what_only_developers_need_stay_at_home(name):
    left_out = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())
    assert left_out.match_file(name)


def test_the_app_starts_from_the_package_with_its_pinned_packages_alone(python, built):
    told = json.loads(run(python, built, INDEX))
    assert Path(told["from"]) == built / "function_app.py"
    assert not any(path.startswith(str(ROOT)) for path in told["path"])
    assert {"schedule", "discover", "stage", "drop", "classify", "watch", "api"} <= set(told["names"])


def test_the_shipped_classifier_is_in_the_package_and_loads(python, built):
    run(python, built, CLASSIFIER)


def test_the_package_with_its_packages_fits(python, built):
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    largest = sorted(((size(path), path.name) for path in packages.iterdir()), reverse=True)[:8]
    own, unpacked = sum((ROOT / path).stat().st_size for path in package.files()), size(packages)
    wall, cpu = min(json.loads(run(python, built, INDEX))["taken"] for _ in range(RUNS))
    say(f"\nown files {own / MEGABYTE:.1f} MB, with packages {(own + unpacked) / MEGABYTE:.0f} MB unpacked")
    say("largest: " + ", ".join(f"{name} {count / MEGABYTE:.0f} MB" for count, name in largest))
    say(f"import function_app, best of {RUNS}: {wall:.2f} s, of which the processor worked {cpu:.2f} s")
    assert own < MOST_OWN
    assert own + unpacked < MOST_UNPACKED
