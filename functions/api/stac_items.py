"""One result as a STAC Item of the API: the item that classify wrote, with addresses in place of file names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from fastapi import Request

from functions.api.links import result_link
from shared.errors import NotFound
from shared.models import BlobPath
from shared.records import Record
from shared.wiring import Services

COLLECTION = "icewatch-surface"
GEOJSON = "application/geo+json"
GEO: dict[int | str, dict[str, Any]] = {
    200: {"description": "GeoJSON", "content": {GEOJSON: {"schema": {"type": "object"}}}}
}


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of this API as the client sees it."""

    site: str  # "https://icewatch.example.org", without a slash at its end

    @classmethod
    def of(cls, request: Request) -> Links:
        """The addresses under the name by which the client asked."""
        return cls(str(request.base_url).rstrip("/"))

    def to(self, rel: str, path: str, media_type: str) -> dict[str, Any]:
        """A link to ``path`` below the landing page."""
        return {"rel": rel, "href": f"{self.site}/stac{path}", "type": media_type}


def item_of(record: Record, links: Links, outside: Services) -> dict[str, Any] | None:
    """The Item of a classified product; None where its results are being made anew at this moment."""
    stored = _stored(outside, record.results, record.l2a, record.times.get("classify"))
    if stored is None:
        return None
    item = json.loads(stored)
    for asset in item.get("assets", {}).values():
        name = str(asset["href"]).removeprefix("./")
        asset["href"] = links.site + result_link(f"{record.results}/{name}", signed=True)
    item["collection"] = COLLECTION
    item["links"] = [
        links.to("self", f"/collections/{COLLECTION}/items/{item['id']}", GEOJSON),
        links.to("collection", f"/collections/{COLLECTION}", "application/json"),
        links.to("parent", f"/collections/{COLLECTION}", "application/json"),
        links.to("root", "", "application/json"),
    ]
    return dict(item)


@lru_cache(maxsize=1000)  # some ten kilobytes each
def _text(outside: Services, results: str, l2a: str, _classified: datetime | None) -> bytes:
    return outside.store.read(BlobPath.parse(results) / f"{l2a}.json")


def _stored(outside: Services, results: str, l2a: str, classified: datetime | None) -> bytes | None:
    try:
        return _text(outside, results, l2a, classified)
    except NotFound:
        return None


def feature_collection(
    features: Sequence[Mapping[str, Any]], matched: int, links: list[dict[str, Any]]
) -> dict[str, Any]:
    """A page of items."""
    return {
        "type": "FeatureCollection",
        "features": features,
        "numberMatched": matched,
        "numberReturned": len(features),
        "links": links,
    }
