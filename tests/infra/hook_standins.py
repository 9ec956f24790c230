"""Stand-ins for az and azd that record what they are asked, and the run of a hook against them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra.check.load import load
from infra.check.names import NAMES
from tests.conftest import ROOT

HOOKS = ROOT / "infra/hooks"
KEY = "the-key/with+signs=="
STANDIN = """#!/bin/sh
# Records its arguments; what begins with @ is a file, whose text and mode are recorded as well.
{
  printf '%s' "$(basename "$0")"
  for word in "$@"; do
    printf '\\t%s' "$word"
    case $word in @*) printf '\\t=%s\\t=%s' "$(cat "${word#@}")" "$(stat -c %a "${word#@}")" ;; esac
  done
  printf '\\n'
} >>"$RECORD"
count=$(grep -c "$1	$2" "$RECORD")
say() { # as a table, which is what some have az set to, unless the hook asks for the mere value
  case "$asked" in *" --output tsv"*) ;; *) printf 'Result\\n--------\\n' ;; esac
  printf '%s\\n' "$1"
}
asked=$*
case "$1 $2" in
  "functionapp keys") [ "$count" -gt "${KEY_AFTER:-0}" ] || exit "${KEY_EXIT:-0}"; say "$KEY" ;;
  "eventgrid system-topic") [ "$count" -gt "${EVENTS_AFTER:-0}" ] || exit 1 ;;
  "account show") say the-account; exit "${LOGGED_OUT:-0}" ;;
  "group exists") [ "${GROUP-false}" != refused ] || exit 1; say "${GROUP-false}" ;;
  "rest --method") case "$*" in
    *Microsoft.App/jobs*) [ "${IMAGE:-}" != refused ] || exit 1; say "${IMAGE:-}" ;;
    *) [ "${BUDGET:-}" != refused ] || exit 1; say "${BUDGET:-}" ;;
  esac ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A hook that has run, and each call of az and azd as its words."""

    code: int
    out: str
    err: str
    calls: list[list[str]]


def runner(folder: Path) -> Callable[..., Ran]:
    """What runs a hook with the outputs of the templates in its environment, below ``folder``."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("az", "azd"):
        (programs / name).write_text(STANDIN, encoding="utf-8")
        (programs / name).chmod(0o755)
    scratch = folder / "tmp"
    scratch.mkdir()
    record = folder / "record"

    def run(name: str, *, without: str = "", **more: str) -> Ran:
        record.write_text("", encoding="utf-8")
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "TMPDIR": str(scratch),
            "RECORD": str(record),
            "KEY": KEY,
            "HOOK_TRIES": "3",
            "HOOK_PAUSE": "0",
            "AZURE_RESOURCE_GROUP": "rg-icewatch-test",
            "AZURE_FUNCTION_APP_NAME": "func-test",
            "AZURE_FUNCTION_APP_HOST": "func-test.azurewebsites.net",
            "EVENT_TOPIC_NAME": "evgt-test",
            "BLOB_TRIGGERS": blob_triggers(),
            "AZURE_ENV_NAME": "test",
            "ICEWATCH_ALERT_EMAIL": "me@example.org",
            "ICEWATCH_SEN2COR_SHA256": "0" * 64,
        } | more
        environment.pop(without, None)
        done = subprocess.run(
            ["sh", HOOKS / name], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert list(scratch.iterdir()) == [], "the file with the key is left behind"
        calls = [line.split("\t") for line in record.read_text(encoding="utf-8").splitlines()]
        return Ran(done.returncode, done.stdout, done.stderr, calls)

    return run


def blob_triggers() -> str:
    """The output BLOB_TRIGGERS as the templates make it."""
    told = load(ROOT).constant(NAMES, "blobTriggers")
    assert isinstance(told, list)
    return ";".join(f"{one['function']}|{one['begins']}|{one['ends']}" for one in told)


def option(call: list[str], name: str) -> str | None:
    """What ``call`` says after the option ``name``; None where it does not have it."""
    return call[call.index(name) + 1] if name in call else None
