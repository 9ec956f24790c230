"""Result files over HTTP: by ranges on one machine, by redirect elsewhere, and never anything else."""

from __future__ import annotations

import io
from typing import Any

import pytest
import rasterio
from rasterio.warp import transform

from functions.api import results
from shared.models import BlobPath
from tests.api.conftest import HERE, L1C, World, a_record
from tests.small_l2a import PRODUCT

FOLDER = f"/api/results/22WEV/2024/07/{PRODUCT}.SAFE"
CLASS = f"{FOLDER}/T22WEV_20240716T151809_CLASS_60m.tif"


@pytest.fixture
def here(make_world) -> World:
    return make_world(storage=HERE, key="")


def data(world: World, path: str = CLASS) -> bytes:
    return world.store.blobs[BlobPath("surface", path.removeprefix("/api/results/"))].data


def test_a_file_is_read_whole(here: World):
    answer = here.client().get(CLASS)
    assert answer.content == data(here)
    assert answer.headers["content-type"].startswith("image/tiff")
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-99", 10, 100), ("bytes=500-", 500, None), ("bytes=-7", -7, None)],
)
def test_a_file_is_read_by_ranges(here: World, asked: str, begin: int, end: int | None):
    answer, whole = here.client().get(CLASS, headers={"range": asked}), data(here)
    assert answer.status_code == 206
    assert answer.content == whole[begin:end]
    first, last = answer.headers["content-range"].removeprefix("bytes ").partition("/")[0].split("-")
    assert whole[int(first) : int(last) + 1] == answer.content


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=x-y", "bytes=9-3"])
def test_a_range_of_another_kind_is_as_if_none_was_asked_for(here: World, asked: str):
    assert here.client().get(CLASS, headers={"range": asked}).content == data(here)


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0"])
def test_a_range_outside_the_file_is_a_problem(here: World, asked: str):
    answer = here.client().get(CLASS, headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(data(here))}"


def test_its_length_is_told_without_its_bytes(here: World):
    answer = here.client().head(CLASS)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(data(here))


def test_what_the_client_has_already_is_not_sent_again(here: World):
    client = here.client()
    etag = client.get(CLASS).headers["etag"]
    assert client.get(CLASS, headers={"if-none-match": etag}).status_code == 304
    other = client.get(CLASS, headers={"range": "bytes=0-0", "if-range": '"another"'})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),  # as who compresses on the way makes of it
        ('"another", {etag}', 304),
        ("*", 304),
        ('"another"', 200),
        ("no tag", 200),
    ],
)
def test_what_the_client_has_is_told_as_http_has_it(here: World, told: str, status: int):
    client = here.client()
    etag = client.get(CLASS).headers["etag"]
    for method in ("GET", "HEAD"):
        answer = client.request(method, CLASS, headers={"if-none-match": told.format(etag=etag)})
        assert (answer.status_code, answer.headers["etag"]) == (status, etag)
    assert client.get(CLASS, headers={"range": "bytes=0-0", "if-range": f"W/{etag}"}).status_code == 200


def test_elsewhere_the_storage_account_hands_rasters_out(world: World):
    small = world.client().get(f"{FOLDER}/quicklook.png")
    assert small.status_code == 200  # so that a page of this site may show it
    answer = world.client().head(CLASS)
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("https://storage.example.org/surface/22WEV/2024/07/")


@pytest.mark.parametrize("small", [0, 4 * 1024 * 1024])
def test_elsewhere_too_what_the_client_has_already_is_not_sent_again(
    world: World, monkeypatch: pytest.MonkeyPatch, small: int
):
    monkeypatch.setattr(results, "_SMALL", small)
    client, info = world.client(), world.store.info(BlobPath("surface", CLASS.removeprefix("/api/results/")))
    assert info is not None
    for method in ("GET", "HEAD"):
        answer = client.request(method, CLASS, headers={"if-none-match": info.etag})
        assert (answer.status_code, answer.headers["etag"]) == (304, info.etag)
        changed = client.request(method, CLASS, headers={"if-none-match": '"another"'})
        assert changed.status_code == (200 if method == "GET" and small else 302)


@pytest.mark.parametrize(
    "path",
    [
        "../config/watchlist.json",
        "%2e%2e/config/watchlist.json",
        "22WEV/2024/07/..%2f..%2f..%2fx/y",
        f"22WEV/2024/07/{PRODUCT}.SAFE/../x.tif",
        f"22WEV/2024/07/{PRODUCT}.SAFE//x.tif",
        f"22WEV/2024/07/{PRODUCT}.SAFE/..%5cx.tif",
        "22WEV/2024/07/x.SAFE/y.tif",
        f"22WEV/2024/07/{PRODUCT}.SAFE/nothing.tif",
        "",
        "%00",
        "a" * 3000,
    ],
)
def test_no_trick_of_a_path_leads_anywhere(here: World, path: str):
    answer = here.client().get(f"/api/results/{path}")
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_point_says_what_the_maps_say(world: World):
    path = BlobPath("surface", CLASS.removeprefix("/api/results/"))
    with rasterio.open(io.BytesIO(world.store.blobs[path].data)) as raster:
        codes = raster.read(1)
        x, y = raster.xy(75, 15)
        (longitude,), (latitude,) = transform(raster.crs, "EPSG:4326", [x], [y])
    told = (
        world.client().get(f"/api/products/{L1C}/point", params={"longitude": longitude, "latitude": latitude}).json()
    )
    assert codes[75, 15] == 1
    assert (told["surface"], told["quality"]) == ("SN", "classified")
    assert 0 < told["albedo"] < 1.2
    assert told["index"] is None  # snow has no algae index


