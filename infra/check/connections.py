"""Values of settings: each address is the one its name says, timers have six fields, time limits fit, sizes agree."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.check import application
from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.names import FUNCTIONS, JOB
from infra.check.promises import at
from infra.check.template import Template
from infra.check.values import Member, Name, Number, Text, body_of, entries, every
from shared.settings import STORAGE, Correction, Prices

SERVICES = ("blob", "queue", "table")
_FIELD = r"(?:[0-9*,/-]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)+"
_TIMER = re.compile(rf"{_FIELD}(?: {_FIELD}){{5}}", re.IGNORECASE)
_AROUND = 1800  # seconds that unpacking and upload may take at least


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about values of settings."""
    for file in (FUNCTIONS, JOB):
        yield from _addresses(templates, templates.files[file])
    yield from _timers(templates.files[FUNCTIONS])
    yield from _limits(templates)
    yield from _sizes(templates)


def _addresses(templates: Templates, template: Template) -> Iterator[Finding]:
    """``...__blobServiceUri`` is blobUri (which main.bicep fills by its name), and that is the blob endpoint."""
    given = dict(entries(template.variables["settings"].value))
    for service in SERVICES:
        setting, name = f"{STORAGE}__{service}ServiceUri", f"{service}Uri"
        value = given.get(setting)
        if value is not None and not (isinstance(value, Name) and value.name == name):
            yield template.says(value.line, "address", f"{setting} is not {name}.")
        output = templates.files["storage.bicep"].outputs.get(name)
        if output is not None and not (isinstance(output.value, Member) and output.value.name == service):
            told = f"{name} is not the endpoint of {service}s."
            yield templates.files["storage.bicep"].says(output.line, "address", told)


def _timers(template: Template) -> Iterator[Finding]:
    """The schedules that timers are bound to have the six fields that the host asks for."""
    timers = {
        name
        for bindings in application.bindings().values()
        for binding in bindings
        if binding["type"] == "timerTrigger"
        for name in re.findall(r"%(\w+)%", str(binding["schedule"]))
    }
    for name, value in entries(template.variables["settings"].value):
        if name not in timers:
            continue
        for inside in every(value):
            if isinstance(inside, Text) and inside.plain and not _TIMER.fullmatch(inside.plain):
                told = f"{name} is '{inside.plain}'; expected six fields: second minute hour day month day-of-week."
                yield template.says(inside.line, "timer", told)


def _limits(templates: Templates) -> Iterator[Finding]:
    """A run of the container step is ended from outside only well after its own limit."""
    job, main = templates.files[JOB], templates.main
    for name, least in (("usualTimeLimit", Correction().time_limit), ("around", _AROUND)):
        variable = job.variables.get(name)
        if variable is None or not isinstance(variable.value, Number) or variable.value.number < least:
            told = f"{name} is less than {least:.0f} seconds: a run would be ended before it ends itself."
            yield job.says(variable.line if variable else 1, "limit", told)
    timeout = main.parameters.get("replicaTimeout")
    if timeout is None or not isinstance(timeout.default, Number):
        yield main.says(timeout.line if timeout else 1, "limit", "replicaTimeout has no default.")
    elif timeout.default.number < Correction().time_limit + _AROUND:
        told = f"replicaTimeout is {timeout.default.number}; CORRECTION_TIME_LIMIT and {_AROUND} s around it are more."
        yield main.says(timeout.line, "limit", told)


def _sizes(templates: Templates) -> Iterator[Finding]:
    """What the estimate of costs takes for granted is what is ordered."""
    usual, job, app = Prices(), templates.files[JOB], templates.files[FUNCTIONS]
    resources = at(body_of(job.resources["job"].value), "properties.template.containers.0.resources")
    cpu, memory = at(resources, "cpu"), templates.plain(job, at(resources, "memory"))
    if not (isinstance(cpu, Number) and (cpu.number, memory) == (usual.cpus, f"{usual.gib:g}Gi")):
        told = f"the job is not {usual.cpus:g} vCPU and {usual.gib:g} GiB, which JOB_CPUS and JOB_GIB are by default."
        yield job.says(resources.line if resources else 1, "size", told)
    variable, allowed = app.variables.get("gigabytes"), app.parameters["instanceMemoryMB"].decorator("allowed")
    told_gb = templates.plain(app, variable.value) if variable else None
    sizes = [each.number for each in every(allowed) if isinstance(each, Number)] if allowed else []
    expected = {str(size): f"{round(size / 1024, 2):g}" for size in sizes}
    if told_gb != expected:
        yield app.says(variable.line if variable else 1, "size", f"INSTANCE_GB by size is not {expected}.")
