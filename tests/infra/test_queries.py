"""The queries of alerts and workbook look for what the code really says and is called."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from infra.check.application import bindings
from tests.conftest import ROOT

QUERIES = sorted((ROOT / "infra/queries").glob("*.kql"))
PRODUCT = "S2B_MSIL1C_20190716T151911_N0500_R068_T22WEV_20230420T012345"
TABLES = {"AppTraces", "AppRequests", "ContainerAppConsoleLogs", "ContainerAppSystemLogs", "Usage"}
LOG_METHODS = {"debug", "info", "warning", "error", "exception"}


@cache
def logged() -> set[str]:
    """Every text that is logged with a literal format."""
    found = set()
    for folder in ("shared", "functions", "container"):
        for path in (ROOT / folder).glob("**/*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in LOG_METHODS
                ):
                    first = node.args[0] if node.args else None
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        found.add(first.value)
    return found


def code(query: str) -> str:
    """The query without its comments."""
    return "\n".join(line for line in query.splitlines() if not line.startswith("//"))


def every_query() -> list[str]:
    items = json.loads((ROOT / "infra/workbook.json").read_text(encoding="utf-8"))["items"]
    shown = [item["content"]["query"] for item in items if item["type"] == 3]
    return [*(path.read_text(encoding="utf-8") for path in QUERIES), *shown]


def test_there_are_queries():
    assert len(QUERIES) == 6
    assert len(every_query()) > 12


@pytest.mark.parametrize("query", every_query())
def test_a_query_reads_tables_that_are_filled(query):
    read = set(re.findall(r"(?:^|\(|\n)\s*([A-Z]\w+)\s*(?=\||\n)", code(query)))
    assert read
    assert read <= TABLES


@pytest.mark.parametrize("query", every_query())
def test_a_sentence_that_is_looked_for_is_one_that_is_logged(query):
    formats = logged()
    looked_for = set(re.findall(r'(?:startswith|contains) "([^"]+ [^"]*)"', query)) - {" is ", " after "}
    for text in looked_for:
        assert any(text in sentence for sentence in formats), text
    if 'contains " is "' in query:
        assert "%s: %s is %s after %.1f s%s" in formats
    if "parse Message" in query:
        assert "watch: queue %s holds %d, poison %d" in formats


@pytest.mark.parametrize("query", every_query())
def test_a_function_that_is_looked_for_exists(query):
    named = re.findall(r'Name [!=]= "(\w+)"', query)
    assert set(named) <= bindings().keys()
    for beginning in re.findall(r'Name startswith "(\w+)"', query):
        assert any(name.startswith(beginning) for name in bindings())


@pytest.mark.parametrize("query", [query for query in every_query() if "extract(" in query])
@pytest.mark.parametrize("before", ["", "2026-11-22 11:22:33,444 INFO "])  # the container's log has its own head
def test_the_line_at_the_end_of_a_step_is_understood(query, before):
    line = f"{before}correct: {PRODUCT} is CORRECTED after 12.3 s"  # as shared/pipeline/outcome.py logs it
    expected = {"Product": PRODUCT, "State": "CORRECTED", "Step": "correct", "Seconds": "12.3"}
    patterns = dict(re.findall(r'(\w+) = (?:todouble\()?extract\("([^"]+)", 1, Line\)', query))
    assert {"Product", "State"} <= patterns.keys()
    for what, told in expected.items():
        if what in patterns:
            match = re.search(patterns[what], line)
            assert match is not None
            assert match[1] == told


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_an_alarm_says_what_it_reads(path):
    comment = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("// ")]
    assert path.read_text(encoding="utf-8").startswith("// ")
    assert "Reads: " in " ".join(comment)


def test_every_query_is_an_alarm():
    alerts = Path(ROOT / "infra/alerts.bicep").read_text(encoding="utf-8")
    assert {f"queries/{path.name}" for path in QUERIES} == set(re.findall(r"loadTextContent\('([^']+)'\)", alerts))