def test_a_polygon_counts_what_lies_in_it(world: World):
    whole = {"type": "Polygon", "coordinates": [[[-52, 66], [-48, 66], [-48, 69], [-52, 69], [-52, 66]]]}
    told = world.client().post(f"/api/products/{L1C}/area", json=whole).json()
    summary = world.client().get(f"{FOLDER}/summary.json").json()
    assert (told["pixels"], told["whole"]) == (150 * 210, False)
    assert told["class_percent"] == {
        short: pytest.approx(facts["percent"], abs=0.01) for short, facts in summary["classes"].items()
    }
    assert told["albedo_mean"] == pytest.approx(summary["albedo"]["mean"], abs=1e-3)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},  # far away
        {"type": "Polygon", "coordinates": [[[-50, 67], [-49, 67], [-49, 68]]]},  # not closed
        {"type": "Polygon", "coordinates": [[[-52, 66], [-48, 69], [-48, 66], [-52, 69], [-52, 66]]]},  # crosses itself
        {"type": "Polygon", "coordinates": [[[-50, 67, "0"], [-49, 67, 0], [-49, 68, 0], [-50, 67, 0]]]},
        {"type": "Polygon", "coordinates": [[[-50, 67, 0, 0], [-49, 67, 0], [-49, 68, 0], [-50, 67, 0]]]},
        {"type": "Polygon", "coordinates": [[[-50, 67, True], [-49, 67, 0], [-49, 68, 0], [-50, 67, True]]]},
        {"type": "Point", "coordinates": [0, 0]},
        {},
    ],
)
def test_a_polygon_that_cannot_be_used_is_refused(world: World, geometry: dict[str, Any]):
    answer = world.client().post(f"/api/products/{L1C}/area", json=geometry)
    assert answer.status_code == 422


def test_heights_of_a_polygon_are_taken_and_say_nothing(world: World):
    flat = [[-52, 66], [-48, 66], [-48, 69], [-52, 69], [-52, 66]]
    high = [[*place, height] for place, height in zip(flat, (0, 12.5, -3, 1e9, 7), strict=True)]
    area = f"/api/products/{L1C}/area"
    shapes = [("Polygon", [flat]), ("Polygon", [high]), ("MultiPolygon", [[high]])]
    told = [world.client().post(area, json={"type": kind, "coordinates": rings}).json() for kind, rings in shapes]
    assert told[0]["pixels"] == 150 * 210
    assert told == told[:1] * 3


def test_a_polygon_between_the_centres_of_pixels_is_told_so(world: World):
    path = BlobPath("surface", CLASS.removeprefix("/api/results/"))
    with rasterio.open(io.BytesIO(world.store.blobs[path].data)) as raster:
        x, y = raster.xy(75, 15)
        corners = [(x + 8, y + 8), (x + 20, y + 8), (x + 20, y + 20), (x + 8, y + 8)]
        ring = [
            list(place) for place in zip(*transform(raster.crs, "EPSG:4326", *zip(*corners, strict=True)), strict=True)
        ]
    answer = world.client().post(f"/api/products/{L1C}/area", json={"type": "Polygon", "coordinates": [ring]})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("The polygon holds the centre of no pixel; pixels are 60 m wide")


def test_a_point_outside_the_tile_is_refused(world: World):
    answer = world.client().get(f"/api/products/{L1C}/point", params={"longitude": 0, "latitude": 0})
    assert answer.status_code == 422
    assert "does not hold" in answer.json()["detail"]


def test_what_has_no_layers_is_not_asked_at_a_point(busy: World):
    answer = busy.client().get(f"/api/products/{a_record(9).name}/point", params={"longitude": 0, "latitude": 0})
    assert answer.status_code == 409


def test_a_map_that_is_gone_and_one_that_is_in_the_making_are_told_apart(world: World):
    def detail() -> str:
        answer = world.client().get(f"/api/products/{L1C}/point", params={"longitude": -49.1, "latitude": 67.0})
        assert answer.status_code == 409
        return str(answer.json()["detail"])

    results = BlobPath("surface", FOLDER.removeprefix("/api/results/"))
    world.store.delete(BlobPath("surface", CLASS.removeprefix("/api/results/")))
    assert detail().startswith(f"The file of layer CLASS of {L1C} is gone; 'reclassify' makes it again")
    world.store.delete(results / "manifest.json")
    assert "in the making" in detail()
