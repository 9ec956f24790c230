"""The simulated catalogue understands filters as OData says, and refuses what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from local.copernicus import (
    SimulatedCopernicus,
)
from local.copernicus.errors import Refusal
from local.copernicus.filters import parse_filter
from tests.adapters.simulated import AUGUST, CLEAR, CLOUDY, names, search

BODY = b""


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedCopernicus]:
    with SimulatedCopernicus() as running:
        yield running


@pytest.fixture
def copernicus(running: SimulatedCopernicus) -> SimulatedCopernicus:
    running.clear()
    for day, (name, cloud) in enumerate(((CLEAR, 10.0), (CLOUDY, 90.0), (AUGUST, 20.0)), 1):
        running.publish_entry(name, BODY, published=datetime(2024, 7, day, 12, tzinfo=UTC), cloud_cover=cloud)
    return running


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (f"Name eq '{CLEAR}.SAFE'", {CLEAR}),
        ("contains(Name,'_R068_')", {CLOUDY}),
        ("startswith(Name, 'S2B') and not contains(Name,'_R068_')", {AUGUST}),
        ("PublicationDate gt 2024-07-01T12:00:00.000Z", {CLOUDY, AUGUST}),
        ("ModificationDate ge 2024-07-02T12:00:00.000Z and ModificationDate lt 2024-07-03T00:00:00Z", {CLOUDY}),
        (
            (
                "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and "
                "att/OData.CSC.DoubleAttribute/Value le 50.0)"
            ),
            {CLEAR, AUGUST},
        ),
        (
            (
                "Attributes/OData.CSC.IntegerAttribute/any(i:i/Name eq 'relativeOrbitNumber' and "
                "i/OData.CSC.IntegerAttribute/Value eq 68)"
            ),
            {CLOUDY},
        ),
        ("Online eq false", set()),
        ("(contains(Name,'_R068_') or contains(Name,'202108')) and Online eq true", {CLOUDY, AUGUST}),
        ("contains(Name,'_R068_') or contains(Name,'202108') and contains(Name,'nothing')", {CLOUDY}),
        ("not (contains(Name,'_R068_') or contains(Name,'202108'))", {CLEAR}),
        ("Name eq 'it''s'", set()),
        ("Collection/Name eq 'SENTINEL-1'", set()),
    ],
)
def test_filters_mean_what_odata_says(
    client: httpx.Client, copernicus: SimulatedCopernicus, condition: str, found: set[str]
) -> None:
    assert set(names(search(client, copernicus, filter=condition))) == found


@pytest.mark.parametrize(
    "condition",
    [
        "Nmae eq 'x'",
        "Name eq",
        "Name like 'x'",
        "Name eq 5",
        "Name eq 'x",
        "(Name eq 'x'",
        "Name eq 'x')",
        "Name eq 'x' and",
        "ContentDate/Start ge 'yesterday'",
        "ContentDate/Start ge 2021-13-01T00:00:00Z",
        "contains(ContentLength,'5')",
        "Attributes/OData.CSC.ColourAttribute/any(att:att/Name eq 'x')",
        "Attributes/OData.CSC.StringAttribute/any(att:att/OData.CSC.DoubleAttribute/Value eq 5)",
        "Attributes/OData.CSC.StringAttribute/any(att:Name eq 'x')",
        "; drop table",
        "(" * 2000,
    ],
)
def test_filters_that_do_not_parse_are_refused_with_400(condition: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_filter(condition)
    assert refusal.value.status == 400
    assert refusal.value.body["detail"]["message"].startswith("Invalid")


@pytest.mark.parametrize("options", [{"orderby": "Colour"}, {"expand": "Everything"}, {"filter": "x"}, {"search": "y"}])
def test_queries_that_mean_nothing_are_refused_with_400(
    client: httpx.Client, copernicus: SimulatedCopernicus, options: dict[str, str]
) -> None:
    assert search(client, copernicus, **options).status_code == 400
