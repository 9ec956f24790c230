"""An orthomosaic dropped while the host runs: classified by the real function, or refused with a sentence."""

from __future__ import annotations

import json

from local.inbox import put
from shared.models import BlobPath, State
from shared.records import DRONE, REFUSED
from tests.end_to_end.conftest import Pipeline
from tests.orthomosaics import geotiff, scene


def _state(pipeline: Pipeline, name: str) -> State | None:
    record = pipeline.outside.ledger.get(DRONE, name)
    return record.state if record else None


def test_a_dropped_orthomosaic_is_classified_under_its_name(pipeline: Pipeline, tmp_path):
    (tmp_path / "upe-2017.tif").write_bytes(geotiff(scene()[0]))
    put(tmp_path / "upe-2017.tif", pipeline.outside.store)
    pipeline.until(lambda: _state(pipeline, "upe-2017") is State.CLASSIFIED)
    record = pipeline.record(DRONE, "upe-2017")
    assert record.results == "surface/drone/upe-2017"
    manifest = json.loads(pipeline.results(record)["manifest.json"])
    assert {file["name"] for file in manifest["files"]} | {"manifest.json"} == set(pipeline.results(record))
    assert pipeline.outside.store.info(BlobPath("drop", "upe-2017.tif")) is not None
    pipeline.idle()


def test_a_bad_orthomosaic_fails_and_a_name_with_tricks_is_refused(pipeline: Pipeline):
    store, ledger = pipeline.outside.store, pipeline.outside.ledger
    store.write(BlobPath("drop", "broken.tif"), b"II*\0 this is no image")
    store.write(BlobPath("drop", "a b;rm -rf.tif"), geotiff(scene()[0]))
    pipeline.until(lambda: _state(pipeline, "broken") is State.FAILED)
    assert pipeline.record(DRONE, "broken").reason == "broken is no readable GeoTIFF."
    refused = "drop/a b;rm -rf.tif"
    pipeline.until(lambda: ledger.get(REFUSED, refused) is not None)
    assert "cannot name an orthomosaic's results" in pipeline.record(REFUSED, refused).reason
    pipeline.idle()
