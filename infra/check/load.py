"""The templates of a folder, and what their constants are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infra.check.template import Template, read
from infra.check.values import Call, Each, Fields, Items, Member, Name, Text, Truth, Value, every

MAIN = "main.bicep"


@dataclass(frozen=True, slots=True)
class Templates:
    """All Bicep files of ``infra/``, by file name."""

    root: Path  # the project
    files: dict[str, Template]

    @property
    def main(self) -> Template:
        """The one that azd deploys."""
        return self.files[MAIN]

    def constant(self, file: str, name: str) -> object:
        """The constant value of variable ``name`` of ``file``, followed through imports; None where it is none."""
        template = self.files.get(file)
        if template is None:
            return None
        if name in template.variables:
            return self.plain(template, template.variables[name].value)
        for one in template.imports:
            if name in one.names:
                return self.constant(one.source, one.names[name])
        return None

    def plain(self, template: Template, value: Value | None) -> object:
        """``value`` as text, truth, list or dictionary; None where it is known in Azure only."""
        match value:
            case Text():
                told: object = value.plain
            case Truth():
                told = value.truth
            case Name():
                told = self.constant(template.path.name, value.name)
            case Member():
                whole = self.plain(template, value.of)
                told = whole.get(value.name) if isinstance(whole, dict) else None
            case Items():
                told = [self.plain(template, item) for item in value.values]
            case Fields():
                told = {entry.key: self.plain(template, entry.value) for entry in value.entries}
            case Call(function="concat"):
                lists = [self.plain(template, argument) for argument in value.arguments]
                told = [item for part in lists if isinstance(part, list) for item in part]
            case _:
                told = None
        return told

    def names_of(self, template: Template, value: Value) -> list[str]:
        """The names that the declaration ``value`` gives to what it declares, one for each turn of its loop."""
        turns: dict[str, list[object]] = {}
        while isinstance(value, Each):
            over = self.plain(template, value.over)
            turns[value.names[0]] = over if isinstance(over, list) else []
            value = value.body
        name = value.get("name") if isinstance(value, Fields) else None
        if isinstance(name, Name) and name.name in turns:
            return [str(one) for one in turns[name.name]]
        told = self.plain(template, name)
        return [told] if isinstance(told, str) else []


def fields(templates: Templates) -> Iterator[tuple[Template, Fields]]:
    """Every object literal of every file."""
    for template in templates.files.values():
        for value in template.expressions():
            yield from ((template, inside) for inside in every(value) if isinstance(inside, Fields))


def load(root: Path) -> Templates:
    """Read every Bicep file below ``infra/`` of the project ``root``."""
    folder = root / "infra"
    paths = sorted(folder.glob("**/*.bicep"))
    return Templates(
        root, {path.relative_to(folder).as_posix(): read(path, path.relative_to(root).as_posix()) for path in paths}
    )
