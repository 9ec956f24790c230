"""An orthomosaic in real blob storage: read by ranges, never whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from azure.storage.blob import BlobServiceClient

from shared.adapters.blobs import AzureBlobs
from shared.adapters.models import SHIPPED_DRONE, load_classifier
from shared.adapters.orthomosaics import GdalOrthomosaics
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.models import BlobPath, State
from shared.pipeline.drone_drop import drop_orthomosaic
from shared.pipeline.drone_ports import DroneTools
from shared.science.windows import Window
from tests.fakes import FakeClock, FakeLedger, FakeLocks
from tests.orthomosaics import geotiff, scene

PATH = BlobPath("drop", "flight/large.tif")


@pytest.fixture
def store(azurite: str) -> Iterator[AzureBlobs]:
    with BlobServiceClient.from_connection_string(azurite) as service:
        yield AzureBlobs(service)


def test_a_window_of_a_blob_costs_a_few_ranges(store: AzureBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    bands, _ = scene(1200, 1200)
    data = geotiff(bands, tiled=True, blockxsize=128, blockysize=128)
    store.write(PATH, data)
    fetched: list[int] = []
    original = store._client(PATH).__class__.download_blob

    def counted(self, offset=None, length=None, **more):
        fetched.append(length)
        return original(self, offset, length, **more)

    monkeypatch.setattr("azure.storage.blob.BlobClient.download_blob", counted)
    with store.reader(PATH) as file, GdalOrthomosaics().open(file, "large") as orthomosaic:
        orthomosaic.read(Window(0, 0, 128, 128))
    assert 0 < sum(fetched) < len(data) / 4


def test_a_dropped_blob_becomes_results_in_the_store(store: AzureBlobs) -> None:
    bands, truth = scene(150, 240)
    store.write(PATH, geotiff(np.rint(bands * 32768).astype(np.uint16), compress="DEFLATE"))
    classifier = load_classifier(SHIPPED_DRONE)
    record = drop_orthomosaic(
        PATH,
        store=store,
        ledger=FakeLedger(),
        load_classifier=lambda: classifier,
        tools=lambda: DroneTools(GdalOrthomosaics(), GdalRasters(), quicklook),
        locks=FakeLocks(),
        clock=FakeClock(),
    )
    assert record is not None
    assert record.state is State.CLASSIFIED
    names = {info.path.name for info in store.list(BlobPath("surface", "drone/large"))}
    assert "drone/large/manifest.json" in names
    assert len(names) == 9
    assert sum(record.class_km2.values()) == pytest.approx(truth.size * 1e-8, rel=1e-3)
