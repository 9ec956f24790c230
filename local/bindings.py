"""The functions of an azure-functions app as frozen values: what calls each, and where its outputs go.

``%SETTING%`` in schedules, queue names and paths is resolved here. What this host cannot run is refused here,
so that nothing is registered and then silently never called.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.annotations import RETURN, refusals
from shared.errors import BadSetting
from shared.models import shown

_SETTING = re.compile(r"%([^%]+)%")
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """Calls at the times of a six-field expression."""

    argument: str
    schedule: str
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """Calls once per message."""

    argument: str
    queue: str
    connection: str  # name of the setting


@dataclass(frozen=True, slots=True)
class BlobTrigger:
    """Calls once per new or replaced blob."""

    argument: str
    container: str
    pattern: re.Pattern[str]  # matches the whole blob name
    prefix: str  # every matching name starts so
    connection: str  # name of the setting


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """Calls once per request."""

    argument: str
    route: str  # without the prefix of host.json
    methods: tuple[str, ...]  # empty: all


Trigger = TimerTrigger | QueueTrigger | BlobTrigger | HttpTrigger


@dataclass(frozen=True, slots=True)
class QueueOutput:
    """Where a func.Out argument or the return value goes."""

    argument: str
    queue: str
    connection: str  # name of the setting


@dataclass(frozen=True, slots=True)
class Registered:
    """One function of the app."""

    name: str
    call: Callable[..., Any]
    trigger: Trigger
    outputs: tuple[QueueOutput, ...]
    wants_context: bool
    takes: Any  # the annotation of the trigger's argument, None where there is none

    @property
    def is_async(self) -> bool:
        """True where the call gives a coroutine."""
        return inspect.iscoroutinefunction(self.call)

    @property
    def id(self) -> str:
        """The name by which the real host knows the function in receipts and messages."""
        return f"Host.Functions.{self.name}"


def registered(app: Any, settings: Mapping[str, str]) -> tuple[Registered, ...]:
    """The functions of ``app`` (FunctionApp or AsgiFunctionApp), with ``settings`` filled in.

    Raises BadSetting where a setting is missing, a binding is none this host knows, or the app does not index.
    """
    app.functions_bindings = None  # the library would take a second look at the same app for duplicate names
    try:
        functions = app.get_functions()
    except (ValueError, TypeError) as cause:
        raise BadSetting(f"The function app cannot be indexed: {cause}") from cause
    return tuple(_register(function, settings) for function in functions)


def resolve(text: str, settings: Mapping[str, str], where: str) -> str:
    """``text`` with every ``%NAME%`` replaced; raise BadSetting naming what is missing and ``where``."""

    def value(match: re.Match[str]) -> str:
        found = settings.get(match[1], "")
        if not found:
            raise BadSetting(f"{where} needs the app setting {shown(match[1])}, which is not set.")
        return found

    return _SETTING.sub(value, text)


def _register(function: Any, settings: Mapping[str, str]) -> Registered:
    name, call = function.get_function_name(), function.get_user_function()
    trigger: Trigger | None = None
    outputs: list[QueueOutput] = []
    bindings = json.loads(function.get_function_json())["bindings"]
    for binding in bindings:
        if binding["type"] in _TRIGGERS:
            trigger = _TRIGGERS[binding["type"]](binding, settings, f"Function {name}")
        elif (binding["type"], binding["direction"]) == ("queue", "OUT"):
            outputs.append(_queue_output(binding, settings, f"Function {name}"))
        elif binding["type"] != "http":
            raise BadSetting(f"Function {name} has a {binding['type']} binding, which the one-machine host cannot run.")
    if trigger is None:
        raise BadSetting(f"Function {name} has no trigger.")
    wants_context = _check_signature(name, call, {trigger.argument, *(output.argument for output in outputs)})
    for told in refusals(call, {binding["name"]: (binding["type"], binding["direction"]) for binding in bindings}):
        raise BadSetting(f"Function {name} would not start in Azure: {told}.")
    takes = typing.get_type_hints(call).get(trigger.argument)
    return Registered(name, call, trigger, tuple(outputs), wants_context, takes)


def _check_signature(name: str, call: Callable[..., Any], bound: set[str]) -> bool:
    parameters = set(inspect.signature(call).parameters)
    if wrong := (parameters - {"context"}) ^ (bound - {RETURN}):
        raise BadSetting(f"Function {name} and its bindings disagree about {', '.join(sorted(wrong))}.")
    return "context" in parameters


def _timer(binding: Mapping[str, Any], settings: Mapping[str, str], where: str) -> TimerTrigger:
    return TimerTrigger(
        argument=binding["name"],
        schedule=resolve(binding["schedule"], settings, where),
        run_on_startup=bool(binding.get("runOnStartup")),
        use_monitor=binding.get("useMonitor") is not False,
    )


def _queue(binding: Mapping[str, Any], settings: Mapping[str, str], where: str) -> QueueTrigger:
    return QueueTrigger(binding["name"], resolve(binding["queueName"], settings, where), binding["connection"])


def _queue_output(binding: Mapping[str, Any], settings: Mapping[str, str], where: str) -> QueueOutput:
    return QueueOutput(binding["name"], resolve(binding["queueName"], settings, where), binding["connection"])


def _blob(binding: Mapping[str, Any], settings: Mapping[str, str], where: str) -> BlobTrigger:
    path = resolve(binding["path"], settings, where)
    container, _, name = path.partition("/")
    if not container or "{" in container:
        raise BadSetting(f"{where} watches '{shown(path)}'; expected container/pattern.")
    prefix, pattern = blob_pattern(name)
    return BlobTrigger(binding["name"], container, pattern, prefix, binding["connection"])


def blob_pattern(name: str) -> tuple[str, re.Pattern[str]]:
    """The literal start and the whole-name pattern of a blob path such as ``in/{name}.zip``; empty: every blob."""
    pieces = _PARAMETER.split(name or "{name}")  # literals at even places, parameter names at odd ones
    text = "".join(re.escape(piece) if place % 2 == 0 else ".+" for place, piece in enumerate(pieces))
    return pieces[0], re.compile(text, re.DOTALL)


def _http(binding: Mapping[str, Any], _settings: Mapping[str, str], _where: str) -> HttpTrigger:
    return HttpTrigger(binding["name"], binding["route"], tuple(binding.get("methods") or ()))


_TRIGGERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, str], str], Trigger]] = {
    "timerTrigger": _timer,
    "queueTrigger": _queue,
    "blobTrigger": _blob,
    "httpTrigger": _http,
}
