"""``python -m local backfill`` is the order that the API takes."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from local.__main__ import app
from shared.errors import BadName
from shared.messages import TILE_MONTHS, TileMonthMessage
from tests.api.conftest import World


def backfill(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["backfill", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_months_are_asked_for_and_what_is_left_is_said_with_its_reason(world: World):
    assert "3 of 3 months" in backfill("T22WEV", "2020-12..2021-02")
    assert "1 of 2 months" in (said := backfill("22WEV", "2021-02..2021-03"))
    assert "22WEV 2021-02: It waits to be searched already." in said
    sent = [TileMonthMessage.decode(text) for text in world.queues.sent[TILE_MONTHS]]
    assert [message.month for message in sent] == ["2020-12", "2021-01", "2021-02", "2021-03"]
    assert all(message.backfill and message.tile == "22WEV" for message in sent)
    months = world.client().get("/api/tiles/22WEV/calendar", params={"year": 2021}).json()["months"]
    assert [bool(month["asked"]) for month in months[:4]] == [True, True, True, False]


@pytest.mark.parametrize(
    ("months", "sentence"),
    [
        ("soon", "'soon' is no span of months; expected FROM..TO"),
        ("2021-03..2021-02", "2021-02 lies before 2021-03"),
        ("2016-01..2099-12", "one order takes at most 240"),
        ("2090-01", "2090-01 has not begun"),
    ],
)
def test_a_span_that_is_none_is_one_sentence_and_asks_for_nothing(world: World, months: str, sentence: str):
    with pytest.raises(BadName, match=sentence.replace(".", r"\.")):
        backfill("22WEV", months)
    assert not world.queues.sent
