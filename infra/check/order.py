"""What is known when: nothing waits for itself, names are known before anything is made, main.bicep makes the group."""

from __future__ import annotations

from collections.abc import Iterator

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.template import Declared, Module, Resource, Template
from infra.check.values import Each, Index, Member, Name, Value, When, body_of, every, used_names

_KNOWN_AT_ONCE = {"id", "name", "type", "apiVersion"}  # of a resource, whether it is there or not
_SCOPES = {True: "subscription", False: "resourceGroup"}  # of main.bicep, of the modules


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about what is known when, where there are no circles."""
    for template in templates.files.values():
        expected = _SCOPES[template is templates.main]
        if template.scope != expected:
            yield template.says(1, "scope", f"its targetScope is {template.scope}; expected {expected}.")
        yield from _late(template)


def circles(template: Template) -> Iterator[Finding]:
    """Variables, resources and modules that wait for themselves; each circle is told once."""
    declared: dict[str, Declared | Resource | Module] = {
        **template.variables,
        **template.resources,
        **template.modules,
    }
    waits = {name: {use.name for use in used_names(one.value)} & declared.keys() for name, one in declared.items()}
    told: set[str] = set()
    for name in sorted(declared):
        reached, ahead = set[str](), list(waits[name])
        while ahead:
            one = ahead.pop()
            if one not in reached:
                reached.add(one)
                ahead += waits[one]
        if name in reached and name not in told:
            told |= reached
            yield template.says(declared[name].line, "order", f"{name} waits for itself.")


def _late(template: Template) -> Iterator[Finding]:
    """Names, loops and conditions of what is made are worked out before any of it is there."""
    made: tuple[Resource | Module, ...] = (*template.resources.values(), *template.modules.values())
    for one in made:
        body, value = body_of(one.value), one.value
        early = [body.get("name")] if body else []
        while isinstance(value, Each | When):
            early.append(value.over if isinstance(value, Each) else value.condition)
            value = value.body
        for part in filter(None, early):
            for late in _read_later(template, part):
                told = f"{one.symbol} depends on {late}, which is known only when that is there."
                yield template.says(part.line, "order", told)


def _read_later(template: Template, value: Value) -> Iterator[str]:
    for inside in every(value):
        match inside:
            case Member(of=Name(name=symbol) | Index(of=Name(name=symbol)), name=name):
                if symbol in template.modules or (symbol in template.resources and name not in _KNOWN_AT_ONCE):
                    yield f"{symbol}.{name}"
            case Name(name=name) if name in template.variables:
                yield from _read_later(template, template.variables[name].value)
