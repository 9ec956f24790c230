"""What the pages give away, load and let in: nothing that they should not. Over fakes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from functions.pages import words
from functions.pages.rendering import HEADERS
from shared.models import State
from shared.records import REFUSED, Record
from tests.unit.pages_case import CLEAR, CLOUDY, NOW, Pages, a_record, classified, open_pages

HOSTILE = '<script>alert("x")</script>'
ROOT = Path(words.__file__).parents[2]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    return open_pages(monkeypatch)


@pytest.mark.parametrize(
    "path",
    [
        "/products/S2A",
        "/products/../../etc/passwd",
        "/tiles/ZZZ/calendar",
        "/tiles/22WEV/series?year=1",
        "/refused?name=nothing",
        "/static/../routes.py",
        "/static/none.css",
        f"/tiles/{HOSTILE}/series",
    ],
)
def test_addresses_that_lead_nowhere_are_answered_with_a_page_and_no_traceback(pages: Pages, path: str):
    answer = pages.client.get(path)
    assert answer.status_code in {404, 422}
    assert "Traceback" not in answer.text
    assert HOSTILE not in answer.text


def test_everything_from_outside_is_escaped(pages: Pages):
    pages.ledger.add(
        Record(
            REFUSED,
            f"drop/{HOSTILE}.zip",
            State.FAILED,
            reason=f"{HOSTILE} is no name.",
            error=HOSTILE,
            note=HOSTILE,
            times={"drop": NOW},
        )
    )
    pages.ledger.update(
        "22WEV", CLOUDY, lambda old: a_record(CLOUDY, State.REJECTED, reason=HOSTILE, processor=HOSTILE)
    )
    pages.ledger.update("22WEV", CLEAR, lambda old: classified(processor=HOSTILE, checksum=HOSTILE))
    paths = (
        "/",
        "/failures",
        "/products",
        "/tiles/22WEV/calendar",
        "/tiles/22WEV/series",
        f"/products/{CLEAR}",
        f"/refused?name={quote(f'drop/{HOSTILE}.zip')}",
        f"/products?reason={quote(HOSTILE)}",
    )
    for path in paths:
        assert HOSTILE not in pages.get(path), path


@pytest.mark.parametrize(
    "path", ["/", "/tiles/22WEV/series", f"/products/{CLEAR}", "/products/none", "/static/icewatch.css"]
)
def test_every_answer_carries_the_headers_that_keep_it_to_itself(pages: Pages, path: str):
    headers = pages.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == HEADERS["Referrer-Policy"]


def test_pages_load_nothing_from_elsewhere_and_have_no_inline_script_or_style(pages: Pages):
    for path in ("/", "/tiles/22WEV/calendar", "/tiles/22WEV/series", f"/products/{CLEAR}", "/failures", "/products"):
        html = pages.get(path)
        assert not re.search(r'(src|href)="(https?:)?//', html), path
        assert not re.search(r"<style|\sstyle=|\son\w+=", html), path
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S)
        assert all(
            "application/json" in given or (' src="/static/' in given and not body) for given, body in scripts
        ), path


def test_static_files_are_kept_by_browsers_until_they_change(pages: Pages):
    address = re.search(r'href="(/static/icewatch.css\?v=[0-9a-f]{12})"', pages.get("/"))
    assert address is not None
    assert "immutable" in pages.client.get(address[1]).headers["cache-control"]


def test_the_chart_library_is_the_one_published():
    folder = ROOT / "functions/pages/static/uplot"
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert digests["uPlot.iife.min.js"] == "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"  # 1.6.32
    assert digests["uPlot.min.css"] == "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"
    assert "LICENSE" in digests
