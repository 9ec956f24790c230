"""azd's own files: the parameters it gives, the services it deploys, the hooks it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.modules import sized
from infra.check.names import type_of
from infra.check.template import Parameter
from infra.check.values import Fields, Number, Text, every

PARAMETERS, PROJECT = "infra/main.parameters.json", "azure.yaml"
_SERVICE_TAG = "azd-service-name"
_NEEDED = ("AZURE_LOCATION", "AZURE_RESOURCE_GROUP", "AZURE_CONTAINER_REGISTRY_ENDPOINT")  # outputs that azd reads
_MADE = {"thisMonth"}  # parameters that nobody gives
_OF_HOOKS = {"HOOK_TRIES", "HOOK_PAUSE", "AZURE_SUBSCRIPTION_ID"}  # how long a hook waits; azd gives the last one
_OF_AZD = {  # what azd fills in itself
    "environmentName": "AZURE_ENV_NAME",
    "location": "AZURE_LOCATION",
    "deployerPrincipalId": "AZURE_PRINCIPAL_ID",
    "deployerPrincipalType": "AZURE_PRINCIPAL_TYPE",
    "correctImage": "SERVICE_CORRECT_IMAGE_NAME",
}
_PREFIX = "ICEWATCH_"  # azd asks the process where its environment has no value: API_KEY may be set there for another
_VARIABLE = re.compile(r"\$\{?(?:env:)?([A-Z][A-Z0-9_]{3,})")
_DEFAULT = re.compile(r"\$\{[A-Z][A-Z0-9_]*=([^}]+)\}")
_SUBSTITUTED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:=[^}]*)?\}")


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about azd's files."""
    yield from _parameters(templates)
    project = yaml.safe_load((templates.root / PROJECT).read_text(encoding="utf-8"))
    yield from _services(templates, project.get("services", {}))
    yield from _hooks(templates, project.get("hooks", {}))
    for name in _NEEDED:
        if name not in templates.main.outputs:
            yield templates.main.says(1, "output", f"azd needs the output {name}.")


def _parameters(templates: Templates) -> Iterator[Finding]:
    main, text = templates.main, (templates.root / PARAMETERS).read_text(encoding="utf-8")
    given = json.loads(text)["parameters"]
    for name in given:
        if name not in main.parameters:
            told = f"main.bicep takes no parameter {name}."
            yield Finding(PARAMETERS, _line(text, f'"{name}"'), "parameter", told)
    for parameter in main.parameters.values():
        if parameter.name not in given and parameter.name not in _MADE:
            yield Finding(PARAMETERS, 1, "parameter", f"{parameter.name} of main.bicep cannot be set with azd env.")
        value = given.get(parameter.name, {}).get("value")
        yield from _default(templates, parameter, value, text)
        if isinstance(value, dict):
            expected = set(type_of(templates, main, parameter.type))
            for name in sorted(expected ^ value.keys()):
                what = "lacks" if name in expected else "has an unknown"
                yield Finding(
                    PARAMETERS, _line(text, f'"{parameter.name}"'), "setting", f"{parameter.name} {what} {name}."
                )
            yield from (
                Finding(
                    PARAMETERS,
                    _line(text, f'"{name}"'),
                    "setting",
                    f"{name} is taken from {source}, not from {_PREFIX}{name}.",
                )
                for name, source in ((name, str(value[name])) for name in value)
                if source != f"${{{_PREFIX}{name}=}}"
            )
        elif isinstance(value, str):
            yield from _named(parameter.name, value, text)


def _named(parameter: str, value: str, text: str) -> Iterator[Finding]:
    """Each parameter is taken from the variable of its name, which no other program has."""
    variable = _OF_AZD.get(parameter) or _PREFIX + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).upper()
    taken = _SUBSTITUTED.fullmatch(value)
    if taken is None or taken[1] != variable:
        told = f"{parameter} is taken from {value}; expected {variable}."
        yield Finding(PARAMETERS, _line(text, f'"{parameter}"'), "parameter", told)


def _default(templates: Templates, parameter: Parameter, value: object, text: str) -> Iterator[Finding]:
    """What is taken where azd's environment says nothing has to be allowed."""
    decorator = parameter.decorator("allowed")
    default = _DEFAULT.fullmatch(value) if isinstance(value, str) else None
    if default is not None and default[1].isdigit():
        wrong = sized(parameter, int(default[1]))
        yield from (Finding(PARAMETERS, _line(text, f'"{parameter.name}"'), "value", told) for told in wrong)
    if decorator is None or default is None:
        return
    items = decorator.arguments[0].children()
    allowed = {
        str(item.number) if isinstance(item, Number) else templates.plain(templates.main, item) for item in items
    }
    if default[1] not in allowed:
        known = ", ".join(sorted(map(str, allowed)))
        told = f"{parameter.name} is '{default[1]}' by default; allowed are {known}."
        yield Finding(PARAMETERS, _line(text, f'"{parameter.name}"'), "value", told)


def _services(templates: Templates, services: dict[str, dict[str, object]]) -> Iterator[Finding]:
    tagged: dict[str, Finding] = {}
    for template in templates.files.values():
        for value in template.expressions():
            for inside in every(value):
                if isinstance(inside, Fields) and isinstance(tag := inside.get(_SERVICE_TAG), Text) and tag.plain:
                    tagged[tag.plain] = template.says(inside.line, "azd", f"azure.yaml has no service {tag.plain}.")
    yield from (finding for name, finding in sorted(tagged.items()) if name not in services)
    for name in sorted(services.keys() - tagged.keys()):
        yield Finding(PROJECT, 1, "azd", f"no resource has the tag {_SERVICE_TAG} '{name}'.")


def _hooks(templates: Templates, hooks: dict[str, dict[str, dict[str, str]]]) -> Iterator[Finding]:
    parameters = (templates.root / PARAMETERS).read_text(encoding="utf-8")
    project = (templates.root / PROJECT).read_text(encoding="utf-8")
    known = {*_SUBSTITUTED.findall(parameters), *_SUBSTITUTED.findall(project), *templates.main.outputs, *_OF_HOOKS}
    for hook, by_system in hooks.items():
        for system in ("posix", "windows"):
            path = by_system.get(system, {}).get("run", "")
            script = templates.root / path
            if not path or not script.is_file():
                yield Finding(PROJECT, _line(project, hook), "azd", f"the hook {hook} has no script for {system}.")
                continue
            yield from _variables(script, path, known)


def _variables(script: Path, path: str, known: set[str]) -> Iterator[Finding]:
    for number, line in enumerate(script.read_text(encoding="utf-8").splitlines(), start=1):
        for name in _VARIABLE.findall(line):
            if name not in known and name != "LASTEXITCODE":
                yield Finding(path, number, "azd", f"{name} is neither an output of main.bicep nor set with azd env.")


def _line(text: str, part: str) -> int:
    return text[: max(text.find(part), 0)].count("\n") + 1
