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
# The tables that are filled, each with the columns that may be of use here, as Microsoft's reference of Azure Monitor
# names them. An alert is made without a look at its query: with a wrong column it would never mail.
_OF_APP = {"TimeGenerated", "AppRoleInstance", "AppRoleName", "ItemCount", "OperationId", "OperationName", "Properties"}
_OF_JOB = {"TimeGenerated", "JobName", "Log"}
TABLES = {
    "AppTraces": _OF_APP | {"Message", "SeverityLevel"},
    "AppRequests": _OF_APP | {"DurationMs", "Id", "Name", "ResultCode", "Success", "Url"},
    "AppMetrics": _OF_APP | {"Max", "Min", "Name", "Sum"},
    "ContainerAppConsoleLogs": _OF_JOB | {"ContainerName", "Stream"},
    "ContainerAppSystemLogs": _OF_JOB | {"Reason"},
    "Usage": {"TimeGenerated", "DataType", "IsBillable", "Quantity", "QuantityUnit"},
}
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
    yield from (f"nothing fills the table {table}." for table in sorted(read - TABLES.keys()))
    yield from _columns(query, read)
    for text in re.findall(r'(?:startswith|contains) "([^"]+ [^"]*)"', query):
        if not any(text in sentence for sentence in logged()):
            yield f"nothing logs '{text}'."
    functions = application.steps()  # requests over HTTP are called after their address
    for listed in re.findall(r"Name in \(([^)]*)\)", query):
        for name in sorted(functions ^ set(re.findall(r'"([^"]*)"', listed))):
            yield f"it leaves out the function {name}." if name in functions else f"there is no step {name}."
    for name in re.findall(r'Name [!=]= "(\w+)"', query):
        if name not in functions:
            yield f"there is no step {name}."
    for name in re.findall(r'Name [!=]= "(\w+\.[\w.]+)"', query):
        if name not in {metric.name for metric in METRICS}:
            yield f"there is no metric {name}."
    for beginning in re.findall(r'Name startswith "(\w+)"', query):
        if not any(name.startswith(beginning) for name in functions):
            yield f"no function begins with {beginning}."


def _columns(query: str, read: set[str]) -> Iterator[str]:
    """Each name with a capital is a column of a table that is read, or made in the query itself."""
    code = re.sub(r'"[^"]*"', '""', query)
    for condition in re.findall(r"\bwhere ([^|]*)", code):
        if re.search(r"(?<![=!<>])=(?![=~])", condition):
            yield f"a single = compares nothing: where {' '.join(condition.split())}"
    captured = re.findall(r"\bparse \w+ with ([^|\n]*)", code)
    made = {name for text in captured for name in re.findall(r"\b[A-Z]\w*", text)}
    made |= set(re.findall(r"\b([A-Z]\w*) =(?!=)", re.sub(r"\bwhere [^|]*", "", code)))
    known = made | read | {column for table in read for column in TABLES.get(table, ())}
    for name in sorted(set(re.findall(r"(?<![\w.])[A-Z]\w*", code)) - known):
        yield f"{name} is no column of {', '.join(sorted(read))}, and nothing makes it."


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
