"""Ice masks in GeoJSON: ways to state them, and what is refused."""

from __future__ import annotations

import json

import pytest
import shapely

from shared.adapters import geojson
from tests.adapters.vector_masks import (
    collection,
    glacier,
    moved,
    ours,
    refusal,
)


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:32622", "epsg:32622", "urn:ogc:def:crs:EPSG:9.8:32622", "urn:x-ogc:def:crs:EPSG:32622",
        "http://www.opengis.net/def/crs/EPSG/0/32622", {"type": "EPSG", "properties": {"code": 32622}},
    ],
)  # fmt: skip
def test_the_old_member_crs_is_honoured(crs: object) -> None:
    assert (ours(collection(*glacier(), crs=crs)) == ours(collection(*glacier()))).all()
    assert ours(collection(*glacier(), crs=crs)).any()


@pytest.mark.parametrize("crs", [None, "urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326"])
def test_degrees_are_longitude_then_latitude(crs: object) -> None:
    assert (ours(collection(*moved(glacier(), 4326), crs=crs)) == ours(collection(*glacier()))).mean() > 0.999


@pytest.mark.parametrize("crs", ["EPSG:99", "somewhere", "", {"type": "link", "properties": {"href": "http://x"}}, 7])
def test_a_crs_that_is_not_known_is_refused(crs: object) -> None:
    assert "states a coordinate system that is not known" in refusal(collection(*glacier(), crs=crs))


def test_a_mask_on_the_moon_is_refused() -> None:
    said = "is in a coordinate system that cannot be led to the tile's (GCS_Moon_2000)"
    assert said in refusal(collection(*glacier(), crs="ESRI:104903"))


def test_a_feature_or_a_bare_geometry_is_a_mask_too() -> None:
    (shape,) = moved([glacier()[1]], 4326)
    geometry = shapely.geometry.mapping(shape)
    whole = ours(collection(shape, crs=None))
    assert whole.any()
    for document in (geometry, {"type": "Feature", "properties": None, "geometry": geometry}):
        assert (ours(b"\xef\xbb\xbf" + json.dumps(document).encode()) == whole).all()


def test_features_without_a_place_are_passed_over() -> None:
    data = collection(glacier()[1]).replace(b'"features": [', b'"features": [{"type": "Feature", "geometry": null}, ')
    assert ours(data).any()


def ring(text: str) -> bytes:
    return f'{{"type": "Polygon", "coordinates": [{text}]}}'.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[1, 2]",
        b"null",
        b'{"type": "FeatureCollection"}',
        b'{"type": "FeatureCollection", "features": [3]}',
        b'{"type": "Polygon", "coordinates": 3}',
        b'{"type": "MultiPolygon", "coordinates": [3]}',
        ring("[[0, 0], [1, 0], [1, 1], [0, 1]]"),  # open
        ring("[[0, 0], [1, 0], [0, 0]]"),  # a line
        ring("[[0, 0], [1, 0], [1], [0, 0]]"),
        ring("[[0, 0], [1, NaN], [1, 1], [0, 0]]"),
        ring("[[0, 0], [1, Infinity], [1, 1], [0, 0]]"),
        ring("[[0, 0], [1, 1e999], [1, 1], [0, 0]]"),
        ring("[[-1e308, -90], [1e308, -90], [1e308, 90], [-1e308, -90]]"),
        ring("[[0, 0], [2e12, 0], [1, 1], [0, 0]]"),
        ring('[["0", "0"], ["1", "0"], ["1", "1"], ["0", "0"]]'),
        ring(f"[[0, 0], [1, {10**400}], [1, 1], [0, 0]]"),
        ring("[[null, 0], [1, 0], [1, 1], [null, 0]]"),
        ring("[]"),
        ring("7"),
        b"\xff\xfe\x00",
    ],
    ids=lambda data: data[:60].decode("latin-1"),
)
def test_geojson_that_is_malformed_is_refused(data: bytes) -> None:
    assert "is unreadable" in refusal(data)


def test_geojson_that_would_fill_the_memory_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson, "MOST_BYTES", 100)
    assert "bytes of GeoJSON; at most 100 are accepted" in refusal(collection(*glacier()))
