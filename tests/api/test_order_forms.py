"""What an order may say: nothing empty, nothing that narrows nothing, and names that the inbox takes."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from shared.models import State
from tests.api.conftest import L1C, World, a_record, order
from tests.small_l2a import PRODUCT


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("backfill", {"tile": "", "first": "2021-07"}),
        ("backfill", {"tile": "22WEV", "first": ""}),
        ("backfill", {"tile": "22WEV", "first": "2021-07", "last": ""}),
        ("retry", {"failed": True, "tile": ""}),
        ("retry", {"failed": True, "key": ""}),
        ("retry", {"product": ""}),
        ("retry", {"product": L1C, "tile": "22WEV"}),
        ("retry", {"product": L1C, "key": "0123456789ab"}),
        ("reclassify", {"product": ""}),
        ("reclassify", {"tile": ""}),
        ("reclassify", {"tile": "22WEV", "state": []}),
        ("reclassify", {"tile": "22WEV", "state": ["FAILED"]}),
        ("reclassify", {"product": L1C, "state": ["REJECTED"]}),
        ("reclassify", {"product": L1C, "only_other_model": True}),
        ("cancel", {"product": ""}),
    ],
)
def test_what_is_empty_or_narrows_nothing_is_refused_with_its_place(
    busy: World, client: TestClient, kind: str, asked: dict[str, Any]
):
    assert order(client, kind, 422, **asked)["errors"][0]["place"].startswith("body")
    assert not any(busy.queues.sent.values())
    assert busy.ledger.rows["22WEV", a_record(5).name].state is State.FAILED


@pytest.mark.parametrize(
    "name", [f"{L1C}.SAFE.zip", f"{PRODUCT}.zip", f"2024/{L1C}.zip", "ortho.tif", "drone/2024 July/ortho.TIFF"]
)
def test_what_the_inbox_takes_can_be_dropped_through_a_link(client: TestClient, name: str):
    assert f"/drop/{name}?write-until=" in order(client, "drop-link", 201, name=name)["url"]


@pytest.mark.parametrize(
    "name",
    [
        "x.zip",
        "../secret.zip",
        "drone/../ortho.tif",
        "/ortho.tif",
        "drone/.tif",
        "drone/a b.tif",
        f"{L1C}.SAFE/x.zip",
        f"{PRODUCT}.SAFE/manifest.safe",
        f"{PRODUCT}.SAFE/ortho.tif",
        f"{L1C}.tar",
        "",
        "/",
    ],
)
def test_a_link_is_given_for_what_the_inbox_takes_only(client: TestClient, name: str):
    order(client, "drop-link", 422, name=name)
