"""Rows of the ledger: whatever a record holds survives becoming a row."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.rows import key_of, month_of, name_of, record_of, row_of, row_of_month, unknown
from shared.errors import BadName
from shared.models import State, Tile, TileMonth
from shared.records import MonthRecord, Record
from tests.adapters.test_ledger import AT, FULL, PLAIN

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
KEYS = st.from_regex(r"[A-Za-z0-9_]{1,10}", fullmatch=True)
REALS = st.floats(allow_nan=False)
TIMES = st.datetimes(min_value=datetime(1700, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # hypothesis adds the zone
RECORDS = st.builds(
    Record,
    partition=TEXTS,
    name=TEXTS,
    state=st.sampled_from(State),
    **dict.fromkeys(
        (
            "reason",
            "id",
            "checksum",
            "baseline",
            "l2a",
            "processor",
            "dem",
            "results",
            "error",
            "successor",
            "note",
            "model",
        ),
        TEXTS,
    ),
    message=st.text(st.characters(exclude_categories=["Cs"]), max_size=40).map(lambda text: text * 1000),
    bytes=st.integers(0, 2**62),
    orbit=st.integers(0, 143),
    peak_memory=st.integers(0, 2**62),
    peak_disk=st.integers(0, 2**62),
    progress=st.none() | REALS,
    progress_at=st.none() | TIMES,
    times=st.dictionaries(KEYS, TIMES, max_size=3),
    seconds=st.dictionaries(KEYS, REALS, max_size=3),
    attempts=st.dictionaries(KEYS, st.integers(0, 1000), max_size=3),
    class_percent=st.dictionaries(KEYS, REALS, max_size=3),
    class_km2=st.dictionaries(KEYS, REALS, max_size=3),
    classified_percent=st.none() | REALS,
    usable_percent=st.none() | REALS,
    albedo_mean=st.none() | REALS,
    albedo_sd=st.none() | REALS,
    index_mean=st.none() | REALS,
    index_sd=st.none() | REALS,
)


@given(RECORDS)
def test_any_record_survives_becoming_a_row(record: Record) -> None:
    row = row_of(record)
    assert record_of(row) == record
    assert unknown(row) == {}


@given(st.text(max_size=100))
def test_any_name_survives_becoming_a_key(name: str) -> None:
    key = key_of(name)
    assert not set(key) & set("/\\#?")
    assert name_of(key) == name


def test_every_field_of_a_record_has_a_place_in_the_row() -> None:
    empty = Record("", "", State.DISCOVERED)
    assert [f.name for f in fields(Record) if getattr(FULL, f.name) == getattr(empty, f.name)] == []
    assert record_of(row_of(FULL)) == FULL


def test_a_map_key_that_is_no_column_name_is_refused() -> None:
    with pytest.raises(BadName, match="'clean ice' cannot be a column"):
        row_of(replace(PLAIN, class_km2={"clean ice": 1.0}))


def test_times_of_another_zone_are_the_same_instant() -> None:
    local = AT.astimezone(timezone(timedelta(hours=-2)))
    assert record_of(row_of(replace(PLAIN, times={"stage": local}))).times["stage"] == AT


def test_a_tile_month_that_an_earlier_version_wrote_is_read() -> None:
    full = MonthRecord(TileMonth(Tile("22WEV"), 2024, 7), AT, 25, closed=True, waiting=1, checked=AT, missing=2)
    row = row_of_month(full)
    assert month_of(row) == full
    old = {name: row[name] for name in ("PartitionKey", "RowKey", "searched", "found", "closed")}
    assert month_of(old) == MonthRecord(full.month, AT, 25, closed=True)
