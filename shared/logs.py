"""Log records that say which product and which step they are about, and a format that machines read.

In Azure the fields become columns of the traces by themselves, as OpenTelemetry's handler exports every extra field of
a record. Elsewhere the setting ``LOG_FORMAT=json`` makes each record one line of JSON.
"""

from __future__ import annotations

import json
import logging
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

from shared.errors import BadSetting
from shared.models import shown

# Libraries that log every request they make at INFO. The exporter of telemetry is among them, as part of azure.
_TALKATIVE = ("azure", "httpx", "httpcore", "rasterio")
FIELDS = ("product", "step", "state", "seconds")
_TEXT = "%(asctime)s %(levelname)s %(message)s"


class Bound(logging.LoggerAdapter[logging.Logger]):
    """A logger with fields bound; those of one call are added to them."""

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        """Join the bound fields and those of this call (``extra=``)."""
        return msg, {**kwargs, "extra": {**(self.extra or {}), **kwargs.get("extra", {})}}


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, logger, message, the fields that are bound, and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def formatter(choice: str, text: str = _TEXT) -> logging.Formatter:
    """The formatter that the setting LOG_FORMAT asks for: "json", or "text" (the default) in the format ``text``."""
    if choice not in {"", "text", "json"}:
        raise BadSetting(f"LOG_FORMAT is '{shown(choice)}'; expected text or json.")
    return JsonLines() if choice == "json" else logging.Formatter(text)


def hush() -> None:
    """Let libraries that log every request say warnings and worse only.

    In Azure the worker lets everything from INFO up through to Application Insights: two records and 2.6 KB for each
    request to the storage account, hundreds of them for a product, would be paid for and bury the lines of the steps.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
