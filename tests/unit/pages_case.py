"""The pages over fakes: the real door in front, a ledger of some products, and a browser of sorts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from functions.api.door import Door
from functions.api.ordering import orders
from functions.api.outside import outside
from functions.api.snapshot import Snapshot, snapshot
from functions.pages.routes import router
from shared.models import WATCHLIST, BlobPath, ProductName, State, Tile, TileMonth
from shared.pipeline.orders import Orders
from shared.pipeline.overview import newest_first
from shared.pipeline.runs import TIMERS, note
from shared.records import DRONE, REFUSED, MonthRecord, Record
from shared.wiring import services
from tests.fakes import FakeClock, FakeLedger, FakeQueues, FakeStore

NOW = datetime(2021, 7, 20, 12, tzinfo=UTC)
CLEAR = "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"
CLOUDY = "S2B_MSIL1C_20210710T151909_N0511_R068_T22WEV_20240612T142011"
BROKEN = "S2B_MSIL1C_20210713T152909_N0511_R111_T22WEV_20240612T152011"
L2A = "S2A_MSIL2A_20210702T150911_N0511_R025_T22WEV_20240612T101500"
RESULTS = f"surface/22WEV/2021/07/{L2A}.SAFE"
LAYER = "T22WEV_20210702T150911_ALBEDO_20m.tif"
FLIGHT, BAD_FLIGHT = "upe-2017", "upe_2018"  # orthomosaics
FLIGHT_LAYER = f"{FLIGHT}_ALBEDO_r000000_c008192.tif"
OLD_NAME = "S2A_OPER_PRD_MSIL1C_PDMC_20160818T122152_R025_V20160702T150911_20160702T150911"
WATCHED = b'{"version": 1, "areas": [{"name": "Dark zone", "tiles": ["22WEV"], "months": [7], "since": "2021-07-01"}]}'


def a_record(name: str, state: State, **facts: Any) -> Record:
    product = ProductName.parse(name)
    found = product.sensing + timedelta(hours=5)
    return Record.of(product, state, times={"discover": found, "stage": found + timedelta(minutes=3)}, **facts)


def classified(name: str = CLEAR, **facts: Any) -> Record:
    product = ProductName.parse(name)
    numbers: dict[str, Any] = {
        "l2a": L2A,
        "results": RESULTS,
        "processor": "Sen2Cor 02.12.03",
        "usable_percent": 81.25,
        "albedo_mean": 0.4567,
        "albedo_sd": 0.1,
        "index_mean": 1.012,
        "index_sd": 0.02,
        "class_percent": {"SN": 10.0, "WAT": 1.0, "CC": 4.0, "CI": 45.0, "LA": 30.0, "HA": 10.0},
        "class_km2": {"SN": 1.0, "WAT": 0.1, "CC": 0.4, "CI": 4.5, "LA": 3.0, "HA": 1.0},
    }
    record = a_record(name, State.CLASSIFIED, **(numbers | facts))
    times = {**record.times, "classify": product.sensing + timedelta(hours=6)}
    return record.advanced(State.CLASSIFIED, step="classify", at=times["classify"])


def some_records() -> list[Record]:
    return [
        classified(),
        a_record(
            CLOUDY, State.REJECTED, reason="Only 12.0 % of the tile is usable; 80.0 % is cloud.", usable_percent=12.0
        ),
        a_record(BROKEN, State.FAILED, reason=f"{BROKEN}.SAFE.zip is damaged: B04 does not decode.", id="4711"),
    ]


def other_records() -> list[Record]:
    """One of each kind that lies on no tile: orthomosaics that went well and not, a refused name, an old name."""
    path = f"drop/flight/{BAD_FLIGHT}.tif"
    return [
        Record(
            DRONE,
            FLIGHT,
            State.CLASSIFIED,
            id=f"drop/flight/{FLIGHT}.tif",
            bytes=5,
            processor="orthomosaic",
            results=f"surface/drone/{FLIGHT}",
            usable_percent=90.0,
            class_percent={"CI": 60.0, "HA": 40.0},
            class_km2={"CI": 0.00006, "HA": 0.00004},
            albedo_mean=0.4,
            times={"discover": NOW, "classify": NOW},
        ),
        Record(DRONE, BAD_FLIGHT, State.FAILED, id=path, reason="It has four bands.", times={"classify": NOW}),
        Record(REFUSED, "drop/a b?.zip", State.FAILED, reason="It is no product.", times={"refused": NOW}),
        Record("22WEV", OLD_NAME, State.SKIPPED, reason="It is in the format used before 2016-12-06."),
    ]


@dataclass
class Pages:
    """The application and what stands behind it."""

    ledger: FakeLedger
    months: tuple[MonthRecord, ...] = ()
    store: FakeStore = field(default_factory=FakeStore)
    queues: FakeQueues = field(default_factory=FakeQueues)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    first_due: dict[str, datetime] = field(default_factory=dict)  # timer -> when it was due first

    def __post_init__(self) -> None:
        self.store.write(WATCHLIST, WATCHED)
        for name in ("quicklook.png", LAYER):
            self.store.write(BlobPath.parse(f"{RESULTS}/{name}"), b"12345")
        for step in TIMERS:
            note(step, self.store, self.clock)
        if (known := services()).settings.api_key:  # which sessions were ended stands in the store
            vars(known)["store"] = self.store
        app = FastAPI()
        app.include_router(router)
        app.add_middleware(Door)
        app.dependency_overrides = {
            snapshot: lambda: Snapshot(tuple(newest_first(self.ledger.records())), self.months, self.clock()),
            outside: lambda: SimpleNamespace(
                store=self.store,
                ledger=self.ledger,
                queues=self.queues,
                clock=self.clock,
                first_due=self.first_due.get,
            ),
            orders: lambda: Orders(self.store, self.ledger, self.queues, self.clock, lambda _: "ice_surface 1.0.0"),
        }
        self.app = app
        self.client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)

    def get(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer.text

    def send(self, path: str, fields: Mapping[str, str], form_on: str, **more: Any) -> Any:
        """Send the form of the page ``form_on`` that leads to ``path``, as a browser does."""
        hidden = forms(self.get(form_on))[path]
        return self.client.post(path, data=hidden | dict(fields), **more)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._action = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._action = given["action"]
            self.found.setdefault(self._action, {})
        elif tag == "input" and given.get("type") == "hidden" and self._action:
            self.found[self._action].setdefault(given["name"], given["value"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._action = ""


def forms(html: str) -> dict[str, dict[str, str]]:
    """The forms of a page: where each leads, and its hidden fields."""
    parser = _Forms()
    parser.feed(html)
    return parser.found


def open_pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    """Pages that ask for no key, as on one machine; July was searched yesterday."""
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.delenv("API_KEY", raising=False)
    months = (MonthRecord(TileMonth(Tile("22WEV"), 2021, 7), NOW - timedelta(days=1), found=3, closed=False),)
    return Pages(FakeLedger(some_records()), months)
