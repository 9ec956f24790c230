"""azure.yaml: the services it deploys, how their images are built, the hooks it runs and what those read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.check.application import ROOT
from infra.check.azd import PARAMETERS, PREFIX, SUBSTITUTED, line_of
from infra.check.finding import Finding
from infra.check.load import Templates, fields
from infra.check.schema import schema_of
from infra.check.values import Text

PROJECT, FOLDER = "azure.yaml", "infra"
_SERVICE_TAG = "azd-service-name"
_OF_HOOKS = {"HOOK_TRIES", "HOOK_PAUSE", "AZURE_SUBSCRIPTION_ID"}  # how long a hook waits; azd gives the last one
_QUESTION = re.compile(r"(Microsoft\.\w+/\w+)\?api-version=([\w-]+)")
_VARIABLE = re.compile(r"\$\{?(?:env:)?([A-Z][A-Z0-9_]{3,})")
_ARGUMENT = re.compile(r"(?m)^ARG (\w+)")
SAID = {  # what azure.yaml has to say, by path
    "infra.provider": "bicep",
    "infra.path": FOLDER,
    "infra.module": "main",
    "services.functions.project": ".",
    "services.functions.language": "python",
    "services.functions.host": "function",
    "services.correct.project": ".",
    "services.correct.language": "docker",
    "services.correct.host": "containerapp",  # a container job's as well
    "services.correct.docker.context": ".",
    "services.correct.docker.remoteBuild": True,  # nobody needs Docker
}
# Container jobs are deployed since 1.23.8, negations in .funcignore are read since 1.23.13, and the arguments of an
# image that is built in the registry are passed on by what came after 1.24.2 (azure-dev 7990, repaired by 7997).
LEAST_AZD = (1, 24, 3)
HOOKS = ("preprovision", "postdeploy")  # azd runs no others; each has the script of its name
_SHELLS = {"posix": ("sh", "sh"), "windows": ("pwsh", "ps1")}


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about azure.yaml and the hooks."""
    text = (templates.root / PROJECT).read_text(encoding="utf-8")
    project = yaml.safe_load(text)
    for path, expected in SAID.items():
        if _at(project, path) != expected:
            yield Finding(PROJECT, _line_at(text, path), "azd", f"{path} is not {expected}.")
    yield from _azd(text, str(_at(project, "requiredVersions.azd")))
    yield from _image(text, _at(project, "services.correct.docker"))
    yield from _services(templates, set(project.get("services", {})))
    yield from _hooks(templates, text, project.get("hooks", {}))


def _at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _line_at(text: str, path: str) -> int:
    end = 0
    for part in path.split("."):
        end = max(text.find(f"{part}:", end), end)
    return text[:end].count("\n") + 1


def _azd(text: str, asked: str) -> Iterator[Finding]:
    """The azd that is asked for is one that can deploy this."""
    version = re.fullmatch(r">= (\d+)\.(\d+)\.(\d+)", asked)
    if version is None or tuple(map(int, version.groups())) < LEAST_AZD:
        least = ".".join(map(str, LEAST_AZD))
        told = f"azd {asked} is asked for; expected >= {least}, as older ones drop the arguments of a remote build."
        yield Finding(PROJECT, _line_at(text, "requiredVersions.azd"), "azd", told)


def _image(text: str, docker: dict[str, Any] | None) -> Iterator[Finding]:
    """The Dockerfile is there and takes the arguments, each from the variable of its name."""
    path = str((docker or {}).get("path"))
    file = ROOT / path
    if not file.is_file():
        yield Finding(PROJECT, line_of(text, "docker:"), "azd", f"there is no Dockerfile {path}.")
        return
    known = set(_ARGUMENT.findall(file.read_text(encoding="utf-8")))
    for argument in (docker or {}).get("buildArgs", []):
        name, _, value = argument.partition("=")
        line = line_of(text, argument)
        if name not in known:
            yield Finding(PROJECT, line, "azd", f"{path} takes no argument {name}.")
        if value != f"${{{PREFIX}{name}}}":
            yield Finding(PROJECT, line, "azd", f"{name} is taken from {value}, not from {PREFIX}{name}.")


def _services(templates: Templates, services: set[str]) -> Iterator[Finding]:
    tagged: dict[str, Finding] = {}
    for template, inside in fields(templates):
        if isinstance(tag := inside.get(_SERVICE_TAG), Text) and tag.plain:
            tagged[tag.plain] = template.says(inside.line, "azd", f"azure.yaml has no service {tag.plain}.")
    yield from (finding for name, finding in sorted(tagged.items()) if name not in services)
    for name in sorted(services - tagged.keys()):
        yield Finding(PROJECT, 1, "azd", f"no resource has the tag {_SERVICE_TAG} '{name}'.")


def _hooks(templates: Templates, text: str, hooks: dict[str, dict[str, dict[str, str]]]) -> Iterator[Finding]:
    parameters = (templates.root / PARAMETERS).read_text(encoding="utf-8")
    set_there = {name for name, _ in SUBSTITUTED.findall(parameters + text)}
    known = {*set_there, *templates.main.outputs, *_OF_HOOKS}
    for hook in sorted({*hooks} ^ {*HOOKS}):
        told = "is missing" if hook in HOOKS else "is none that azd should run"
        yield Finding(PROJECT, line_of(text, hook), "azd", f"the hook {hook} {told}.")
    for hook, by_system in hooks.items():
        for system, (shell, ending) in _SHELLS.items():
            told_shell, path = (by_system.get(system, {}).get(what, "") for what in ("shell", "run"))
            if told_shell != shell or path != f"{FOLDER}/hooks/{hook}.{ending}":
                told = f"the hook {hook} runs no {hook}.{ending} by {shell} on {system}."
                yield Finding(PROJECT, line_of(text, hook), "azd", told)
            elif not (templates.root / path).is_file():
                yield Finding(PROJECT, line_of(text, hook), "azd", f"there is no script {path}.")
            else:
                yield from _variables(templates.root / path, path, known)


def _variables(script: Path, path: str, known: set[str]) -> Iterator[Finding]:
    for number, line in enumerate(script.read_text(encoding="utf-8").splitlines(), start=1):
        for name in _VARIABLE.findall(line):
            if name not in known and name != "LASTEXITCODE":
                yield Finding(path, number, "azd", f"{name} is neither an output of main.bicep nor set with azd env.")
        for kind, version in _QUESTION.findall(line):
            schema = schema_of(kind)
            if schema is None or schema.version != version:
                told = (
                    f"{kind} is asked for in {version}; the templates make it in {schema.version if schema else None}."
                )
                yield Finding(path, number, "azd", told)
