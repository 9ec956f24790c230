"""One Bicep file: parsed by tree-sitter, turned into declarations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from infra.check.expressions import expression, text_of
from infra.check.finding import Finding
from infra.check.values import Call, Value

_PARSER = Parser(Language(tree_sitter_bicep.language()))


@dataclass(frozen=True, slots=True)
class Parameter:
    """``param``; its type as it is written."""

    name: str
    line: int
    type: str
    default: Value | None
    decorators: tuple[Call, ...]

    @property
    def required(self) -> bool:
        """True where a value has to be given."""
        return self.default is None and not self.type.endswith("?")

    def decorator(self, name: str) -> Call | None:
        """The decorator ``name``, None where there is none."""
        return next((call for call in self.decorators if call.function == name), None)


@dataclass(frozen=True, slots=True)
class Declared:
    """``var`` or ``output``; the type of an output as it is written."""

    name: str
    line: int
    value: Value
    type: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """``resource``."""

    symbol: str
    line: int
    type: str
    version: str
    existing: bool
    value: Value


@dataclass(frozen=True, slots=True)
class Module:
    """``module``."""

    symbol: str
    line: int
    source: str
    value: Value


@dataclass(frozen=True, slots=True)
class Import:
    """``import { name as local } from source``."""

    line: int
    source: str
    names: dict[str, str]  # local name -> exported name


@dataclass(slots=True)
class Template:
    """What one file declares."""

    path: Path
    shown: str  # the path as findings show it
    parameters: dict[str, Parameter] = field(default_factory=dict)
    variables: dict[str, Declared] = field(default_factory=dict)
    types: dict[str, dict[str, str]] = field(default_factory=dict)  # properties of object types, with their types
    resources: dict[str, Resource] = field(default_factory=dict)
    modules: dict[str, Module] = field(default_factory=dict)
    outputs: dict[str, Declared] = field(default_factory=dict)
    exported: set[str] = field(default_factory=set)  # variables and types that other files may import
    scope: str = "resourceGroup"  # what is deployed to, as Bicep assumes it
    imports: list[Import] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def says(self, line: int, rule: str, sentence: str) -> Finding:
        """A finding in this file."""
        return Finding(self.shown, line, rule, sentence)

    @property
    def declared(self) -> set[str]:
        """Every symbol that an expression of this file may use."""
        imported = {local for one in self.imports for local in one.names}
        named = {*self.parameters, *self.variables, *self.resources, *self.modules, *self.types}
        return named | imported

    def expressions(self) -> Iterator[Value]:
        """The outermost expressions."""
        for parameter in self.parameters.values():
            if parameter.default is not None:
                yield parameter.default
        for declared in (*self.variables.values(), *self.outputs.values()):
            yield declared.value
        yield from (resource.value for resource in self.resources.values())
        yield from (module.value for module in self.modules.values())


def read(path: Path, shown: str) -> Template:
    """Parse the file; what does not parse is in the template's findings."""
    template = Template(path, shown)
    root = _PARSER.parse(path.read_bytes()).root_node
    template.findings += [
        template.says(node.start_point.row + 1, "syntax", f"'{_first_line(node)}' is no Bicep.")
        for node in _broken(root)
    ]
    template.findings += [
        template.says(
            node.start_point.row + 1, "syntax", "a resource inside a resource is not checked; give it a parent."
        )
        for node in _nested(root)
    ]
    if not template.findings:
        decorators: tuple[Call, ...] = ()
        for node in root.named_children:
            if node.type == "decorators":
                decorators = _decorators(node)
                continue
            _declare(template, node, decorators)
            decorators = ()
    return template


def _broken(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
    elif node.has_error:
        for child in node.children:
            yield from _broken(child)


def _nested(root: Node) -> Iterator[Node]:
    waiting = [child for top in root.named_children for child in top.named_children]
    while waiting:
        node = waiting.pop()
        if node.type == "resource_declaration":
            yield node
        waiting += node.named_children


def _first_line(node: Node) -> str:
    lines = text_of(node).strip().splitlines()
    return lines[0][:60] if lines else f"a missing {node.type}"


def _decorators(node: Node) -> tuple[Call, ...]:
    calls = (expression(child.named_children[0]) for child in node.named_children if child.named_children)
    return tuple(call for call in calls if isinstance(call, Call))


def _declare(template: Template, node: Node, decorators: tuple[Call, ...]) -> None:
    line, parts = node.start_point.row + 1, [child for child in node.named_children if child.type != "comment"]
    name = text_of(parts[0]) if parts else ""
    known = {*template.parameters, *template.variables, *template.resources, *template.modules}
    if node.type != "output_declaration" and name in known:
        template.findings.append(template.says(line, "symbol", f"{name} is declared twice."))
    if any(call.function == "export" for call in decorators):
        template.exported.add(name)
    match node.type:
        case "target_scope_assignment":
            template.scope = text_of(parts[-1]).strip("'")
        case "parameter_declaration":
            default = expression(parts[2]) if len(parts) > 2 else None
            template.parameters[name] = Parameter(name, line, text_of(parts[1]), default, decorators)
        case "variable_declaration":
            template.variables[name] = Declared(name, line, expression(parts[-1]))
        case "output_declaration":
            template.outputs[name] = Declared(name, line, expression(parts[-1]), text_of(parts[1]))
        case "resource_declaration":
            kind, _, version = text_of(parts[1]).strip("'").partition("@")
            existing = any(child.type == "existing" for child in node.children)
            value = expression(parts[-1])
            template.resources[name] = Resource(name, line, kind, version, existing, value)
        case "module_declaration":
            template.modules[name] = Module(name, line, text_of(parts[1]).strip("'"), expression(parts[-1]))
        case "type_declaration":
            template.types[name] = _properties(parts[-1])
        case "import_functionality":
            template.imports.append(_import(node, line))
        case "metadata_declaration" | "comment":
            pass
        case other:
            template.findings.append(template.says(line, "syntax", f"the check does not know a {other}."))


def _properties(node: Node) -> dict[str, str]:
    found = (child.named_children for child in node.named_children if child.type == "object_property")
    return {text_of(parts[0]).strip("'"): text_of(parts[-1]) for parts in found}


def _import(node: Node, line: int) -> Import:
    names: dict[str, str] = {}
    previous, renamed = "", False
    for child in node.children:
        if child.type == "identifier":
            if renamed:
                names.pop(previous)
                names[text_of(child)] = previous
            else:
                previous = text_of(child)
                names[previous] = previous
            renamed = False
        elif child.type == "as":
            renamed = True
    source = next(text_of(child).strip("'") for child in node.named_children if child.type == "string")
    return Import(line, source, names)
