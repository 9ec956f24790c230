"""host.json, read as the Functions host reads it: the same names, the same defaults, unknown ones refused.

What has no meaning on one machine (logging, extension bundles, HTTP throttling) is accepted and not used.
Reference: https://learn.microsoft.com/azure/azure-functions/functions-host-json
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from shared.errors import BadSetting
from shared.models import shown

_OVERRIDE = "AzureFunctionsJobHost__"
_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})")


def _seconds(value: Any) -> float:
    match = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"'{shown(value)}' is no duration; expected hh:mm:ss")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _limit(value: Any) -> float | None:
    return None if value == "-1" else _seconds(value)


Seconds = Annotated[float, BeforeValidator(_seconds)]  # written hh:mm:ss or d.hh:mm:ss


class Encoding(StrEnum):
    """How message bodies are written into queues."""

    BASE64 = "base64"
    NONE = "none"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class Queues(_Section):
    """The part extensions.queues."""

    batch_size: int = Field(16, ge=1, le=32)  # messages fetched at once
    new_batch_threshold: int | None = Field(None, ge=0)  # fetch again when at most so many run
    max_dequeue_count: int = Field(5, ge=1)  # tries before the poison queue
    visibility_timeout: Seconds = 0.0  # the delay before a failed message is tried again
    max_polling_interval: Seconds = 60.0  # the longest pause between looks into an empty queue
    message_encoding: Encoding = Encoding.BASE64

    @property
    def threshold(self) -> int:
        """``newBatchThreshold`` or its default, half a batch per processor."""
        if self.new_batch_threshold is not None:
            return self.new_batch_threshold
        return self.batch_size // 2 * (os.cpu_count() or 1)


class Blobs(_Section):
    """The part extensions.blobs."""

    max_degree_of_parallelism: int = Field(default_factory=lambda: 8 * (os.cpu_count() or 1), ge=1)
    poison_blob_threshold: int = Field(5, ge=1)


class Http(_Section):
    """The part extensions.http; throttling and headers are the platform's business."""

    route_prefix: str = "api"
    max_outstanding_requests: Any = None
    max_concurrent_requests: Any = None
    dynamic_throttles_enabled: Any = None
    hsts: Any = None
    custom_headers: Any = None


class Extensions(_Section):
    """The part extensions."""

    queues: Queues = Queues()
    blobs: Blobs = Field(default_factory=Blobs)
    http: Http = Http()


class HostConfig(_Section):
    """The whole of host.json."""

    version: Literal["2.0"]
    extensions: Extensions = Field(default_factory=Extensions)
    function_timeout: Annotated[float | None, BeforeValidator(_limit)] = 1800.0  # seconds; None: without limit
    aggregator: Any = None
    extension_bundle: Any = None
    health_monitor: Any = None
    logging: Any = None
    singleton: Any = None
    telemetry_mode: Any = None
    watch_directories: Any = None
    watch_files: Any = None

    @classmethod
    def parse(cls, text: str, source: str) -> HostConfig:
        """Read the text of a host.json; ``source`` names the file in errors. Raises BadSetting."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as cause:
            problems = "; ".join(_sentence(error) for error in cause.errors())
            raise BadSetting(f"{source} cannot be used: {problems}.") from cause

    @classmethod
    def read(cls, path: Path, settings: Mapping[str, str] | None = None) -> HostConfig:
        """Read the file ``path``; raise BadSetting where it is missing or cannot be used.

        ``settings`` are app settings: one named ``AzureFunctionsJobHost__extensions__queues__batchSize`` replaces that
        value of the file, as in Azure.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as cause:
            raise BadSetting(f"{path} cannot be read: {cause}.") from cause
        replaced = {name: value for name, value in (settings or {}).items() if name.startswith(_OVERRIDE)}
        return cls.parse(_with(text, replaced) if replaced else text, " with ".join([path.name, *sorted(replaced)]))


def _with(text: str, replaced: Mapping[str, str]) -> str:
    """The text of a host.json in which the named values are replaced; as it was where it is no JSON object."""
    with suppress(ValueError):
        config = json.loads(text)
        for name, value in replaced.items():
            *sections, last = name.removeprefix(_OVERRIDE).split("__")
            section = config
            for part in sections:
                section = section.setdefault(part, {}) if isinstance(section, dict) else {}
            if isinstance(section, dict):
                section[last] = _plain(value)
        return json.dumps(config)
    return text


def _plain(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value  # a duration, say


def _sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"'{shown(where)}' is unknown to the one-machine host"
    return f"{shown(where)}: {shown(error['msg'].removeprefix('Value error, '))}"
