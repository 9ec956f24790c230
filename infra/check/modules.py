"""Modules get the parameters they take, of the type they take; outputs that are read exist; no registry modules."""

from __future__ import annotations

from collections.abc import Iterator

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.spelled import spelled
from infra.check.template import Module, Parameter, Template
from infra.check.values import Call, Either, Fields, Items, Member, Name, Number, Text, Truth, Value, body_of, every

_REGISTRY = ("br:", "br/", "ts:", "ts/")
_LIMITS = {"allowed", "minValue", "maxValue", "minLength", "maxLength"}
_ANSWERS = {
    "join": "string",
    "toLower": "string",
    "guid": "string",
    "concat": "array",
    "empty": "bool",
    "length": "int",
}


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about modules, their parameters and outputs."""
    for template in templates.files.values():
        for module in template.modules.values():
            yield from _module(templates, template, module)
        yield from _read(templates, template)
        yield from _typed(templates, template)


def _module(templates: Templates, template: Template, module: Module) -> Iterator[Finding]:
    if module.source.startswith(_REGISTRY):
        told = f"{module.source} is a registry module, which nothing here can check."
        yield template.says(module.line, "registry", told)
        return
    target, body = templates.files.get(module.source), body_of(module.value)
    if target is None:
        yield template.says(module.line, "symbol", f"there is no file {module.source}.")
        return
    given = body.get("params") if body else None
    named = {entry.key: entry.line for entry in given.entries} if isinstance(given, Fields) else {}
    for name, line in named.items():
        if name not in target.parameters:
            yield template.says(line, "parameter", f"{module.source} takes no parameter {name}.")
    for parameter in target.parameters.values():
        if parameter.required and parameter.name not in named:
            told = f"{module.symbol} lacks the parameter {parameter.name} of {module.source}."
            yield template.says(module.line, "parameter", told)
    if isinstance(given, Fields):
        yield from _values(templates, template, target, given)


def _values(templates: Templates, template: Template, target: Template, given: Fields) -> Iterator[Finding]:
    """What is given has the type of the parameter, and is one of the allowed values."""
    for entry in given.entries:
        parameter = target.parameters.get(entry.key or "")
        if parameter is None:
            continue
        yield from _same(
            template, entry.line, parameter.name, parameter.type, kind_of(templates, template, entry.value)
        )
        if isinstance(entry.value, Name) and entry.value.name in template.parameters:
            yield from _limits(template, template.parameters[entry.value.name], parameter)
        decorator = parameter.decorator("allowed")
        if decorator is None or not isinstance(entry.value, Text):
            continue
        allowed = templates.plain(target, decorator.arguments[0])
        if isinstance(allowed, list) and entry.value.plain is not None and entry.value.plain not in allowed:
            yield template.says(entry.line, "value", f"{entry.key} is '{entry.value.plain}'; allowed are {allowed}.")


def _limits(template: Template, given: Parameter, taken: Parameter) -> Iterator[Finding]:
    """A parameter that is passed on is refused at once where the module would refuse it halfway."""
    for name, decorator in ((call.function, call) for call in taken.decorators if call.function in _LIMITS):
        mine = given.decorator(name)
        limits = [call.arguments[0] for call in (mine, decorator) if call]
        numbers = [limit.number for limit in limits if isinstance(limit, Number)]
        if name == "allowed":
            fits = len({spelled(limit) for limit in limits}) == 1
        else:
            fits = len(numbers) == 2 and (max if name.startswith("min") else min)(numbers) == numbers[0]
        if mine is None or not fits:
            told = f"{given.name} is passed on as {taken.name}, which has a closer @{name}."
            yield template.says(given.line, "value", told)


def _typed(templates: Templates, template: Template) -> Iterator[Finding]:
    """Outputs and defaults have the type that is declared, defaults the size."""
    for output in template.outputs.values():
        yield from _same(template, output.line, output.name, output.type, kind_of(templates, template, output.value))
    for parameter in template.parameters.values():
        if parameter.default is not None:
            kind = kind_of(templates, template, parameter.default)
            yield from _same(template, parameter.line, parameter.name, parameter.type, kind)
            listed = parameter.decorator("allowed")
            allowed = [spelled(item) for item in listed.arguments[0].children()] if listed else []
            if allowed and spelled(parameter.default) not in allowed:
                told = f"{parameter.name} is {spelled(parameter.default)} by default; allowed are {', '.join(allowed)}."
                yield template.says(parameter.line, "value", told)
            if isinstance(parameter.default, Number):
                yield from (
                    template.says(parameter.line, "value", told) for told in sized(parameter, parameter.default.number)
                )


def sized(parameter: Parameter, number: int) -> Iterator[str]:
    """What is wrong with ``number`` as the value of ``parameter``."""
    for name, is_wrong, word in (("minValue", int.__lt__, "least"), ("maxValue", int.__gt__, "most")):
        decorator = parameter.decorator(name)
        limit = decorator.arguments[0] if decorator else None
        if isinstance(limit, Number) and is_wrong(number, limit.number):
            yield f"{parameter.name} is {number} by default; the {word} is {limit.number}."


def _same(template: Template, line: int, name: str, wanted: str, kind: str) -> Iterator[Finding]:
    if kind and _plain(wanted) != kind:
        yield template.says(line, "value", f"{name} takes {_plain(wanted)}, not {kind}.")


def _plain(kind: str) -> str:
    bare = kind.removesuffix("?")
    return "array" if bare.endswith("[]") else bare


def kind_of(templates: Templates, template: Template, value: Value) -> str:
    """The type of ``value`` as a declaration would name it; empty where that cannot be told."""
    match value:
        case Text():
            kind = "string"
        case Number():
            kind = "int"
        case Truth():
            kind = "bool"
        case Items():
            kind = "array"
        case Either():
            kinds = {kind_of(templates, template, branch) for branch in (value.yes, value.no)}
            kind = kinds.pop() if len(kinds) == 1 else ""
        case Call(of=None):
            kind = _ANSWERS.get(value.function, "")
        case Name(name=name) if name in template.parameters:
            kind = _plain(template.parameters[name].type)
        case Name(name=name) if name in template.variables:
            kind = kind_of(templates, template, template.variables[name].value)
        case Member(of=Member(of=Name(name=symbol), name="outputs"), name=name) if symbol in template.modules:
            target = templates.files.get(template.modules[symbol].source)
            kind = _plain(target.outputs[name].type) if target and name in target.outputs else ""
        case Member(of=Name(name=symbol), name="id" | "name" | "location") if symbol in template.resources:
            kind = "string"
        case _:
            kind = ""
    return kind


def _read(templates: Templates, template: Template) -> Iterator[Finding]:
    """What is read of a module are its outputs, and it has them."""
    for inside in (inside for value in template.expressions() for inside in every(value)):
        match inside:
            case Member(of=Member(of=Name(name=symbol), name="outputs"), name=output) if symbol in template.modules:
                target = templates.files.get(template.modules[symbol].source)
                if target is not None and output not in target.outputs:
                    yield template.says(inside.line, "output", f"{target.path.name} has no output {output}.")
            case Member(of=Name(name=symbol), name=name) if symbol in template.modules:
                if name not in {"outputs", "name"}:
                    yield template.says(inside.line, "output", f"a module has no {name}; expected outputs.")
