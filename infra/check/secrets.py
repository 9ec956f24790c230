"""Logins and keys: secure parameters, secrets of the key vault, references to them in the settings."""

from __future__ import annotations

from collections.abc import Iterator

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.names import FUNCTIONS
from infra.check.promises import at
from infra.check.spelled import spelled
from infra.check.values import Text, When, body_of, entries, used_names

VAULT = "keyvault.bicep"
_NAMED = ("password", "user", "secret", "key")  # how parameters that hold one end
_SETTINGS = ("_USER", "_PASSWORD", "_KEY")
_REFERENCE = "@Microsoft.KeyVault(SecretUri="


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about secrets."""
    yield from _parameters(templates)
    yield from _references(templates)
    yield from _stored(templates)


def made(templates: Templates) -> set[str]:
    """The names of the secrets that the vault gets."""
    vault = templates.files[VAULT]
    return {
        name
        for resource in vault.resources.values()
        if resource.type.endswith("/secrets")
        for name in templates.names_of(vault, body_of(resource.value) or resource.value)
    }


def _parameters(templates: Templates) -> Iterator[Finding]:
    for template in templates.files.values():
        for parameter in template.parameters.values():
            if not parameter.name.lower().endswith(_NAMED):
                continue
            if parameter.decorator("secure") is None:
                yield template.says(parameter.line, "secret", f"{parameter.name} is not @secure().")
            for output in template.outputs.values():
                if parameter.name in {use.name for use in used_names(output.value)}:
                    yield template.says(output.line, "secret", f"the output {output.name} shows {parameter.name}.")


def _references(templates: Templates) -> Iterator[Finding]:
    """No setting holds a login; each refers to the secret of its own name, and to all that are made."""
    template = templates.files[FUNCTIONS]
    settings = template.variables["settings"].value
    asked: dict[str, int] = {}
    for setting, value in entries(settings):
        if not setting.endswith(_SETTINGS):
            continue
        name = _secret(value)
        if name is None:
            yield template.says(value.line, "secret", f"{setting} is no reference to the key vault.")
        elif name != setting.lower().replace("_", "-"):
            yield template.says(value.line, "secret", f"{setting} refers to the secret {name}.")
        asked |= {} if name is None else {name: value.line}
    known = made(templates)
    for name in sorted(asked.keys() - known):
        yield template.says(asked[name], "secret", f"{VAULT} makes no secret {name}.")
    for name in sorted(known - asked.keys()):
        yield templates.files[VAULT].says(1, "secret", f"no setting refers to the secret {name}.")


def _stored(templates: Templates) -> Iterator[Finding]:
    """Each secret holds the parameter of its name, and is left as it is where that is empty."""
    vault = templates.files[VAULT]
    for resource in vault.resources.values():
        if not resource.type.endswith("/secrets"):
            continue
        body = body_of(resource.value)
        first, *more = (spelled(at(body, "name")).strip("'")).split("-")
        parameter = first + "".join(word.capitalize() for word in more)
        condition = resource.value.condition if isinstance(resource.value, When) else None
        if spelled(at(body, "properties.value")) != parameter or spelled(condition) != f"!empty({parameter})":
            told = f"{resource.symbol} is not {parameter}, made where that is given."
            yield vault.says(resource.line, "secret", told)


def _secret(value: object) -> str | None:
    """The name in ``@Microsoft.KeyVault(SecretUri=${secrets}/NAME)``."""
    if isinstance(value, Text) and len(value.parts) == 3 and value.parts[0] == _REFERENCE:
        return str(value.parts[2]).strip("/)")
    return None
