"""azd's parameters: each is given, from the variable of its name, with the default that main.bicep has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.names import type_of
from infra.check.spelled import spelled
from infra.check.template import Parameter

PARAMETERS = "infra/main.parameters.json"
_NEEDED = ("AZURE_LOCATION", "AZURE_RESOURCE_GROUP", "AZURE_CONTAINER_REGISTRY_ENDPOINT")  # outputs that azd reads
_MADE = {"thisMonth"}  # parameters that nobody gives
_OF_AZD = {  # what azd fills in itself
    "environmentName": "AZURE_ENV_NAME",
    "location": "AZURE_LOCATION",
    "deployerPrincipalId": "AZURE_PRINCIPAL_ID",
    "deployerPrincipalType": "AZURE_PRINCIPAL_TYPE",
    "correctImage": "SERVICE_CORRECT_IMAGE_NAME",
}
PREFIX = "ICEWATCH_"  # azd asks the process where its environment has no value: API_KEY may be set there for another
SUBSTITUTED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:=([^}]*))?\}")


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about azd's parameters, and the outputs it reads."""
    yield from _parameters(templates)
    for name in _NEEDED:
        if name not in templates.main.outputs:
            yield templates.main.says(1, "output", f"azd needs the output {name}.")


def _parameters(templates: Templates) -> Iterator[Finding]:
    main, text = templates.main, (templates.root / PARAMETERS).read_text(encoding="utf-8")
    given = json.loads(text)["parameters"]
    for name in given:
        if name not in main.parameters:
            told = f"main.bicep takes no parameter {name}."
            yield Finding(PARAMETERS, line_of(text, f'"{name}"'), "parameter", told)
    for parameter in main.parameters.values():
        if parameter.name not in given and parameter.name not in _MADE:
            yield Finding(PARAMETERS, 1, "parameter", f"{parameter.name} of main.bicep cannot be set with azd env.")
        value = given.get(parameter.name, {}).get("value")
        if parameter.name in given and given[parameter.name].keys() != {"value"}:
            told = f"{parameter.name} is given as {', '.join(given[parameter.name])}; expected value."
            yield Finding(PARAMETERS, line_of(text, f'"{parameter.name}"'), "parameter", told)
        yield from _default(parameter, value, text)
        if isinstance(value, dict):
            expected = set(type_of(templates, main, parameter.type))
            for name in sorted(expected ^ value.keys()):
                what = "lacks" if name in expected else "has an unknown"
                yield Finding(
                    PARAMETERS, line_of(text, f'"{parameter.name}"'), "setting", f"{parameter.name} {what} {name}."
                )
            yield from (
                Finding(
                    PARAMETERS,
                    line_of(text, f'"{name}"'),
                    "setting",
                    f"{name} is taken from {source}, not from {PREFIX}{name}.",
                )
                for name, source in ((name, str(value[name])) for name in value)
                if source != f"${{{PREFIX}{name}=}}"
            )
        elif isinstance(value, str):
            yield from _named(parameter.name, value, text)


def _named(parameter: str, value: str, text: str) -> Iterator[Finding]:
    """Each parameter is taken from the variable of its name, which no other program has."""
    variable = _OF_AZD.get(parameter) or PREFIX + re.sub(r"(?<=[a-z])(?=[A-Z])", "_", parameter).upper()
    taken = SUBSTITUTED.fullmatch(value)
    if taken is None or taken[1] != variable:
        told = f"{parameter} is taken from {value}; expected {variable}."
        yield Finding(PARAMETERS, line_of(text, f'"{parameter}"'), "parameter", told)


def _default(parameter: Parameter, value: object, text: str) -> Iterator[Finding]:
    """What is taken where azd's environment says nothing is what main.bicep takes, and so of its type and allowed.

    A login or a key has no default but the empty one, and what main.bicep asks for has none.
    """
    taken = SUBSTITUTED.fullmatch(value) if isinstance(value, str) else None
    if taken is None:
        return
    mine = spelled(parameter.default).strip("'") if parameter.default else None
    if parameter.decorator("secure") is not None and taken[2]:
        told = f"{parameter.name} is a secret and has a default."
    elif parameter.default and (taken[2] or "") != mine:
        told = f"{parameter.name} is '{taken[2] or ''}' by default; in main.bicep it is '{mine}'."
    elif parameter.default is None and taken[2] is not None:
        told = f"{parameter.name} has a default; main.bicep asks for it."
    else:
        return
    yield Finding(PARAMETERS, line_of(text, f'"{parameter.name}"'), "value", told)


def line_of(text: str, part: str) -> int:
    """The line, from 1, where ``part`` first stands; 1 where it stands nowhere."""
    return text[: max(text.find(part), 0)].count("\n") + 1
