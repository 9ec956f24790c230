"""The queries of alerts and workbook understand the lines they look for; tables and names are held by infra.check."""

from __future__ import annotations

import json
import re

import pytest

from infra.check.queries import code_of, every_query, logged
from shared.measures import QUEUE_AGE
from tests.conftest import ROOT

QUERIES = sorted((ROOT / "infra/queries").glob("*.kql"))
EVERY = [query for _, query in every_query(ROOT)]
PRODUCT = "S2B_MSIL1C_20190716T151911_N0500_R068_T22WEV_20230420T012345"


def test_there_are_queries():
    assert len(QUERIES) == 6
    assert len(EVERY) > 12


@pytest.mark.parametrize("query", EVERY)
def test_the_formats_that_a_query_takes_apart_are_those_of_the_log(query):
    if 'contains " is "' in code_of(query):
        assert "%s: %s is %s after %.1f s%s" in logged()
    if "parse Message" in query:
        assert "watch: queue %s holds %d, poison %d" in logged()


def test_a_message_that_waits_for_longer_than_an_alert_looks_back_goes_on_being_told():
    query = code_of((ROOT / "infra/queries/oldest.kql").read_text(encoding="utf-8"))
    assert f'Name == "{QUEUE_AGE.name}"' in query
    assert "Max > 86400" in query
    assert QUEUE_AGE.unit == "s"


def test_the_workbook_is_told_of_which_workspace_it_is():
    text = (ROOT / "infra/workbook.json").read_text(encoding="utf-8")
    assert json.loads(text)["fallbackResourceIds"] == ["<workspace>"]
    assert "'<workspace>', workspaceId" in (ROOT / "infra/workbook.bicep").read_text(encoding="utf-8")


@pytest.mark.parametrize("query", [query for query in EVERY if "extract(" in query])
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
