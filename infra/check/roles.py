"""Role assignments are exactly what the table in docs/security.md says: none that it does not list, none forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.promises import at
from infra.check.spelled import spelled
from infra.check.template import Resource, Template
from infra.check.values import Call, Fields, Index, Member, Name, Text, Value, body_of

TABLE = "docs/security.md"
_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
_DEFINITION = "Microsoft.Authorization/roleDefinitions"
_THINGS = {
    "Microsoft.Storage/storageAccounts": "storage account",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "container",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "queue",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "table",
    "Microsoft.Insights/components": "Application Insights",
    "Microsoft.KeyVault/vaults": "key vault",
    "Microsoft.ContainerRegistry/registries": "registry",
}
_NAMED = {"container": ("containers",), "queue": ("queues", "poisonQueues"), "table": ("tables",)}  # in names.bicep
_ROW = re.compile(r"\|\s*(functions|job|operator)\s*\|\s*([^|]+?)\s*\|\s*`([0-9a-f-]{36})`\s*\|\s*([^|]+?)\s*\|")


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """Who may do what where."""

    identity: str  # "functions", "job", "operator"
    role: str  # "AcrPull"
    role_id: str
    scope: str  # "container l1c", "key vault"

    def __str__(self) -> str:
        return f"{self.role} ({self.role_id}) for {self.identity} on {self.scope}"


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about roles."""
    table = templates.root / TABLE
    allowed = dict(documented(table.read_text(encoding="utf-8"))) if table.exists() else {}
    given: set[Grant] = set()
    known = {f"{thing} {name}" for thing, variables in _NAMED.items() for name in _names(templates, variables)}
    for template in templates.files.values():
        for resource in template.resources.values():
            if resource.type != _ASSIGNMENT:
                continue
            grants = list(_grants(templates, template, resource))
            if not grants:
                yield template.says(
                    resource.line, "role", f"the check cannot tell what {resource.symbol} gives to whom."
                )
            yield from _named(template, resource)
            yield from _kind(template, resource)
            given |= set(grants)
            for grant in grants:
                if grant.scope.partition(" ")[0] in _NAMED and grant.scope not in known:
                    yield template.says(resource.line, "role", f"there is no {grant.scope} to give {grant.role} on.")
                if grant not in allowed:
                    yield template.says(resource.line, "role", f"{TABLE} does not list {grant}.")
    for grant in sorted(allowed.keys() - given):
        yield Finding(TABLE, allowed[grant], "role", f"the templates do not give {grant}.")


def _names(templates: Templates, variables: tuple[str, ...]) -> Iterator[str]:
    for variable in variables:
        told = templates.constant("names.bicep", variable)
        yield from map(str, told if isinstance(told, list) else ())


def documented(text: str) -> Iterator[tuple[Grant, int]]:
    """The rows of the table, with their lines; a row may name several containers, queues or tables."""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _ROW.match(line):
            identity, role, role_id, where = match.groups()
            thing, _, names = where.replace("`", "").partition(" ")
            if thing in _NAMED:
                for name in names.split(", "):
                    yield Grant(identity, role, role_id, f"{thing} {name.strip()}"), number
            else:
                yield Grant(identity, role, role_id, where), number


def _grants(templates: Templates, template: Template, resource: Resource) -> Iterator[Grant]:
    body = body_of(resource.value)
    properties = body.get("properties") if body else None
    if body is None or not isinstance(properties, Fields):
        return
    identity = _identity(properties.get("principalId"))
    role = _role(properties.get("roleDefinitionId"))
    role_id = templates.plain(template, role)
    scope = body.get("scope")
    if not identity or role is None or not isinstance(role_id, str) or scope is None:
        return
    for where in _scopes(templates, template, scope):
        yield Grant(identity, role.name, role_id, where)


def _named(template: Template, resource: Resource) -> Iterator[Finding]:
    """The name is made of all that tells an assignment from others: two of one name would be one, or refused."""
    body = body_of(resource.value)
    principal, definition = (at(body, f"properties.{part}") for part in ("principalId", "roleDefinitionId"))
    expected = f"guid({spelled(at(body, 'scope'))}.id, {spelled(principal)}, {spelled(_role(definition))})"
    if spelled(at(body, "name")) != expected:
        yield template.says(resource.line, "role", f"the name of {resource.symbol} is not {expected}.")


def _kind(template: Template, resource: Resource) -> Iterator[Finding]:
    """An identity is a service principal; only of the operator it is asked what that is."""
    kind = spelled(at(body_of(resource.value), "properties.principalType"))
    if kind != ("operatorPrincipalType" if template.path.name == "operator.bicep" else "'ServicePrincipal'"):
        yield template.says(resource.line, "role", f"{resource.symbol} is given to a principal of type {kind}.")


def _identity(value: Value | None) -> str:
    """Whom a parameter is named after; that main.bicep fills it with that one's id, infra/check/wiring.py sees."""
    return value.name.removesuffix("PrincipalId") if isinstance(value, Name) else ""


def _role(value: Value | None) -> Member | None:
    """``roleIds['NAME']`` in a reference to a role definition."""
    match value:
        case Call(function="subscriptionResourceId", arguments=(Text(parts=(kind,)), Member() as role)):
            return role if kind == _DEFINITION else None
    return None


def _scopes(templates: Templates, template: Template, scope: Value) -> Iterator[str]:
    symbol = scope.of if isinstance(scope, Index) else scope
    target = template.resources.get(symbol.name) if isinstance(symbol, Name) else None
    thing = _THINGS.get(target.type) if target else None
    if target is None or thing is None:
        return
    if thing not in _NAMED:
        yield thing
        return
    yield from (f"{thing} {name}" for name in templates.names_of(template, target.value))
