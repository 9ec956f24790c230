"""The queries of alerts and workbook read tables that are filled, and look for what the code says and is called."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from infra.check import application
from infra.check.finding import Finding
from infra.check.load import Templates
from shared.measures import METRICS

FOLDER, WORKBOOK, ALERTS = "infra/queries", "infra/workbook.json", "alerts.bicep"
TABLES = {"AppTraces", "AppRequests", "AppMetrics", "ContainerAppConsoleLogs", "ContainerAppSystemLogs", "Usage"}
_METHODS = {"debug", "info", "warning", "error", "exception"}
_READ = re.compile(r"(?:^|\(|\n|let \w+ = )\s*([A-Z]\w+)\s*(?=\|)")
_QUERY = 3  # the type of a workbook's item that holds one


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about queries."""
    known = {path.name for path in (templates.root / FOLDER).glob("*.kql")}
    alerts = (templates.root / "infra" / ALERTS).read_text(encoding="utf-8")
    used = set(re.findall(r"loadTextContent\('queries/([^']+)'\)", alerts))
    yield from (Finding(f"{FOLDER}/{name}", 1, "query", "no alert uses it.") for name in sorted(known - used))
    for shown, query in every_query(templates.root):
        yield from (Finding(shown, 1, "query", told) for told in _wrong(code_of(query)))


def every_query(root: Path) -> Iterator[tuple[str, str]]:
    """Each query of the project ``root`` with the file it is from."""
    for path in sorted((root / FOLDER).glob("*.kql")):
        yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
    items = json.loads((root / WORKBOOK).read_text(encoding="utf-8"))["items"]
    yield from ((WORKBOOK, item["content"]["query"]) for item in items if item["type"] == _QUERY)


def code_of(query: str) -> str:
    """The query without its comments."""
    return "\n".join(line for line in query.splitlines() if not line.startswith("//"))


def _wrong(query: str) -> Iterator[str]:
    read = set(_READ.findall(query))
    if not read:
        yield "it reads no table."
    yield from (f"nothing fills the table {table}." for table in sorted(read - TABLES))
    for text in re.findall(r'(?:startswith|contains) "([^"]+ [^"]*)"', query):
        if not any(text in sentence for sentence in logged()):
            yield f"nothing logs '{text}'."
    functions = application.bindings().keys()
    for name in re.findall(r'Name [!=]= "(\w+)"', query):
        if name not in functions:
            yield f"there is no function {name}."
    for name in re.findall(r'Name [!=]= "(\w+\.[\w.]+)"', query):
        if name not in {metric.name for metric in METRICS}:
            yield f"there is no metric {name}."
    for beginning in re.findall(r'Name startswith "(\w+)"', query):
        if not any(name.startswith(beginning) for name in functions):
            yield f"no function begins with {beginning}."


@cache
def logged() -> frozenset[str]:
    """Every text that the code logs with a literal format."""
    return frozenset(
        first.value
        for folder in ("shared", "functions", "container")
        for path in (application.ROOT / folder).glob("**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS
        for first in node.args[:1]
        if isinstance(first, ast.Constant) and isinstance(first.value, str)
    )
