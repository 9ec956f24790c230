"""Names that the templates and the code share: queues, containers, tables, functions told of blobs, settings."""

from __future__ import annotations

from collections.abc import Iterator

from infra.check import application
from infra.check.finding import Finding
from infra.check.load import Templates, fields
from infra.check.spelled import spelled
from infra.check.template import Template
from infra.check.values import Call, Fields, Member, Name, Value, entries, every
from shared.messages import CORRECTIONS
from shared.models import L2A, MANIFEST
from shared.settings import STORAGE

NAMES, FUNCTIONS, JOB = "names.bicep", "functions.bicep", "job.bicep"
# Settings that the platform reads and the code does not.
PLATFORM = {
    f"{STORAGE}__credential": "the host's own connection: by managed identity",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "host and worker: where telemetry goes",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "host and worker: telemetry by identity, as the key is switched off",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "the Python worker: telemetry by OpenTelemetry, as host.json asks",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "its distribution of OpenTelemetry: no record for each request to storage",
}
# Settings that the code reads and neither the function app nor the job has.
ELSEWHERE = {
    STORAGE: "a connection string holds a key; in Azure the connection is by identity",
    "SEN2COR_COMMAND": "set in the image (container/Dockerfile)",
    "SEN2COR_DEM": "below the work folder: no disk of a job outlives its run",
    "SEN2COR_HOME": "set in the image, or not needed there",
    "CORRECTION_WORK": "set in the image",
}
_ENDS = {L2A: f"/{MANIFEST}"}  # container -> how the names end that its function is told of; else every blob
_OF_JOB = ("CORRECTION_", "SEN2COR_")  # what the container step alone needs


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about names."""
    yield from _same(templates, "containers", application.containers(), "container")
    yield from _same(templates, "queues", application.queues(), "queue")
    yield from _same(templates, "poisonQueues", application.poison_queues(), "queue")
    yield from _same(templates, "tables", application.tables(), "table")
    yield from _scaled_by(templates)
    yield from _lifecycle(templates)
    yield from _events(templates)
    yield from _settings(templates)


def _same(templates: Templates, variable: str, code: set[str], thing: str) -> Iterator[Finding]:
    template = templates.files[NAMES]
    line = template.variables[variable].line if variable in template.variables else 1
    told = templates.constant(NAMES, variable)
    mine = {str(one) for one in told} if isinstance(told, list) else set()
    yield from (template.says(line, "name", f"the code knows no {thing} {one}.") for one in sorted(mine - code))
    yield from (
        template.says(line, "name", f"the {thing} {one} of the code is missing.") for one in sorted(code - mine)
    )


def _scaled_by(templates: Templates) -> Iterator[Finding]:
    """The queue the job is started by is the queue that the container step empties."""
    for template, inside in fields(templates):
        if (queue := inside.get("queueName")) is not None:
            name = templates.plain(template, queue)
            if name != CORRECTIONS:
                told = f"the job is started by the queue {name}; the container step empties {CORRECTIONS}."
                yield template.says(queue.line, "name", told)


def _lifecycle(templates: Templates) -> Iterator[Finding]:
    package = templates.constant(NAMES, "packageContainer")
    known = application.containers() | {str(package)}
    for template, inside in fields(templates):
        prefixes = templates.plain(template, inside.get("prefixMatch"))
        for prefix in prefixes if isinstance(prefixes, list) else ():
            if str(prefix).partition("/")[0] not in known:
                yield template.says(inside.line, "name", f"no container fits the prefix {prefix}.")


def _events(templates: Templates) -> Iterator[Finding]:
    template = templates.files[NAMES]
    variable = template.variables.get("blobTriggers")
    line = variable.line if variable else 1
    told = templates.constant(NAMES, "blobTriggers")
    subscribed = {str(one["function"]): one for one in told if isinstance(one, dict)} if isinstance(told, list) else {}
    expected = {trigger.function: trigger.container for trigger in application.blob_triggers()}
    for function in sorted(expected.keys() - subscribed.keys()):
        yield template.says(line, "event", f"the blob-triggered function {function} has no Event Grid subscription.")
    for function in sorted(subscribed.keys() - expected.keys()):
        yield template.says(line, "event", f"{function} is no blob-triggered function.")
    for function in sorted(expected.keys() & subscribed.keys()):
        begins = f"/blobServices/default/containers/{expected[function]}/blobs/"
        if not str(subscribed[function].get("begins")).startswith(begins):
            yield template.says(line, "event", f"{function} listens to blobs below {begins}.")
        ends = _ENDS.get(expected[function], "")
        if subscribed[function].get("ends") != ends:
            yield template.says(line, "event", f"{function} is told of blobs that end with '{ends}'.")


def settings_of(templates: Templates, file: str) -> dict[str, int]:
    """The settings that variable ``settings`` of ``file`` makes, with the line each is made in."""
    template = templates.files[file]
    variable = template.variables.get("settings")
    return dict(_keys(templates, template, variable.value)) if variable else {}


def _keys(templates: Templates, template: Template, value: Value) -> Iterator[tuple[str, int]]:
    match value:
        case Call(function="union"):
            for part in value.arguments:
                yield from _keys(templates, template, part)
        case Fields():
            yield from ((entry.key, entry.line) for entry in value.entries if entry.key)
        case Name(name=name) if name in template.parameters:
            yield from ((key, value.line) for key in type_of(templates, template, template.parameters[name].type))


def type_of(templates: Templates, template: Template, name: str) -> dict[str, str]:
    """The properties of the object type ``name`` and their types, followed through imports."""
    for one in template.imports:
        if name in one.names and one.source in templates.files:
            return templates.files[one.source].types.get(one.names[name], {})
    return template.types.get(name, {})


def _settings(templates: Templates) -> Iterator[Finding]:
    read = application.settings_read()
    bound = application.settings_of_bindings()
    functions, job = settings_of(templates, FUNCTIONS), settings_of(templates, JOB)
    for file, made in ((FUNCTIONS, functions), (JOB, job)):
        known = read | bound | (PLATFORM.keys() if file == FUNCTIONS else set())
        for name in sorted(made.keys() - known):
            yield templates.files[file].says(made[name], "setting", f"nothing reads the setting {name}.")
    step = {name for name in read if name.startswith(_OF_JOB)} - ELSEWHERE.keys()
    everybody = {name for name in read if name.startswith(f"{STORAGE}__")}
    wanted = {
        FUNCTIONS: (read | bound | PLATFORM.keys()) - step - ELSEWHERE.keys(),
        JOB: step | everybody,
    }
    for file, made in ((FUNCTIONS, functions), (JOB, job)):
        variable = templates.files[file].variables.get("settings")
        for name in sorted(wanted[file] - made.keys()):
            told = f"the setting {name}, which {'the platform' if name in PLATFORM else 'the code'} reads, is missing."
            yield templates.files[file].says(variable.line if variable else 1, "setting", told)
    yield from _misspelled(templates)
    yield from _crossed(templates)


def _crossed(templates: Templates) -> Iterator[Finding]:
    """A setting that is taken from what is tuned is taken from its own."""
    for file in (FUNCTIONS, JOB):
        template = templates.files[file]
        variable = template.variables.get("settings")
        for name, value in entries(variable.value) if variable else ():
            tuned = isinstance(value, Member) and isinstance(value.of, Name) and value.of.name in template.parameters
            if tuned and spelled(value).rpartition(".")[2] != name:
                yield template.says(value.line, "setting", f"{name} is taken from {spelled(value)}.")


def _misspelled(templates: Templates) -> Iterator[Finding]:
    """``tuning.NAME`` must be a setting of the type of ``tuning``."""
    for template in templates.files.values():
        for value in template.expressions():
            for inside in every(value):
                if isinstance(inside, Member) and isinstance(inside.of, Name) and inside.of.name in template.parameters:
                    known = type_of(templates, template, template.parameters[inside.of.name].type)
                    if known and inside.name not in known:
                        yield template.says(inside.line, "setting", f"{inside.of.name} has no {inside.name}.")
