"""A month of acquisitions goes from the catalogue to maps through the real functions, queues and blobs."""

from __future__ import annotations

import io
import json
import urllib.request

import numpy as np
import pytest
import rasterio

from local.agreement import confusion
from shared.models import BlobPath, ProductName, State, TileMonth, staged_zip
from tests.end_to_end.conftest import CLEAR, CLOUDY, EMPTY, NO_OFFSET, OLDER, Pipeline


@pytest.fixture(scope="module")
def finished(pipeline: Pipeline) -> Pipeline:
    """The pipeline after one run of the schedule, when nothing is left to do."""
    assert pipeline.host.run_timer("schedule")
    pipeline.idle()
    return pipeline


@pytest.mark.parametrize("name", [CLEAR, NO_OFFSET])
def test_a_clear_acquisition_becomes_a_map_that_agrees_with_the_truth(finished: Pipeline, name: str):
    record = finished.record("22WEV", name)
    assert record.state is State.CLASSIFIED, record.reason
    results = finished.results(record)
    stem = f"T22WEV_{ProductName.parse(name).stamp}"
    layers = {layer: _read(results[f"{stem}_{layer}_20m.tif"]) for layer in ("CLASS", "QUALITY")}
    with rasterio.open(finished.scenes[name].truth) as truth:
        assert confusion(layers["CLASS"], layers["QUALITY"], truth.read(1)).percent >= 90


def _read(data: bytes) -> np.ndarray:
    with rasterio.MemoryFile(data) as file, file.open() as raster:
        return raster.read(1)


def test_the_result_folder_mirrors_the_l2a_folder_and_its_manifest_lists_it(finished: Pipeline):
    record = finished.record("22WEV", CLEAR)
    assert record.results == f"surface/22WEV/2021/07/{record.l2a}.SAFE"
    results = finished.results(record)
    manifest = json.loads(results.pop("manifest.json"))
    assert {file["name"] for file in manifest["files"]} == set(results)
    assert {"quicklook.png", "summary.json", f"{record.l2a}.json"} < set(results)


def test_the_approximate_correction_is_marked_in_ledger_and_summary(finished: Pipeline):
    record = finished.record("22WEV", CLEAR)
    assert "approximate" in record.processor
    assert json.loads(finished.results(record)["summary.json"])["approximate"] is True


def test_an_acquisition_under_cloud_is_rejected_with_the_number(finished: Pipeline):
    record = finished.record("22WEV", CLOUDY)
    assert record.state is State.REJECTED
    assert f"Only {record.usable_percent:.1f} % of the tile is usable" in record.reason
    assert "at least 40 % are required" in record.reason


def test_an_acquisition_without_data_is_rejected(finished: Pipeline):
    record = finished.record("22WEV", EMPTY)
    assert record.state is State.REJECTED
    assert record.usable_percent == 0


def test_the_older_baseline_is_skipped_and_never_downloaded(finished: Pipeline):
    record = finished.record("22WEV", OLDER)
    assert record.state is State.SKIPPED
    assert CLOUDY in record.reason
    assert "stage" not in record.times


def test_the_staged_zip_is_gone_once_its_l2a_is_complete(finished: Pipeline):
    assert finished.outside.store.info(staged_zip(ProductName.parse(CLEAR))) is None


def test_another_schedule_changes_nothing_and_downloads_nothing(finished: Pipeline):
    before = list(finished.outside.ledger.records("22WEV"))
    downloads = finished.copernicus.requests.copy()
    assert finished.host.run_timer("schedule")
    finished.idle()
    assert list(finished.outside.ledger.records("22WEV")) == before
    after = finished.copernicus.requests
    assert {kind: after[kind] for kind in after if "download" in str(kind).lower()} == {
        kind: downloads[kind] for kind in downloads if "download" in str(kind).lower()
    }


def test_the_api_lists_the_products_and_says_how_the_app_is(finished: Pipeline):
    answer = _get(finished, "/api/products?tile=22WEV&state=CLASSIFIED")
    assert {product["product"] for product in answer["products"]} >= {CLEAR, NO_OFFSET}
    health = _get(finished, "/api/health")
    assert health["products"]["REJECTED"] >= 2
    assert health["queues"]["products-poison"] == 0


def test_a_push_notification_has_the_month_searched_at_once(finished: Pipeline):
    product = ProductName.parse(CLEAR)
    month = TileMonth(product.tile, product.sensing.year, product.sensing.month)
    before = finished.outside.ledger.month(month)
    answer = _post(finished, "/api/notifications", _notification(CLEAR))
    assert answer == {"product": CLEAR, "search": str(month)}
    finished.idle()
    after = finished.outside.ledger.month(month)
    assert before is not None
    assert before.searched is not None
    assert after is not None
    assert after.searched is not None
    assert after.searched > before.searched
    assert finished.record("22WEV", CLEAR).state is State.CLASSIFIED, "known already: nothing is done again"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [(b"{}", 422, "The notification does not parse"), (b" " * 1_100_000, 413, "The body is longer than 1048576 bytes")],
)
def test_what_is_no_notification_is_refused_as_problem_details(finished: Pipeline, body: bytes, status: int, says: str):
    with pytest.raises(urllib.error.HTTPError) as refused:
        _post(finished, "/api/notifications", body)
    assert refused.value.code == status
    assert says in json.load(refused.value)["detail"]
    refused.value.close()


def _notification(name: str) -> bytes:
    entry = {"Id": "a-1", "Name": f"{name}.SAFE", "ContentLength": 1, "PublicationDate": "2024-07-16T20:00:00Z"}
    entry |= {"Online": True, "Checksum": [], "Attributes": []}
    return json.dumps({"SubscriptionEvent": "created", "value": entry}).encode()


def _post(pipeline: Pipeline, path: str, body: bytes) -> dict:
    with urllib.request.urlopen(pipeline.host.http_address + path, data=body, timeout=10) as answer:
        return json.load(io.TextIOWrapper(answer, "utf-8"))


def _get(pipeline: Pipeline, path: str) -> dict:
    with urllib.request.urlopen(pipeline.host.http_address + path, timeout=10) as answer:
        return json.load(io.TextIOWrapper(answer, "utf-8"))


def test_the_api_refuses_a_tile_that_is_none_as_problem_details(finished: Pipeline):
    with pytest.raises(urllib.error.HTTPError) as refused:
        _get(finished, "/api/products?tile=99XXX")
    assert refused.value.code == 422
    assert refused.value.headers["Content-Type"] == "application/problem+json"
    assert "'99XXX' is no Sentinel-2 tile" in json.load(refused.value)["detail"]
    refused.value.close()


def test_a_product_that_failed_is_retried_from_what_is_left(finished: Pipeline):
    from functions.api.ordering import orders

    outside = finished.outside
    record = finished.record("22WEV", CLEAR)
    outside.ledger.update(
        "22WEV", CLEAR, lambda old: old.advanced(State.FAILED, step="x", at=outside.clock(), reason="x")
    )
    for info in list(outside.store.list(BlobPath.parse(record.results))):
        outside.store.delete(info.path)
    assert orders().retry(CLEAR).accepted == (CLEAR,)
    finished.idle()
    assert finished.record("22WEV", CLEAR).state is State.CLASSIFIED
    assert "manifest.json" in finished.results(finished.record("22WEV", CLEAR))
