"""The summers of a tile side by side."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.models import ProductName, State
from shared.pipeline.overview_series import series
from shared.pipeline.overview_summers import NORTH, SOUTH, Summer, months_of, summers
from shared.records import Record


def seen(day: str, *, tile: str = "22WEV", **numbers: Any) -> Record:
    stamp = f"{datetime.fromisoformat(day) + timedelta(hours=15):%Y%m%dT%H%M%S}"
    name = ProductName.parse(f"S2A_MSIL1C_{stamp}_N0511_R025_T{tile}_{stamp}")
    return Record.of(name, State.CLASSIFIED, times={}, results="surface/x", **numbers)


def summers_of(*records: Record, tile: str = "22WEV") -> list[Summer]:
    return summers(series(records, tile), tile)


def test_a_summer_is_the_mean_of_its_acquisitions_and_names_the_darkest():
    dark = seen("2024-07-20", albedo_mean=0.3, usable_percent=50.0, class_percent={"LA": 30.0, "HA": 20.0, "CI": 50.0})
    found = summers_of(
        seen("2024-05-31", albedo_mean=0.1),  # spring
        seen("2024-06-01", albedo_mean=0.6, usable_percent=90.0, class_percent={"SN": 100.0}),
        dark,
        seen("2023-08-31", albedo_mean=0.5, usable_percent=70.0),
    )
    assert [(one.year, one.acquisitions) for one in found] == [(2024, 2), (2023, 1)]
    assert found[0].albedo_mean == pytest.approx(0.45)
    assert found[0].usable_percent == pytest.approx(70.0)
    assert found[0].algae_percent == pytest.approx(25.0)
    assert found[0].darkest is not None
    assert found[0].darkest.product == dark.name
    assert found[1].algae_percent is None  # no shares are known


def test_a_southern_summer_belongs_to_the_year_in_which_it_ends():
    days = ("2024-12-01", "2025-01-15", "2025-02-28", "2025-07-01")
    found = summers_of(*(seen(day, tile="18FXJ", albedo_mean=0.5) for day in days), tile="18FXJ")
    assert [(one.year, one.acquisitions) for one in found] == [(2025, 3)]


def test_what_was_not_measured_is_not_counted():
    (only,) = summers_of(seen("2024-07-01"))
    assert only == Summer(2024, 1, None, None, None, None)


@pytest.mark.parametrize(("tile", "months"), [("31NAA", NORTH), ("22WEV", NORTH), ("31MAA", SOUTH), ("18FXJ", SOUTH)])
def test_summer_is_where_the_tile_lies(tile: str, months: str):
    assert months_of(tile) == months
