"""Everything a person does in a season, through the API alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from local.scenes import SceneSpec, build_scene
from shared.models import ProductName
from tests.end_to_end.conftest import Pipeline

TILE = "22WEU"
NAME = f"S2A_MSIL1C_20210803T151911_N0511_R068_T{TILE}_20240613T081207"


@pytest.fixture
def api(pipeline: Pipeline, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the running app; the catalogue offers one acquisition more, and the watchlist stays as it was."""
    scene = build_scene(SceneSpec(ProductName.parse(NAME), seed=9, size=150, cloud=0.05), tmp_path)
    pipeline.copernicus.publish(scene.zip, cloud_cover=scene.cloud_percent)
    with httpx.Client(base_url=pipeline.host.http_address, timeout=30, trust_env=False) as client:
        before = client.get("/api/watchlist").content
        yield client
        assert client.put("/api/watchlist", content=before).status_code == 204


def told(answer: httpx.Response) -> dict:
    assert answer.is_success, answer.text
    return answer.json()


def watch(api: httpx.Client, **area: object) -> None:
    """Add an area to the watchlist, as one who makes sure to lose nobody else's change."""
    seen = api.get("/api/watchlist")
    areas = [known for known in seen.json()["areas"] if known["name"] != area["name"]]
    body = {"version": 1, "areas": [*areas, area]}
    answer = api.put("/api/watchlist", json=body, headers={"if-match": seen.headers["etag"]})
    assert answer.status_code == 204, answer.text


def _most(address: str) -> int:
    """The highest number of the raster at ``address``, read by a process of its own, as a person's program is."""
    program = "import sys, rasterio; print(rasterio.open(sys.argv[1]).read(1).max())"
    command = [sys.executable, "-W", "ignore", "-c", program, address]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_a_tile_is_added_filled_broken_and_mended_through_the_api_alone(pipeline: Pipeline, api: httpx.Client):
    area = {"name": "Through the API", "tiles": [TILE], "months": [8], "since": "2021-08-01", "until": "2021-08-31"}

    def state() -> str:
        found = told(api.get("/api/products", params={"tile": TILE}))["products"]
        return found[0]["state"] if found else ""

    watch(api, **area, model="not-there-yet")
    order = told(api.post("/api/orders/backfill", json={"tile": TILE, "first": "2021-08"}))
    assert order["accepted"] == [f"{TILE} 2021-08"]
    pipeline.until(lambda: state() == "FAILED")
    (kind,) = told(api.get("/api/failures", params={"tile": TILE}))["kinds"]
    assert "models/not-there-yet" in kind["products"][0]["reason"]

    watch(api, **area)
    assert told(api.post("/api/orders/retry", json={"failed": True, "key": kind["key"]}))["accepted"] == [NAME]
    pipeline.until(lambda: state() == "CLASSIFIED")
    assert told(api.get("/api/failures", params={"tile": TILE}))["total"] == 0

    product = told(api.get(f"/api/products/{NAME}"))
    assert {"published", "stage", "correct", "retry", "classify"} <= product["times"].keys()
    days = told(api.get(f"/api/tiles/{TILE}/calendar", params={"year": 2021}))["months"][7]["days"]
    assert [row["product"] for row in days["2021-08-03"]] == [NAME]
    assert len(told(api.get(f"/api/tiles/{TILE}/series"))["points"]) == 1
    (link,) = [file["href"] for file in product["files"] if "_CLASS_" in file["name"]]
    assert _most(pipeline.host.http_address + link) >= 1
    assert int(api.head(link).headers["content-length"]) == len(api.get(link).content)
    item = told(api.get(f"/stac/search?ids={quote(product['l2a'])}"))["features"][0]
    results = [file["name"] for file in product["files"] if file["name"] not in {"manifest.json", f"{item['id']}.json"}]
    assert {asset["href"].rpartition("/")[2] for asset in item["assets"].values()} == set(results)


def test_a_dropped_product_is_uploaded_through_its_link(pipeline: Pipeline, api: httpx.Client, tmp_path: Path):
    name = f"S2B_MSIL1C_20210806T151909_N0511_R068_T{TILE}_20240613T081207"
    scene = build_scene(SceneSpec(ProductName.parse(name), seed=10, size=150, cloud=0.05), tmp_path)
    link = told(api.post("/api/orders/drop-link", json={"name": f"{name}.SAFE.zip"}))
    sent = httpx.request(
        link["method"], link["url"], headers=link["headers"], content=scene.zip.read_bytes(), trust_env=False
    )
    assert sent.status_code == 201, sent.text
    pipeline.until(lambda: told(api.get("/api/products", params={"tile": TILE, "state": "CLASSIFIED"}))["total"] >= 1)
    pipeline.idle()
    assert told(api.get(f"/api/products/{name}"))["state"] == "CLASSIFIED"


def test_health_says_when_the_schedule_ran_and_what_answers(pipeline: Pipeline, api: httpx.Client):
    assert pipeline.host.run_timer("schedule")
    assert pipeline.host.run_timer("watch")
    health = told(api.get("/api/health"))
    assert set(health["parts"].values()) == {"ok"}, health["parts"]
    assert health["model"].startswith("ice_surface ")
    assert health["last_runs"]["schedule"] is not None
    pipeline.idle()
