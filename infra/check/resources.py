"""Resources against their types: properties exist, required ones are there, read-only ones not, values are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.schema import Schema, schema_of
from infra.check.template import Resource, Template
from infra.check.values import (
    Call,
    Each,
    Either,
    Fields,
    Index,
    Items,
    Member,
    Name,
    Number,
    Text,
    Truth,
    Value,
    When,
    body_of,
    every,
)

_OF_BICEP = {"parent", "scope", "dependsOn"}  # Bicep's own, of no resource type


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about the resources of all files."""
    for template in templates.files.values():
        for resource in template.resources.values():
            yield from _Checked(template, resource).findings()
        for value in template.expressions():
            for inside in every(value):
                if isinstance(inside, Member):
                    yield from _read(template, inside)


def _read(template: Template, member: Member) -> Iterator[Finding]:
    """``symbol.properties.name``: the resource has it. Each part of the path is a member of its own and seen once."""
    path: list[str] = []
    of: Value = member
    while isinstance(of, Member):
        path.append(of.name)
        of = of.of.of if isinstance(of.of, Index) else of.of
    resource = template.resources.get(of.name) if isinstance(of, Name) else None
    schema = schema_of(resource.type) if resource else None
    kind = "body"
    for name in reversed(path) if resource and schema else ():
        form = schema.form(kind) if schema else None
        if form is None or form.by is not None:
            return
        kind = form.properties.get(name, form.other or "")
        if not kind:
            yield template.says(member.line, "property", f"{resource.type if resource else ''} has no {name} to read.")
            return


@dataclass(frozen=True, slots=True)
class _Checked:
    template: Template
    resource: Resource

    def findings(self) -> Iterator[Finding]:
        resource = self.resource
        schema = schema_of(resource.type)
        if schema is None:
            yield self._says(resource.line, "type", f"infra/schemas has no resource type {resource.type}.")
            return
        if schema.version != resource.version:
            known = f"infra/schemas knows {schema.version}"
            yield self._says(resource.line, "version", f"{resource.type} in version {resource.version}; {known}.")
        body = body_of(resource.value)
        if body is None:
            yield self._says(
                resource.line, "property", f"{resource.symbol} has no object literal that could be checked."
            )
            return
        yield from self._parent(body)
        if resource.existing:
            allowed = {"name", *_OF_BICEP}
            yield from (
                self._says(entry.line, "property", f"an existing resource takes no {entry.key}.")
                for entry in body.entries
                if entry.key not in allowed
            )
            return
        yield from self._object(body, schema, "body", "", skip=_OF_BICEP)

    def _parent(self, body: Fields) -> Iterator[Finding]:
        """``parent`` must be what the type says, and must be there."""
        parent = body.get("parent")
        needs = self.resource.type.rpartition("/")[0] if self.resource.type.count("/") > 1 else ""
        if not needs:
            return
        known = self.template.resources.get(parent.name) if isinstance(parent, Name) else None
        if known is None:
            yield self._says(self.resource.line, "required", f"{self.resource.symbol} needs a parent of type {needs}.")
        elif known.type != needs:
            told = f"{self.resource.symbol} has the parent {known.symbol} of type {known.type}; expected {needs}."
            yield self._says(body.line, "property", told)

    def _object(self, fields: Fields, schema: Schema, name: str, at: str, *, skip: set[str]) -> Iterator[Finding]:
        form = schema.form(name)
        if form is None:
            return
        if form.by is not None:
            chosen = fields.get(form.by)
            kind = form.kind(chosen.plain or "") if isinstance(chosen, Text) else None
            if kind is not None:
                yield from self._object(fields, schema, kind, at, skip=skip)
            elif isinstance(chosen, Text):
                yield self._says(fields.line, "value", f"{at or self.resource.type} has no kind '{chosen.plain}'.")
            return
        given = {entry.key for entry in fields.entries}
        for missing in sorted(form.required - given):
            yield self._says(fields.line, "required", f"{self._full(at, missing)} is missing.")
        for entry in fields.entries:
            if entry.key is None or entry.key in skip:
                kind = form.other
            elif entry.key in form.read_only:
                yield self._says(entry.line, "read-only", f"{self._full(at, entry.key)} is set by Azure alone.")
                continue
            else:
                kind = form.properties.get(entry.key, form.other)
                if kind is None:
                    near = ", ".join(sorted(form.properties)[:40])
                    told = f"{self._full(at, entry.key)} does not exist; known are {near}."
                    yield self._says(entry.line, "property", told)
            if kind is not None:
                yield from self._value(entry.value, schema, kind, self._below(at, entry.key or "*"))

    def _value(self, value: Value, schema: Schema, kind: str, at: str) -> Iterator[Finding]:
        match value:
            case Either():
                yield from self._value(value.yes, schema, kind, at)
                yield from self._value(value.no, schema, kind, at)
            case Call(function="union", arguments=parts):
                for part in parts:
                    if not isinstance(part, Fields):
                        yield from self._value(part, schema, kind, at)
            case When() | Each():
                inside = kind.removesuffix("[]") if isinstance(value, Each) else kind
                yield from self._value(value.body, schema, inside, at)
            case Items() if kind.endswith("[]"):
                for item in value.values:
                    yield from self._value(item, schema, kind.removesuffix("[]"), f"{at}[]")
            case Fields() if kind in schema.types:
                yield from self._object(value, schema, kind, at, skip=set())
            case Fields() | Items() if kind in {"string", "int", "bool"} or kind in schema.types or kind.endswith("[]"):
                yield self._says(value.line, "value", f"{at} takes {_spoken(kind)}.")
            case Text() | Number() | Truth():
                yield from self._literal(value, schema, kind, at)

    def _literal(self, value: Text | Number | Truth, schema: Schema, kind: str, at: str) -> Iterator[Finding]:
        mine = "string" if isinstance(value, Text) else "int" if isinstance(value, Number) else "bool"
        words = kind.split(" | ")
        if kind == "any" or words == [mine]:
            return
        if kind in {"string", "int", "bool"} or kind in schema.types or kind.endswith("[]"):
            yield self._says(value.line, "value", f"{at} takes {_spoken(kind)}, not {_shown(value)}.")
        elif isinstance(value, Text) and value.plain is not None and value.plain not in words:
            yield self._says(
                value.line,
                "value",
                f"{at} is '{value.plain}'; known are {', '.join(w for w in words if w != 'string')}.",
            )

    def _full(self, at: str, name: str) -> str:
        return f"{self._below(at, name)} of {self.resource.type}"

    @staticmethod
    def _below(at: str, name: str) -> str:
        return f"{at}.{name}" if at else name

    def _says(self, line: int, rule: str, sentence: str) -> Finding:
        return self.template.says(line, rule, sentence)


def _spoken(kind: str) -> str:
    simple = {"string": "a string", "int": "a whole number", "bool": "true or false"}
    return simple.get(kind, "an array" if kind.endswith("[]") else "an object")


def _shown(value: Text | Number | Truth) -> str:
    if isinstance(value, Text):
        return f"the string '{value.plain or '...'}'"
    return f"the number {value.number}" if isinstance(value, Number) else str(value.truth).lower()
