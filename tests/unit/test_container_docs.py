"""docs/container.md says what the code does: its settings with their defaults, and its kinds of verdict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest

from shared.adapters.verdict import TRANSIENT, Kind
from shared.settings import DEVELOPMENT, STORAGE, Settings
from tests.conftest import ROOT

TEXT = (ROOT / "docs/container.md").read_text("utf-8")


def table(first: str) -> list[list[str]]:
    """The rows of the table whose head begins with ``first``."""
    lines = iter(TEXT.splitlines())
    for line in lines:
        if line.startswith(f"| {first} |"):
            next(lines)
            break
    rows: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            return rows
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


class Asked(Mapping[str, str]):
    """An environment that notes what it is asked for."""

    def __init__(self, **given: str) -> None:
        self.names: set[str] = set()
        self._given = {STORAGE: DEVELOPMENT, **given}

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def test_every_setting_of_the_worker_is_on_the_page_and_no_other() -> None:
    asked = Asked()
    Settings.from_env(asked)
    own = {name for name in asked.names if name.startswith(("SEN2COR_", "CORRECTION_"))}
    assert {row[0].strip("`") for row in table("setting")} == own


@pytest.mark.parametrize("row", table("setting"), ids=lambda row: row[0])
def test_a_stated_default_is_the_default(row: list[str]) -> None:
    name, default = row[0].strip("`"), "" if row[1] == "none" else row[1]
    assert Settings.from_env(Asked(**{name: default})) == Settings.from_env(Asked())


def test_every_kind_of_verdict_is_on_the_page_with_what_follows() -> None:
    stated = {row[0]: row[1] for row in table("kind")}
    assert stated == {
        str(kind): "transient" if kind in TRANSIENT else "permanent" for kind in Kind if kind is not Kind.SUCCESS
    }


def test_the_defaults_of_the_build_arguments_are_those_of_the_dockerfile() -> None:
    dockerfile = (ROOT / "container/Dockerfile").read_text()
    found = {name: value for name, _, value in re.findall(r"^ARG (\w+)(=(\S*))?$", dockerfile, re.MULTILINE) if value}
    stated = {row[0].strip("`"): row[1].strip("`") for row in table("argument")}
    assert set(stated) == set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    assert {name: stated[name] for name in ("PYTHON_IMAGE", "VERSION")} == {
        name: found[name] for name in ("PYTHON_IMAGE", "VERSION")
    }
    assert {name for name, default in stated.items() if default == "none"} == set(stated) - set(found)
