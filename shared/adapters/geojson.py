"""GeoJSON (RFC 7946) as outlines; the member ``crs`` of the older format (geojson.org, 2008) is honoured."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from shared.adapters.outlines import OTHER_SHAPES, Layer, Outline, Ring, Unfit, crs_of, unknown_crs
from shared.models import shown

if TYPE_CHECKING:
    from pyproj import CRS

MOST_BYTES = 128 * 1024 * 1024  # parsed, it takes several times its size in memory
_CRS_RE = re.compile(
    r"(?:urn:(?:x-)?ogc:def:crs:|https?://www\.opengis\.net/def/crs/)?"
    r"(?P<authority>[A-Za-z]{1,20})[:/](?:[0-9.]{0,10}[:/])?(?P<code>[A-Za-z0-9]{1,20})"
)
_POSITION = range(2, 5)  # numbers: longitude, latitude, height, and what some programs add


def read(data: bytes) -> Layer:
    """The polygons of a FeatureCollection, Feature or geometry; ValueError where damaged, Unfit where of no use."""
    if len(data) > MOST_BYTES:
        raise Unfit(f"has {len(data)} bytes of GeoJSON; at most {MOST_BYTES} are accepted, a GeoPackage may be larger")
    try:
        document = json.loads(data, parse_constant=_refuse)
    except RecursionError as cause:
        raise ValueError("it is nested too deeply") from cause
    if not isinstance(document, dict):
        raise ValueError("it is no GeoJSON object")  # noqa: TRY004  # it comes from outside
    return Layer(_crs(document), (part for geometry in _geometries(document) for part in _outlines(geometry)))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _crs(document: dict[str, Any]) -> CRS:
    match document.get("crs"):
        case None:
            return crs_of("OGC", "CRS84")  # what RFC 7946 fixes: longitude, latitude
        case {"type": "name", "properties": {"name": str(name)}} if found := _CRS_RE.fullmatch(name):
            return crs_of(found["authority"], found["code"])
        case {"type": "EPSG", "properties": {"code": int(code)}}:
            return crs_of("EPSG", str(code))
        case other:
            raise unknown_crs(json.dumps(other))


def _geometries(document: dict[str, Any]) -> Iterator[object]:
    match document:
        case {"type": "FeatureCollection", "features": [*features]}:
            for feature in features:
                yield _geometry(feature)
        case {"type": "Feature"}:
            yield _geometry(document)
        case _:
            yield document


def _geometry(feature: object) -> object:
    match feature:
        case {"type": "Feature", "geometry": geometry}:
            return geometry
        case _:
            raise ValueError(f"'{shown(feature, 60)}' is no feature")


def _outlines(geometry: object) -> Iterator[Outline]:
    match geometry:
        case None:
            return  # a feature without a place
        case {"type": "Polygon", "coordinates": [*rings]}:
            yield [_ring(ring) for ring in rings]
        case {"type": "MultiPolygon", "coordinates": [*parts]} if all(isinstance(part, list) for part in parts):
            for part in parts:
                yield [_ring(ring) for ring in part]
        case {"type": "Point" | "MultiPoint" | "LineString" | "MultiLineString" | "GeometryCollection"}:
            raise Unfit(OTHER_SHAPES)
        case _:
            raise ValueError(f"'{shown(geometry, 60)}' is no geometry")


def _ring(positions: object) -> Ring:
    corners = np.array(positions)  # ValueError where positions differ in length
    if corners.ndim != 2 or corners.shape[1] not in _POSITION or corners.dtype.kind not in "iuf":
        raise ValueError(f"'{shown(positions, 60)}' is no ring")
    return corners[:, :2].astype(np.float64)
