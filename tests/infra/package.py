"""The package as it is deployed: the project without what .funcignore names, and an environment with its packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pathspec
import pytest

from tests.conftest import ROOT

UV = ROOT / ".venv/bin/uv"
# Installing asks the package index of the machine; without one, or its cache, the tests that need it are skipped.
SECONDS = 150


def files() -> list[Path]:
    """What .funcignore leaves of the project, as paths inside it."""
    left_out = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text(encoding="utf-8").splitlines())
    found = []
    for folder, below, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        below[:] = [name for name in below if not left_out.match_file(f"{here / name}/")]
        found += [here / name for name in names if not left_out.match_file(str(here / name))]
    return sorted(found)


def build(folder: Path) -> Path:
    """Copy the package into ``folder``."""
    for path in files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, folder / path)
    return folder


def environment(folder: Path, python: str, requirements: Path, *, must_fit: bool) -> Path:
    """Make a virtual environment with ``requirements`` and give its interpreter.

    Skips where packages cannot be fetched; where they can and do not fit together, fails if they ``must_fit``.
    """
    uv = str(UV) if UV.exists() else shutil.which("uv")
    if uv is None:
        pytest.skip("uv, which installs the packages, is missing")
    interpreter = folder / "bin/python"
    for command in (
        ["venv", "--quiet", "--no-config", "--python", python, str(folder)],
        ["pip", "install", "--quiet", "--python", str(interpreter), "--requirement", str(requirements)],
    ):
        try:
            done = subprocess.run([uv, *command], capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"uv {command[0]} took more than {SECONDS} s")
        if done.returncode:
            if must_fit and "No solution found" in done.stderr and "cache" not in done.stderr:
                pytest.fail(f"{requirements.name} cannot be installed:\n{done.stderr}")
            pytest.skip(f"uv {command[0]} did not get the packages: {done.stderr.strip()[:300]}")
    return interpreter
