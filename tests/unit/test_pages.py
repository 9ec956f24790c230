"""What the pages say, over fakes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from functions.pages import words
from functions.pages.rendering import NO_CLASS
from functions.pages.views import is_under_way
from local.report import write_page
from shared.messages import PRODUCTS, poison_of
from shared.models import State, Tile, TileMonth
from shared.pipeline.reclassify import ASKED
from shared.pipeline.runs import TIMERS, note
from shared.records import MonthRecord
from tests.fakes import FakeLedger
from tests.unit.pages_case import (
    BROKEN,
    CLEAR,
    CLOUDY,
    LAYER,
    NOW,
    Pages,
    a_record,
    classified,
    open_pages,
    some_records,
)

HOSTILE = '<script>alert("x")</script>'
ROOT = Path(words.__file__).parents[2]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    return open_pages(monkeypatch)


def test_the_overview_shows_each_watched_tile_with_its_newest_map_and_its_counts(pages: Pages):
    html = pages.get("/")
    assert f'src="/api/results/22WEV/2021/07/{classified().l2a}.SAFE/quicklook.png"' in html
    assert "Dark zone" in html
    assert "0.46 ± 0.10" in html
    assert "1 classified" in html


def test_the_overview_names_what_needs_a_look_with_a_way_there(pages: Pages):
    pages.queues.send(poison_of(PRODUCTS), "{}")
    html = pages.get("/")
    assert '<a href="/failures">1 product of 22WEV failed.</a>' in html
    assert "Queue products-poison holds 1 message" in html


def test_an_overview_of_nothing_says_what_to_do(pages: Pages):
    empty = Pages(FakeLedger())
    empty.store.delete(next(path for path in empty.store.blobs if path.container == "config"))
    html = empty.get("/")
    assert "No tile is watched" in html
    assert "Nothing needs a look" in html


def test_the_calendar_shows_every_acquisition_by_letter_shape_and_reason(pages: Pages):
    html = pages.get("/tiles/22WEV/calendar?year=2021")
    for name, css, letter in ((CLEAR, "classified", "C"), (CLOUDY, "rejected", "R"), (BROKEN, "failed", "F")):
        link = re.search(
            rf'<li class="d(\d+)">(?:(?!</li>).)*?<a href="/products/{name}" title="([^"]*)">(.*?)</a>', html, re.S
        )
        assert link is not None, name
        assert int(link[1]) == int(name[17:19])
        assert f'class="sign {css}"' in link[3]
        assert f">{letter}<" in link[3]
    assert "80.0 % is cloud." in link_title(html, CLOUDY)
    assert html.count("80.0 % is cloud.") == 3  # on hover, for screen readers, and in the table


def link_title(html: str, name: str) -> str:
    match = re.search(rf'href="/products/{name}" title="([^"]*)"', html)
    assert match is not None
    return match[1]


def test_the_calendar_tells_searched_months_from_those_never_looked_at(pages: Pages):
    html = pages.get("/tiles/22WEV/calendar?year=2021")
    assert "3 in catalogue, 2021-07-19" in html
    assert html.count("not searched") == 6  # January to June; August and later are still to come


def test_a_month_whose_search_failed_says_why(pages: Pages):
    month = TileMonth(Tile("22WEV"), 2021, 6)
    failed = Pages(pages.ledger, (MonthRecord(month, None, 0, False, error="The catalogue answered 500."),))
    assert "search failed: The catalogue answered 500." in failed.get("/tiles/22WEV/calendar?year=2021")


def test_the_series_carries_every_number_for_the_charts_and_as_a_table(pages: Pages):
    html = pages.get("/tiles/22WEV/series?year=2021")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)[1])  # type: ignore[index]
    assert data["names"] == [CLEAR]
    assert data["times"] == [datetime(2021, 7, 2, 15, 9, 11, tzinfo=UTC).timestamp()]
    assert data["albedo"] == {"mean": [0.4567], "sd": [0.1]}
    assert [(c["label"], c["percent"]) for c in data["classes"]][3] == ("Clean ice", [45.0])
    assert data["classes"][5]["colour"] == "#a83800"
    assert 'href="/api/tiles/22WEV/series.csv?from=2021-01-01&amp;to=2021-12-31"' in html
    assert "0.46&nbsp;±&nbsp;0.10" in html


def test_two_acquisitions_of_one_instant_stay_apart_on_the_time_axis(pages: Pages):
    twin = CLEAR.replace("20240612T101500", "20240612T101501")
    pages.ledger.add(classified(twin))
    html = pages.get("/tiles/22WEV/series")
    first, second = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])["times"]  # type: ignore[index]
    assert second - first == 1


def test_numbers_that_were_never_measured_are_dashes_and_nulls(pages: Pages):
    pages.ledger.update(
        "22WEV", CLEAR, lambda old: classified(albedo_mean=None, albedo_sd=None, index_mean=None, index_sd=None)
    )
    html = pages.get("/tiles/22WEV/series")
    assert '"albedo": {"mean": [null], "sd": [null]}' in html


def test_a_product_shows_maps_layers_with_links_and_its_history_with_durations(pages: Pages):
    html = pages.get(f"/products/{CLEAR}")
    assert f'href="/api/results/22WEV/2021/07/{classified().l2a}.SAFE/{LAYER}"' in html
    assert "Shortwave broadband albedo" in html
    assert "/vsicurl/http://127.0.0.1/api/results/" in html
    found = re.search(r"Staged</th>.*?<td class=\"num\" data-label=\"after\">(.*?)</td>", html, re.S)
    assert found is not None
    assert found[1] == "3 min"


@pytest.mark.parametrize(
    ("order", "state", "step", "said"),
    [
        ("retry", State.STAGED, "retry", True),
        ("retry", State.STAGED, "stage", False),  # nobody ordered it
        ("retry", State.CLASSIFIED, "retry", False),
        ("cancel", State.SKIPPED, "cancel", True),
        ("cancel", State.STAGED, "stage", False),
        ("reclassify", State.CLASSIFIED, ASKED, True),
        ("reclassify", State.CLASSIFIED, "stage", False),
        ("anything", State.STAGED, "retry", False),
    ],
)
def test_that_an_order_was_given_is_said_where_the_row_says_it_whatever_the_address_does(
    order: str, state: State, step: str, said: bool
):
    record = a_record(BROKEN, State.FAILED).advanced(state, step=step, at=NOW)
    assert is_under_way(order, record) is said


def test_an_address_cannot_make_a_page_say_that_orders_were_given(pages: Pages):
    assert "0 put back" in pages.get("/failures?ordered=99999")
    assert "99999" not in pages.get("/failures?accepted=99999&left=99999")
    assert "0 months wait" in pages.get("/tiles/22WEV/calendar?ordered=99999")
    assert "It is put back" not in pages.get(f"/products/{BROKEN}?ordered=retry")


def test_the_overview_says_when_the_timers_last_ran_and_that_all_is_well_only_where_it_is(pages: Pages):
    calm = Pages(FakeLedger([classified()]))
    calm.clock.now = soon = classified().times["sensing"] + timedelta(days=5)
    for step in TIMERS:
        note(step, calm.store, calm.clock)
    html = calm.get("/")
    assert "Nothing needs a look" in html
    assert "schedule and watch run" in html
    calm.clock.now = soon + timedelta(hours=27)
    html = calm.get("/")
    assert "Nothing needs a look" not in html
    assert "The timer &#39;watch&#39; last ran on" in html
    assert 'id="runs"' in html


def test_the_true_colour_picture_is_offered_only_where_the_l2a_product_is_still_there(pages: Pages):
    assert "true-colour.jpg" not in pages.get(f"/products/{CLEAR}")


@pytest.mark.parametrize(
    ("name", "offered"), [(CLEAR, {"reclassify"}), (BROKEN, {"retry", "cancel"}), (CLOUDY, {"retry"})]
)
def test_a_product_offers_the_orders_that_fit_its_state(pages: Pages, name: str, offered: set[str]):
    html = pages.get(f"/products/{name}")
    assert {order for order in ("retry", "reclassify", "cancel") if f'action="/orders/{order}"' in html} == offered


def test_a_product_that_waits_can_be_taken_off(pages: Pages):
    name = CLEAR.replace("20210702", "20210703")
    pages.ledger.add(a_record(name, State.DISCOVERED))
    assert 'action="/orders/cancel"' in pages.get(f"/products/{name}")


def test_failures_are_grouped_by_reason(pages: Pages):
    other = BROKEN.replace("20210713", "20210714")
    pages.ledger.add(a_record(other, State.FAILED, reason=f"{other}.SAFE.zip is damaged: B04 does not decode."))
    html = pages.get("/failures")
    assert html.count('action="/orders/retry-failed"') == 1
    assert "Retry all 2" in html


def test_the_list_narrows_by_tile_state_reason_and_days(pages: Pages):
    assert all(name in pages.get("/products") for name in (CLEAR, CLOUDY, BROKEN))
    html = pages.get("/products?tile=22wev&state=REJECTED&reason=CLOUD&from=2021-07-01&to=2021-07-31")
    assert CLOUDY in html
    assert CLEAR not in html
    assert "No product fits." in pages.get("/products?from=2021-08-01")


def test_a_long_list_comes_in_pages(pages: Pages):
    for minute in range(101):
        pages.ledger.add(
            a_record(
                CLEAR.replace("T150911", f"T{10 + minute // 60}{minute % 60:02d}11"), State.OFFLINE, reason="Away."
            )
        )
    first = pages.get("/products?state=OFFLINE")
    after = re.search(r'href="([^"]*)" rel="next"', first)
    assert after is not None
    assert "Products 101 to 101 of 101" in pages.get(after[1].replace("&amp;", "&"))


def test_the_colours_of_the_classes_are_those_of_the_maps():
    from shared.science.classes import SurfaceClass

    css = (ROOT / "functions/pages/static/icewatch.css").read_text()
    shown = {surface.short: surface.colour for surface in SurfaceClass} | {code.name: code.colour for code in NO_CLASS}
    for name, (red, green, blue) in shown.items():
        assert f".swatch.{name.lower()} {{ background: #{red:02x}{green:02x}{blue:02x}; }}" in css


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (65, "1 min 5 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (90000, "1 d 1 h"),
        (86460, "1 d"),
        (-3, "0.0 s"),
        (None, "–"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds: float | None, text: str):
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (7.5e8, "750.0 MB"), (3e12, "3.0 TB")]
)
def test_sizes_are_told_in_decimal_units(count: float, text: str):
    assert words.size(count) == text


def test_a_pass_that_the_orbit_leads_to_expect_and_nobody_found_is_on_the_calendar(pages: Pages):
    for day in (12, 22):  # orbit 25 of S2A on June 12 and 22, July 2; then nothing on July 12
        pages.ledger.add(classified(CLEAR.replace("20210702", f"202106{day}")))
    html = pages.get("/tiles/22WEV/calendar?year=2021")
    assert "2021-07-12 15:09 S2A: expected from its orbit, not found" in html
    assert "2021-07-12 15:09, S2A, relative orbit 25" in html
    assert "expected from its orbit" not in pages.get("/tiles/22WEV/calendar?year=2020")


def test_what_was_ordered_is_said_until_it_has_happened(pages: Pages):
    assert "will be classified again" not in pages.get(f"/products/{CLEAR}")
    pages.ledger.update("22WEV", CLEAR, lambda old: replace(old, times={**old.times, ASKED: NOW}))
    assert "will be classified again" in pages.get(f"/products/{CLEAR}?ordered=reclassify")
    pages.ledger.update(
        "22WEV", CLEAR, lambda old: old.advanced(old.state, step="classify", at=NOW + timedelta(hours=1))
    )
    assert "will be classified again" not in pages.get(f"/products/{CLEAR}?ordered=reclassify")
    assert "<b>" not in pages.get(f"/products/{CLEAR}?ordered=<b>x")


def test_the_demos_page_opens_from_disk_and_needs_nothing_from_elsewhere(tmp_path: Path):
    page = write_page(tmp_path, some_records(), {CLEAR: 97.12})
    html = page.read_text()
    assert f'src="results/{classified().results}/quicklook.png"' in html
    assert "97.1 %" in html
    assert "80.0 % is cloud." in html
    assert not re.search(r'(src|href)="(https?:)?/', html)
