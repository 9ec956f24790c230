"""What the pages say about one product: how it went, and about orthomosaics, which lie on no tile. Over fakes."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from functions.pages import words
from functions.pages.views import history
from shared.models import BlobPath, State
from tests.unit.pages_case import (
    BAD_FLIGHT,
    BROKEN,
    CLEAR,
    FLIGHT,
    FLIGHT_LAYER,
    NOW,
    Pages,
    a_record,
    classified,
    open_pages,
    other_records,
)


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    return open_pages(monkeypatch)


def test_the_history_of_a_failed_product_ends_with_what_failed(pages: Pages):
    later = NOW + timedelta(hours=1)
    pages.ledger.update(
        "22WEV", CLEAR, lambda old: old.advanced(State.FAILED, step="classify", at=later, reason="No such model.")
    )
    html = pages.get(f"/products/{CLEAR}")
    assert re.findall(r'<tr><th scope="row">([^<]*)</th><td class="when">', html)[-1] == "Classification failed"
    assert ">Classified<" not in html
    assert "the last time stands here" in html


@pytest.mark.parametrize("state", [State.FAILED, State.CORRECTED, State.DISCOVERED])
def test_a_page_says_that_its_maps_are_of_before_the_last_try(pages: Pages, state: State):
    said = "of before: of the last classification that went well."
    assert said not in pages.get(f"/products/{CLEAR}")
    pages.ledger.update("22WEV", CLEAR, lambda old: old.advanced(state, step="classify", at=NOW))
    assert f"Maps and numbers below are {said}" in pages.get(f"/products/{CLEAR}")
    pages.ledger.update("22WEV", CLEAR, lambda old: replace(old, results=""))
    assert f">Numbers below are {said}" in pages.get(f"/products/{CLEAR}")
    other = a_record(BROKEN, state)
    pages.ledger.update("22WEV", BROKEN, lambda _: other)
    assert said not in pages.get(f"/products/{BROKEN}")


@pytest.mark.parametrize(
    ("state", "step", "said"),
    [
        (State.FAILED, "stage", "Staging failed"),
        (State.FAILED, "correct", "Correction failed"),
        (State.FAILED, "watch", "Found stuck and given up"),
        (State.REJECTED, "classify", "Classification rejected"),
        (State.CLASSIFIED, "classify", "Classified"),
    ],
)
def test_a_step_is_called_by_how_it_ended(state: State, step: str, said: str):
    record = a_record(CLEAR, State.DISCOVERED).advanced(state, step=step, at=NOW)
    last = history(record)[-1]
    assert words.moment(last.step, last.outcome) == said


def test_a_step_that_went_well_before_is_not_called_failed():
    record = classified().advanced(State.FAILED, step="correct", at=NOW, reason="No.")
    assert [event.step for event in history(record) if event.outcome] == ["correct"]


def test_an_orthomosaic_has_a_page_with_its_layers_numbers_and_no_order(pages: Pages):
    for row in other_records():
        pages.ledger.add(row)
    for name in ("quicklook.png", FLIGHT_LAYER):
        pages.store.write(BlobPath.parse(f"surface/drone/{FLIGHT}/{name}"), b"12345")
    html = pages.get(f"/products/{FLIGHT}")
    assert f'href="/api/results/drone/{FLIGHT}/{FLIGHT_LAYER}"' in html
    assert "Shortwave broadband albedo (Knap et al. 1999)" in html
    assert "60.0 m²" in html
    assert "90.0 % of the rectangle" in html
    assert "2DBA" not in html
    assert 'action="/orders/' not in html.replace('action="/orders/sign', "")
    assert "Put the file into the inbox again" in pages.get(f"/products/{BAD_FLIGHT}")


def test_the_overview_counts_orthomosaics_apart_from_the_tiles(pages: Pages):
    for row in other_records():
        pages.ledger.add(row)
    html = pages.get("/")
    assert 'href="/products?tile=drone&amp;state=CLASSIFIED"' in html
    assert "/tiles/drone" not in html
    assert "1 orthomosaic failed." in html


def test_a_retry_is_offered_only_where_it_can_do_something(pages: Pages):
    for row in other_records():
        pages.ledger.add(row)
    html = pages.get("/failures")
    assert html.count('action="/orders/retry-failed"') == 1  # of the damaged product
    assert html.count("A retry would change nothing") == 2
    html = pages.get("/refused?name=drop%2Fa+b%3F.zip")
    assert 'action="/orders/retry"' not in html
    assert 'action="/orders/cancel"' in html  # put away, so that the alarm ends
