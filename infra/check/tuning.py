"""Settings that may be tuned: texts, and where values are listed, those that the code takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infra.check import application
from infra.check.finding import Finding
from infra.check.load import Templates
from shared.errors import BadSetting
from shared.settings import STORAGE, Settings

TUNING = "tuning.bicep"
_LISTED = re.compile(r"'[^']*'(?: \| '[^']*')*")
_ADDRESSES = {f"{STORAGE}__{kind}ServiceUri": "https://a.example.org" for kind in ("blob", "queue", "table")}


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about the types of the settings; an app setting is a text, and empty means the code's default."""
    template = templates.files[TUNING]
    lines = template.path.read_text(encoding="utf-8").splitlines()
    for name, kind in ((name, kind) for of in template.types.values() for name, kind in of.items()):
        line = next((n for n, text in enumerate(lines, start=1) if text.strip().startswith(f"{name}:")), 1)
        values = re.findall(r"'([^']*)'", kind) if _LISTED.fullmatch(kind) else []
        if kind != "string" and "" not in values:
            yield template.says(line, "setting", f"{name} is neither a string nor a list of texts with the empty one.")
        for value in values:
            if name in application.settings_read() and (why := _refused(name, value)):
                yield template.says(line, "setting", f"{name} may be '{value}', which the code refuses: {why}")


def _refused(name: str, value: str) -> str:
    try:
        Settings.from_env(_ADDRESSES | {name: value})
    except BadSetting as refusal:
        return str(refusal)
    return ""
