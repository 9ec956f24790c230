"""Names in Azure: as long as the type allows, of its characters; what has one name only has that one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.promises import at
from infra.check.spelled import spelled
from infra.check.values import Name, Text, body_of

# From Microsoft's page "Naming rules and restrictions for Azure resources", as remembered.
RULES = {
    "Microsoft.App/jobs": r"[a-z](?!.*--)[a-z0-9-]{0,30}[a-z0-9]",
    "Microsoft.App/managedEnvironments": r"[A-Za-z][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
    "Microsoft.ContainerRegistry/registries": r"[A-Za-z0-9]{5,50}",
    "Microsoft.EventGrid/systemTopics": r"[A-Za-z0-9-]{3,50}",
    "Microsoft.KeyVault/vaults": r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]",
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    "Microsoft.OperationalInsights/workspaces": r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    "Microsoft.Resources/resourceGroups": r"[\w.()-]{0,89}[\w()-]",
    "Microsoft.Storage/storageAccounts": r"[a-z0-9]{3,24}",
    "Microsoft.Web/serverfarms": r"[A-Za-z0-9-]{1,60}",
    "Microsoft.Web/sites": r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
}
_ALONE = ("blobServices", "queueServices", "tableServices", "managementPolicies")  # each account has one: default
_LONGEST = {"token": "a1" * 6 + "b", "environmentName": "e" * 40}  # uniqueString has 13 characters; @maxLength is 40


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about names that Azure would refuse."""
    for template in templates.files.values():
        for resource in template.resources.values():
            name = at(body_of(resource.value), "name")
            if resource.type.endswith(_ALONE) and spelled(name) != "'default'":
                told = f"{resource.symbol} is called {spelled(name)}; there is only 'default'."
                yield template.says(resource.line, "name", told)
            rule, longest = RULES.get(resource.type), _longest(name)
            if rule and longest is not None and not re.fullmatch(rule, longest):
                told = f"a {resource.type} cannot be called {longest}; allowed is {rule}"
                yield template.says(resource.line, "name", told)
        names = Counter(spelled(at(body_of(module.value), "name")) for module in template.modules.values())
        for name_of, times in names.items():
            if times > 1:
                yield template.says(
                    1, "name", f"{times} modules have the name {name_of}; one deployment ends the other."
                )


def _longest(name: object) -> str | None:
    """The longest that a name with parts in it can be; None where a part is not known here."""
    if not isinstance(name, Text):
        return None
    parts = [
        part if isinstance(part, str) else _LONGEST.get(part.name) if isinstance(part, Name) else None
        for part in name.parts
    ]
    return None if None in parts else "".join(map(str, parts))
