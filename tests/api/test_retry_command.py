"""``python -m local retry`` is the order that the API takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from local.__main__ import app
from shared.errors import BadName, IceWatchError, WrongState
from shared.messages import PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.models import State
from shared.pipeline.refused import refuse
from shared.records import REFUSED
from tests.api.conftest import L1C, World, a_record


def retry(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["retry", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_what_failed_is_put_back_once(busy: World):
    name = a_record(5).name
    assert f"{name} is put back." in retry(f"{name}.SAFE")
    assert busy.ledger.rows["22WEV", name].state is State.DISCOVERED
    assert "It is DISCOVERED." in retry(name)
    assert len(busy.queues.sent[PRODUCTS]) == 1


def test_what_cannot_be_put_back_is_named_and_keeps_no_other_waiting(busy: World):
    lost = replace(a_record(3, State.FAILED, reason="Broken."), id="")
    busy.ledger.add(lost)
    said = retry("--failed")
    assert "2 of 3 that failed are put back." in said
    assert f"{lost.name}: Nothing of {lost.name} is left to start from" in said


def test_a_month_that_could_not_be_searched_is_asked_for_again_by_its_name(world: World):
    message = TileMonthMessage(tile="22WEV", month="2021-07").encode()
    junk = refuse(f"{TILE_MONTHS}:22WEV 2021-07", "The catalogue is away.", world.ledger, world.clock, message=message)
    assert "is put back." in retry(junk.name)
    assert world.queues.sent[TILE_MONTHS] == [message]
    assert world.ledger.rows[REFUSED, junk.name].state is State.SKIPPED


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((), BadName, "not both"),
        ((L1C, "--failed"), BadName, "not both"),
        ((L1C,), WrongState, "is CLASSIFIED; only what failed, was rejected or cancelled is retried"),
        (("nonsense",), IceWatchError, "The ledger knows no product nonsense"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    world: World, arguments: tuple[str, ...], error: type[IceWatchError], sentence: str
):
    with pytest.raises(error, match=sentence):
        retry(*arguments)
    assert not any(world.queues.sent.values())
