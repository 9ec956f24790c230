"""The app over HTTP with fakes for everything outside, and one classified product whose results are real."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from functions.api.access import HEADER
from functions.api.application import application
from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.models import BlobPath, ProductName, State, l2a_folder
from shared.pipeline.classify import classify
from shared.pipeline.surface import Options, Tools
from shared.records import Record
from shared.wiring import Services, services
from tests.fakes import NOON, FakeClock, FakeLedger, FakeLinks, FakeQueues, FakeStore
from tests.small_l2a import PRODUCT, Scene, l2a_files_of

ELSEWHERE = "DefaultEndpointsProtocol=https;AccountName=test;AccountKey=a2V5;EndpointSuffix=core.windows.net"
HERE = "UseDevelopmentStorage=true"
NOTHING_LISTENS = "http://127.0.0.1:9"
L1C = "S2B_MSIL1C_20240716T151809_N0511_R068_T22WEV_20240716T184612"


def a_record(
    day: int, state: State = State.CLASSIFIED, *, tile: str = "22WEV", year: int = 2021, **facts: Any
) -> Record:
    """The row of an acquisition on that day of a July."""
    sensing = datetime(year, 7, day, 15, 9, 11, tzinfo=UTC)
    name = ProductName.parse(f"S2A_MSIL1C_{sensing:%Y%m%dT%H%M%S}_N0511_R025_T{tile}_{sensing:%Y%m%dT%H%M%S}")
    return Record.of(name, state, times={"discover": sensing + timedelta(hours=3)}, id=f"id-{day}", **facts)


def order(client: TestClient, kind: str, status: int = 202, **asked: Any) -> Any:
    """Give an order; its answer, which has to have ``status``."""
    answer = client.post(f"/api/orders/{kind}", json=asked)
    assert answer.status_code == status, answer.text
    return answer.json()


@dataclass(frozen=True, slots=True)
class World:
    """The app and what is behind it."""

    outside: Services
    store: FakeStore
    ledger: FakeLedger
    queues: FakeQueues
    clock: FakeClock
    key: str

    def client(self, *, key: str | None = None, base: str = "https://icewatch.example.org") -> TestClient:
        """A client that sends ``key``, by default the right one; "" sends none."""
        key = self.key if key is None else key
        return TestClient(application(), base_url=base, headers={HEADER: key} if key else {}, follow_redirects=False)


@pytest.fixture(scope="session")
def classified() -> tuple[Mapping[BlobPath, bytes], Record]:
    """The blobs of one L2A product and of its results, and its row."""
    files = {l2a_folder(PRODUCT) / name: data for name, data in l2a_files_of(Scene.of_classes()).items()}
    store, ledger = FakeStore(files), FakeLedger()
    times = {"discover": NOON, "published": NOON, "stage": NOON, "correct": NOON}
    row = Record.of(
        ProductName.parse(L1C), State.CORRECTED, times=times, l2a=str(PRODUCT), processor="Sen2Cor 02.12.03"
    )
    ledger.add(row)
    classify(
        PRODUCT,
        store=store,
        ledger=ledger,
        load_classifier=load_classifier,
        tools=Tools(GdalRasters(), quicklook),
        options=lambda: Options(resolution=60, minimum_usable=10.0),
        clock=FakeClock(),
    )
    assert ledger.rows["22WEV", L1C].state is State.CLASSIFIED, ledger.rows["22WEV", L1C].reason
    return {path: blob.data for path, blob in store.blobs.items()}, ledger.rows["22WEV", L1C]


@pytest.fixture
def make_world(monkeypatch: pytest.MonkeyPatch, classified: tuple[Mapping[BlobPath, bytes], Record]):
    """Makes the app: on storage elsewhere with a key, or as told."""

    def make(*, storage: str = ELSEWHERE, key: str | None = None) -> World:
        monkeypatch.setenv("AzureWebJobsStorage", storage)
        key = secrets.token_hex(16) if key is None else key
        monkeypatch.setenv("API_KEY", key)
        monkeypatch.setenv("COPERNICUS_USER", secrets.token_hex(8))  # services of its own for each test
        monkeypatch.setenv("COPERNICUS_CATALOGUE_URL", NOTHING_LISTENS)
        blobs, row = classified
        world = World(services(), FakeStore(blobs), FakeLedger([row]), FakeQueues(), FakeClock(), key)
        fakes = {"store": world.store, "ledger": world.ledger, "queues": world.queues, "links": FakeLinks()}
        vars(world.outside).update(fakes | {"clock": world.clock})
        return world

    return make


@pytest.fixture
def world(make_world) -> World:
    return make_world()


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with world.client() as client:
        yield client


@pytest.fixture
def busy(world: World) -> World:
    """Rows in many states beside the classified one."""
    rows = [
        a_record(2, results="surface/22WEV/2021/07/x.SAFE", l2a="x", class_percent={"LA": 40.0, "SN": 60.0}),
        a_record(5, State.FAILED, reason="a_1.jp2 of 'x' is damaged: 12 of 30 bytes."),
        a_record(6, State.FAILED, reason="b_2.jp2 of 'y' is damaged: 15 of 99 bytes."),
        a_record(8, State.REJECTED, reason="Only 3.0 % of the tile is usable.", usable_percent=3.0),
        a_record(9, State.DISCOVERED),
        a_record(9, State.STAGED, tile="22WEU"),
    ]
    for row in rows:
        world.ledger.add(replace(row, times={**row.times, "stage": row.times["discover"]}))
    return world
