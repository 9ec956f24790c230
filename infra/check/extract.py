"""Makes the extract of Azure's resource types in ``infra/schemas/``: ``python -m infra.check.extract [PROGRAM]``.

PROGRAM is ``azmcp`` of the package msmcp-azure (MIT), which carries the types of Bicep; without it, the one on the
PATH. It answers for the newest version of a type only, and not for a few types: those are on the list BY_HAND and their
files were written from the same types as Azure/bicep-types-az (MIT) documents them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.check.schema import FOLDER, file_of

TYPES = (
    "Microsoft.App/jobs",
    "Microsoft.App/managedEnvironments",
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Consumption/budgets",
    "Microsoft.ContainerRegistry/registries",
    "Microsoft.EventGrid/systemTopics",
    "Microsoft.Insights/components",
    "Microsoft.Insights/workbooks",
    "Microsoft.KeyVault/vaults",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Resources/resourceGroups",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Storage/storageAccounts/blobServices",
    "Microsoft.Storage/storageAccounts/blobServices/containers",
    "Microsoft.Storage/storageAccounts/managementPolicies",
    "Microsoft.Storage/storageAccounts/queueServices",
    "Microsoft.Storage/storageAccounts/queueServices/queues",
    "Microsoft.Storage/storageAccounts/tableServices",
    "Microsoft.Storage/storageAccounts/tableServices/tables",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    "Microsoft.Web/sites/config",
)
BY_HAND = (
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.Insights/scheduledQueryRules",
)
_KINDS = {"Microsoft.Web/sites/config": {"appsettings"}}  # of the types that differ by name, those that are used
_MARKS = {"Required": "!", "ReadOnly": "-"}


def extract(program: str, kind: str) -> dict[str, Any]:
    """What ``program`` knows of the resource type ``kind``, in the form of ``infra/schemas/``."""
    done = subprocess.run(
        [program, "bicepschema", "get", "--resource-type", kind],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"AZURE_MCP_COLLECT_TELEMETRY": "false"},
    )
    told = json.loads(done.stdout)["results"]["BicepSchemaResult"]
    resource = next(one for one in told if one["$type"] == "Resource")
    known = {one["name"]: one for one in told if one["$type"] in {"Object", "DiscriminatedObject"}}
    types: dict[str, Any] = {}
    _add("body", resource["bodyType"], known, types, _KINDS.get(kind))
    return {"type": kind, "apiVersion": resource["name"].partition("@")[2], "types": types}


def _add(name: str, told: dict[str, Any], known: dict[str, Any], types: dict[str, Any], only: set[str] | None) -> None:
    if name in types:
        return
    types[name] = form = {}
    if told["$type"] == "DiscriminatedObject":
        form["by"] = told["discriminator"]
        form["kinds"] = {}
        for element in told["elements"]:
            kind = next(p["type"] for p in element["properties"] if p["name"] == told["discriminator"])
            if only is None or kind in only:
                form["kinds"][kind] = f"{name}:{kind}"
                whole = {**element, "properties": [*told["baseProperties"], *element["properties"]]}
                _add(f"{name}:{kind}", whole, known, types, None)
        return
    form["has"] = {p["name"]: _mark(p) + p["type"] for p in told.get("properties", ())}
    if "additionalPropertiesType" in told:
        form["other"] = told["additionalPropertiesType"]
    for used in (*(p["type"] for p in told.get("properties", ())), form.get("other", "")):
        base = used.removesuffix("[]")
        if base in known:
            _add(base, known[base], known, types, None)


def _mark(told: dict[str, Any]) -> str:
    flags = told.get("flags", "").split(", ")
    return next((mark for flag, mark in _MARKS.items() if flag in flags), "")


def text_of(schema: dict[str, Any]) -> str:
    """The text of a file of ``infra/schemas/``: one type a line, so that a difference can be read."""
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(form)}" for name, form in schema["types"].items())
    return f'{{"type": "{schema["type"]}", "apiVersion": "{schema["apiVersion"]}", "types": {{\n{lines}\n}}}}\n'


def main() -> int:
    """Write all files anew."""
    program = sys.argv[1] if len(sys.argv) > 1 else shutil.which("azmcp")
    if program is None:
        sys.stderr.write(
            "There is no azmcp on the PATH; pip install msmcp-azure (157 MB) into an environment of its own.\n"
        )
        return 2
    FOLDER.mkdir(exist_ok=True)
    for kind in TYPES:
        Path(file_of(kind)).write_text(text_of(extract(program, kind)), encoding="utf-8")
        sys.stdout.write(f"{kind}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
