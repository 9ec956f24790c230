"""What somebody who comes back after days reads first: is it alive, what came in, what is missing and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.models import WATCHLIST, State, Tile, TileMonth
from shared.pipeline.runs import TIMERS
from shared.records import MonthRecord
from tests.fakes import FakeLedger
from tests.unit.pages_case import BROKEN, CLEAR, CLOUDY, NOW, Pages, a_record, open_pages


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    return open_pages(monkeypatch)


def test_who_has_just_set_it_up_reads_what_is_waited_for_and_sees_no_alarm(pages: Pages):
    new = Pages(FakeLedger(), first_due={step: NOW + timedelta(hours=3) for step in TIMERS})
    for path in [path for path in new.store.blobs if path.name.startswith("last-run/")]:
        new.store.delete(path)
    new.store.write(WATCHLIST, b'{"version": 1, "areas": []}')
    html = new.get("/")
    assert "Nothing needs a look" in html
    assert "The timer &#39;schedule&#39; waits for its first run at 2021-07-20 15:00 UTC" in html
    assert html.count("not yet; due first") == 2
    assert "Nothing failed and nothing stands still" not in html  # nobody has looked yet
    new.clock.advance(hours=3, minutes=31)
    html = new.get("/")
    assert "Look at this" in html
    assert "The timer &#39;watch&#39; has never run to its end" in html


def test_the_overview_says_what_came_in_and_what_happened_last(pages: Pages):
    html = pages.get("/")
    lately = html[html.index('id="lately"') : html.index('id="tiles"')]
    assert "In the last 7 days 1 product came in; so far 1 failed." in lately
    order = [lately.index(f'href="/products/{name}"') for name in (BROKEN, CLOUDY, CLEAR)]
    assert order == sorted(order)
    assert "B04 does not decode." in lately
    assert "Classified: albedo 0.46, 81 % of the tile usable" in lately
    pages.clock.now = datetime(2021, 7, 14, tzinfo=UTC)
    assert "In the last 7 days 2 products came in; so far 1 rejected, 1 failed." in pages.get("/")
    pages.clock.now = datetime(2021, 8, 14, tzinfo=UTC)
    assert "No product came in within the last 7 days." in pages.get("/")


def test_a_tile_out_of_its_season_is_said_to_rest(pages: Pages):
    assert "At rest" not in pages.get("/")
    pages.clock.now = datetime(2021, 11, 14, tzinfo=UTC)
    assert "At rest: the watchlist asks for nothing in November 2021." in pages.get("/")


def test_the_calendar_tells_what_a_person_asked_for_and_what_nobody_wants(pages: Pages):
    month = TileMonth(Tile("22WEV"), 2021, 7)
    asked = MonthRecord(month, None, 0, closed=False, asked=NOW - timedelta(minutes=5))
    html = Pages(pages.ledger, (asked,)).get("/tiles/22WEV/calendar?year=2021")
    assert "July <small>asked for, 2021-07-20 11:55</small>" in html
    assert html.count("not watched, not searched") == 6
    html = Pages(pages.ledger).get("/tiles/22WEV/calendar?year=2021")
    assert "July <small>not searched</small>" in html  # the watchlist asks for it
    expected = html.count('class="sign expected" title=')
    assert expected > 0
    assert f"<b>{expected}</b> expected" in html


@pytest.mark.parametrize(
    ("year", "first", "last"),
    [(2021, "2021-01", "2021-07"), (2020, "2020-01", "2020-12"), (2015, "2015-06", "2015-12")],
)
def test_the_form_of_a_year_asks_for_nothing_that_has_not_begun(pages: Pages, year: int, first: str, last: str):
    html = pages.get(f"/tiles/22WEV/calendar?year={year}")
    assert f'name="first" value="{first}" min="2015-06" max="2021-07"' in html
    assert f'name="last" value="{last}" min="2015-06" max="2021-07"' in html
    sent = pages.send("/orders/backfill", {"first": first, "last": last}, f"/tiles/22WEV/calendar?year={year}")
    assert sent.status_code == 303


def test_a_failure_of_its_own_is_told_in_full_and_many_by_what_they_share(pages: Pages):
    html = pages.get("/failures")
    assert f"</span> {BROKEN}.SAFE.zip is damaged: B04 does not decode.</h2>" in html
    for minute in range(10, 16):
        name = BROKEN.replace("T152909", f"T15{minute}09")
        pages.ledger.add(
            a_record(name, State.FAILED, reason=f"{name}.SAFE.zip is damaged: B04 does not decode.", id="1")
        )
    html = pages.get("/failures")
    assert "7 × … is damaged: … does not decode.</h2>" in html
    assert f"One of them: {BROKEN}.SAFE.zip is damaged" in html
