"""Log records carry product, step, state and seconds, as text and as lines of JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared.errors import BadSetting, StorageUnavailable
from shared.logs import Bound, JsonLines, formatter
from shared.models import State
from shared.pipeline.outcome import attempt
from shared.records import Record
from tests.fakes import FakeClock, FakeLedger
from tests.products import L1C


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter("json"))
    log = logging.getLogger("icewatch")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield stream
    log.setLevel(level)
    log.removeHandler(handler)


def fail() -> None:
    raise StorageUnavailable("busy\nvery")


def parsed(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_step_says_its_product_at_the_start_and_state_and_seconds_at_the_end(lines):
    record = Record("22WEV", L1C, State.DISCOVERED)
    with attempt(FakeLedger([record]), record, "stage", FakeClock()) as this:
        this.done(State.STAGED)
    begin, end = parsed(lines)
    assert (begin["product"], begin["step"], "state" in begin) == (L1C, "stage", False)
    assert (end["product"], end["step"], end["state"]) == (L1C, "stage", "STAGED")
    assert isinstance(end["seconds"], float)


def test_an_error_keeps_its_traceback_on_the_same_line(lines):
    log = Bound(logging.getLogger("icewatch"), {"product": "P"})
    try:
        fail()
    except StorageUnavailable:
        log.exception("It failed: %s", "ünforeseen", extra={"step": "stage"})
    (line,) = parsed(lines)
    assert (line["level"], line["product"], line["step"]) == ("ERROR", "P", "stage")
    assert "StorageUnavailable: busy" in str(line["error"])
    assert "ünforeseen" in lines.getvalue()


def test_the_choice_of_a_format_is_checked():
    assert isinstance(formatter("json"), JsonLines)
    assert not isinstance(formatter(""), JsonLines)
    with pytest.raises(BadSetting, match="LOG_FORMAT is 'xml'; expected text or json"):
        formatter("xml")
