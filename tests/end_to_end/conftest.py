"""One running host with a simulated Copernicus, shared by the end-to-end tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep

import pytest

import function_app
from local.copernicus import SimulatedCopernicus
from local.host import Host, Pace
from local.scenes import Scene, SceneSpec, Swath, build_scene
from local.serve import BLOB_ENDINGS
from shared.models import WATCHLIST, BlobPath, ProductName
from shared.records import Record
from shared.wiring import Services, services
from tests.conftest import ROOT

CLEAR = "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"
NO_OFFSET = "S2A_MSIL1C_20210705T151911_N0301_R068_T22WEV_20210705T171432"
CLOUDY = "S2B_MSIL1C_20210710T151909_N0511_R068_T22WEV_20240612T142011"
OLDER = "S2B_MSIL1C_20210710T151909_N0500_R068_T22WEV_20230612T142011"
EMPTY = "S2A_MSIL1C_20210715T151911_N0511_R068_T22WEV_20240613T081207"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The running pipeline."""

    host: Host
    copernicus: SimulatedCopernicus
    scenes: dict[str, Scene]  # product name -> scene

    @property
    def outside(self) -> Services:
        return services()

    def record(self, partition: str, name: str) -> Record:
        record = self.outside.ledger.get(partition, name)
        assert record is not None, f"{partition}/{name} is not in the ledger"
        return record

    def until(self, condition: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = monotonic() + seconds
        while not condition():
            assert monotonic() < deadline, f"Not within {seconds:g} s: {list(self.outside.ledger.records())}"
            sleep(0.2)

    def idle(self, seconds: float = 120.0) -> None:
        assert self.host.wait_until_idle(seconds), f"Still to do: {self.host.outstanding()}"

    def results(self, record: Record) -> dict[str, bytes]:
        folder = BlobPath.parse(record.results)
        store = self.outside.store
        return {info.path.name.rpartition("/")[2]: store.read(info.path) for info in store.list(folder)}


def _specs() -> list[SceneSpec]:
    clear = SceneSpec(ProductName.parse(CLEAR), seed=1, size=150, cloud=0.05)
    cloudy = SceneSpec(ProductName.parse(CLOUDY), seed=2, size=150, cloud=0.8)
    return [
        clear,
        SceneSpec(ProductName.parse(NO_OFFSET), seed=3, size=150, cloud=0.05),
        cloudy,
        replace(cloudy, name=ProductName.parse(OLDER)),
        SceneSpec(ProductName.parse(EMPTY), seed=4, size=150, cloud=0.0, swath=Swath.WEST, west_share=0.0),
    ]


def _impatient_host_json(folder: Path) -> Path:
    """The project's host.json with a short pause between two tries."""
    settings = json.loads((ROOT / "host.json").read_text())
    settings["extensions"]["queues"]["visibilityTimeout"] = "00:00:01"
    file = folder / "host.json"
    file.write_text(json.dumps(settings))
    return file


@pytest.fixture(scope="package")  # its host changes the environment, which other tests must not see
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("pipeline")
    scenes = {str(spec.name): build_scene(spec, folder / "scenes") for spec in _specs()}
    with SimulatedCopernicus() as copernicus:
        for scene in scenes.values():
            copernicus.publish(scene.zip, cloud_cover=scene.cloud_percent)
        settings = {
            "SCHEDULE": "0 0 0 1 1 *",  # the tests run the timers when they want them
            "WATCH_SCHEDULE": "0 0 0 1 1 *",
            **copernicus.environment(),
        }
        host = Host(
            function_app.app,
            settings,
            folder=folder / "host",
            blob_endings=BLOB_ENDINGS,
            host_json=_impatient_host_json(folder),
            pace=Pace(longest_pause=0.3, scan=0.3, workers=0.3),
        )
        with host:
            area = {"name": "test", "tiles": ["22WEV"], "months": [7], "since": "2021-07-01", "until": "2021-07-31"}
            watchlist = json.dumps({"version": 1, "areas": [area]}).encode()
            services().store.write(WATCHLIST, watchlist, content_type="application/json")
            yield Pipeline(host, copernicus, scenes)
            services().close()
