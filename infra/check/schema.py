"""Azure's resource types, from the extract in ``infra/schemas/`` (see ``infra/check/extract.py``).

A file names a resource type, the API version its properties were taken of, and the object types below it. A property's
type begins with ``!`` where it is required and with ``-`` where only Azure sets it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "schemas"


def file_of(kind: str) -> Path:
    """Where the extract of the resource type ``kind`` lies."""
    return FOLDER / f"{kind.replace('/', '_')}.json"


@dataclass(frozen=True, slots=True)
class Schema:
    """One resource type in one API version."""

    type: str
    version: str
    types: dict[str, Any]

    def form(self, name: str) -> Form | None:
        """The object type ``name``; None where it is none (a string, a number, any)."""
        told = self.types.get(name)
        return None if told is None else Form(told)


@dataclass(frozen=True, slots=True)
class Form:
    """One object type."""

    told: dict[str, Any]

    @property
    def by(self) -> str | None:
        """The property whose value says which kind of object it is, None where there is one kind only."""
        by: str | None = self.told.get("by")
        return by

    def kind(self, value: str) -> str | None:
        """The object type of the kind ``value``."""
        kinds: dict[str, str] = self.told["kinds"]
        return kinds.get(value)

    @property
    def properties(self) -> dict[str, str]:
        """Names and types."""
        return {name: kind.lstrip("!-") for name, kind in self.told.get("has", {}).items()}

    @property
    def required(self) -> set[str]:
        """What has to be given."""
        return {name for name, kind in self.told.get("has", {}).items() if kind.startswith("!")}

    @property
    def read_only(self) -> set[str]:
        """What Azure alone sets."""
        return {name for name, kind in self.told.get("has", {}).items() if kind.startswith("-")}

    @property
    def other(self) -> str | None:
        """The type of properties by any other name; None where there may be none."""
        other: str | None = self.told.get("other")
        return other


@cache
def schema_of(kind: str) -> Schema | None:
    """The extract of the resource type ``kind``; None where there is none."""
    path = file_of(kind)
    if not path.exists():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    return Schema(told["type"], told["apiVersion"], told["types"])
