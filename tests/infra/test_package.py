"""What is deployed is what runs: built by .funcignore, installed in a clean environment, started from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_azd_packs_what_git_would_leave():
    ours = package.files()
    assert len(ours) > 100
    assert package.files(package.left_out_by_git(package.lines())) == ours


def test_azd_sees_a_file_without_its_folder_and_a_star_beyond_slashes():
    only_folders = ["/*", "!/function_app.py", "!/functions/"]
    assert [str(path) for path in package.files(package.left_out_by_azd(only_folders))] == ["function_app.py"]
    assert len(package.files(package.left_out_by_git(only_folders))) > 1


@pytest.mark.parametrize(
    ("line", "fitting", "other"),
    [
        ("/*", "a/b.py", ""),
        ("*.pyc", "a/b.pyc", "a/b.py"),
        (".*", "a/.env", "a/x.env"),
        ("/models/*.py", "models/a.py", "models/a/b.py"),
        ("models/*.py", "x/models/a.py", "x/models/y/a.py"),
        ("/models/**", "models/a/b.py", "x/models/a.py"),
        ("**/models", "x/models", "x/models/a.py"),
        ("a?c", "x/abc", "x/ac"),
    ],
)
def test_a_line_fits_what_azd_says_it_fits(line, fitting, other):
    assert package.Pattern(line).fits(fitting, folder=False)
    assert not package.Pattern(line).fits(other, folder=False) or not other


@pytest.mark.parametrize(
    "name",
    [".azure/prod/.env", ".env", "local.settings.json", ".git/config", "docs/deploy.md", "tests/x.py", ".venv/bin/x"],
)
def test_secrets_and_what_only_developers_need_stay_at_home(name):
    for rules in (package.left_out_by_azd, package.left_out_by_git):
        left_out = rules(package.lines())
        folders = [str(folder) for folder in Path(name).parents][:-1]
        assert left_out(name, False) or any(left_out(folder, True) for folder in folders)


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
