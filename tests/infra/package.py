"""The package as it is deployed: the project without what .funcignore names, and an environment with its packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pathspec
import pytest

from tests.conftest import ROOT

UV = ROOT / ".venv/bin/uv"
# Installing asks the package index of the machine; without one, or its cache, the tests that need it are skipped.
SECONDS = 150
LeftOut = Callable[[str, bool], bool]  # of a path below the project and whether it is a folder


class Pattern:
    """A line of .funcignore as azd understands it, which is not as git does.

    azd packs with ``createDeployableZip`` (cli/azd/pkg/project/project_utils.go), which matches with
    github.com/denormal/go-gitignore v0.0.0-20180930084346: each path by itself, whatever became of its folder; the last
    line that fits decides; a line without an inner slash is compared without regard to slashes, so ``/*`` fits
    ``functions/api/access.py``; a line with ``**`` is compared part by part. Character classes are left out here.
    """

    def __init__(self, line: str) -> None:
        self.lets_in = line.startswith("!")
        text = line.removeprefix("!")
        self.anchored, self.for_folders = text.startswith("/"), text.endswith("/")
        self.parts = text.strip("/").split("/")

    def fits(self, path: str, *, folder: bool) -> bool:
        """Whether the line is about ``path``, which is below the project's folder."""
        if self.for_folders and not folder:
            return False
        parts = path.split("/")
        if any("**" in part for part in self.parts):
            return _below(parts, self.parts if self.anchored else ["**", *self.parts])
        if len(self.parts) == 1:
            return bool(re.fullmatch(_expression(self.parts[0], "."), path if self.anchored else parts[-1], re.DOTALL))
        last = parts if self.anchored else parts[-len(self.parts) :]
        return _below(last, self.parts)


def _expression(glob: str, anything: str) -> str:
    wild = {"*": f"{anything}*", "?": anything}
    return "".join(wild.get(letter) or re.escape(letter) for letter in re.sub(r"\*+", "*", glob))


def _below(parts: list[str], globs: list[str]) -> bool:
    if not globs:
        return not parts
    if globs[0] == "**":
        return _below(parts, globs[1:]) or (bool(parts) and _below(parts[1:], globs))
    fits = bool(parts) and re.fullmatch(_expression(globs[0], "[^/]"), parts[0], re.DOTALL) is not None
    return fits and _below(parts[1:], globs[1:])


def lines() -> list[str]:
    """The lines of .funcignore that say something."""
    text = (ROOT / ".funcignore").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def left_out_by_azd(ignore: list[str]) -> LeftOut:
    """azd's answer to whether a path stays at home."""
    patterns = [Pattern(line) for line in reversed(ignore)]

    def left_out(path: str, folder: bool) -> bool:
        deciding = next((pattern for pattern in patterns if pattern.fits(path, folder=folder)), None)
        return deciding is not None and not deciding.lets_in

    return left_out


def left_out_by_git(ignore: list[str]) -> LeftOut:
    """git's answer to the same, for who looks at the file with git's rules in mind."""
    spec = pathspec.GitIgnoreSpec.from_lines(ignore)
    return lambda path, folder: spec.match_file(f"{path}/" if folder else path)


def files(left_out: LeftOut | None = None) -> list[Path]:
    """What .funcignore leaves of the project, as paths inside it; by azd's rules where none are given."""
    stays = left_out or left_out_by_azd(lines())
    found = []
    for folder, below, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        below[:] = [name for name in below if not stays((here / name).as_posix(), True)]
        found += [here / name for name in names if not stays((here / name).as_posix(), False)]
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
