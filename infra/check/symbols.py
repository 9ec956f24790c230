"""Symbols are declared and used, files that are loaded exist, no key is read."""

from __future__ import annotations

from collections.abc import Iterator

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.template import Declared, Parameter, Template
from infra.check.values import Call, Text, every, used_names

# Functions of Bicep that the templates use, or may soon; what is not listed here has to be looked up and added.
FUNCTIONS = {
    "any", "array", "base64", "concat", "contains", "deployer", "deployment", "empty", "endsWith", "environment",
    "filter", "first", "flatten", "format", "guid", "indexOf", "int", "intersection", "items", "join", "json",
    "last", "length", "loadJsonContent", "loadTextContent", "loadYamlContent", "map", "max", "min", "objectKeys",
    "range", "reduce", "replace", "resourceGroup", "resourceId", "shallowMerge", "skip", "sort", "split",
    "startsWith", "string", "subscription", "subscriptionResourceId", "substring", "take", "tenant", "toLower",
    "toObject", "toUpper", "trim", "union", "uniqueString", "uri", "utcNow",
}  # fmt: skip
_NAMESPACES = {"az", "sys"}
_IN_DEFAULTS = {"utcNow", "newGuid"}
_SECRET = ("listKeys", "listSecrets", "listAccountSas", "listServiceSas")


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about the symbols of all files."""
    for template in templates.files.values():
        if template.findings:
            continue  # what does not parse declares nothing
        yield from _imports(templates, template)
        yield from _symbols(template)
        yield from _unused(template)
        yield from _described(template)
        yield from _loaded(template)


def _imports(templates: Templates, template: Template) -> Iterator[Finding]:
    for one in template.imports:
        source = templates.files.get(one.source)
        if source is None:
            yield template.says(one.line, "symbol", f"there is no file {one.source} to import from.")
            continue
        for name in one.names.values():
            if name not in source.variables and name not in source.types:
                yield template.says(one.line, "symbol", f"{one.source} declares no {name}.")
            elif name not in source.exported:
                yield template.says(one.line, "symbol", f"{name} of {one.source} is imported and has no @export().")


def _symbols(template: Template) -> Iterator[Finding]:
    known = template.declared | _NAMESPACES
    defaults = [parameter.default for parameter in template.parameters.values()]
    for value in template.expressions():
        for used in used_names(value):
            if used.name not in known:
                yield template.says(used.line, "symbol", f"{used.name} is not declared.")
        for inside in every(value):
            if not isinstance(inside, Call):
                continue
            if inside.function in _IN_DEFAULTS and value not in defaults:
                yield template.says(inside.line, "symbol", f"{inside.function} is for defaults of parameters only.")
            if inside.function in _SECRET:
                yield template.says(inside.line, "symbol", f"{inside.function} would read a key; use an identity.")
            elif inside.of is None and inside.function not in FUNCTIONS:
                yield template.says(inside.line, "symbol", f"there is no function {inside.function}.")


def _unused(template: Template) -> Iterator[Finding]:
    used = {name.name for value in template.expressions() for name in used_names(value)}
    used |= {parameter.type.removesuffix("?").removesuffix("[]") for parameter in template.parameters.values()}
    declared: tuple[Parameter | Declared, ...] = (*template.parameters.values(), *template.variables.values())
    for thing in declared:
        if thing.name not in used | template.exported:
            yield template.says(thing.line, "symbol", f"{thing.name} is never used.")
    for one in template.imports:
        for name in one.names:
            if name not in used:
                yield template.says(one.line, "symbol", f"{name} is imported and never used.")


def _described(template: Template) -> Iterator[Finding]:
    for parameter in template.parameters.values():
        if parameter.decorator("description") is None:
            yield template.says(parameter.line, "parameter", f"{parameter.name} has no description.")


def _loaded(template: Template) -> Iterator[Finding]:
    for value in template.expressions():
        for inside in every(value):
            if isinstance(inside, Call) and inside.function in {"loadTextContent", "loadJsonContent"}:
                first = inside.arguments[0] if inside.arguments else None
                name = first.plain if isinstance(first, Text) else None
                if name is None or not (template.path.parent / name).is_file():
                    yield template.says(inside.line, "symbol", f"there is no file {name} to load.")
