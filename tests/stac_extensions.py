"""What the STAC extensions document about their fields, in our words: their schemas lie on the network.

Per extension: its prefix, the version in use, and the JSON type of each field that an Item or an asset of it may have.
A field of a prefix that is not listed is refused by the extensions' own schemas too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pystac.validation import JsonSchemaSTACValidator

_NUMBER = (int, float)
_DATA_TYPES = {"int8", "int16", "uint8", "uint16", "float32", "float64"}


@dataclass(frozen=True)
class Extension:
    """One extension as its README describes it."""

    prefix: str
    uri: str
    required: tuple[str, ...]  # of an Item's properties, where we promise them
    fields: dict[str, tuple[type, ...]]


def _uri(name: str, version: str) -> str:
    return f"https://stac-extensions.github.io/{name}/v{version}/schema.json"


EXTENSIONS = (
    Extension(
        "proj",
        _uri("projection", "2.0.0"),
        ("proj:code", "proj:shape", "proj:transform", "proj:bbox"),
        {
            "code": (str, type(None)),
            "wkt2": (str, type(None)),
            "shape": (list,),
            "transform": (list,),
            "bbox": (list,),
        },
    ),
    Extension("eo", _uri("eo", "1.1.0"), (), {"cloud_cover": _NUMBER}),
    Extension("view", _uri("view", "1.0.0"), (), {"sun_azimuth": _NUMBER, "sun_elevation": _NUMBER}),
    Extension(
        "processing",
        _uri("processing", "1.2.0"),
        ("processing:level", "processing:software", "processing:lineage"),
        {"level": (str,), "software": (dict,), "lineage": (str,), "datetime": (str,)},
    ),
    Extension("file", _uri("file", "2.1.0"), (), {"checksum": (str,), "size": (int,)}),
    Extension("raster", _uri("raster", "1.1.0"), (), {"bands": (list,)}),
    Extension("classification", _uri("classification", "2.0.0"), (), {"classes": (list,)}),
)


def _places(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield item["properties"]
    yield from item["assets"].values()


def check(item: dict[str, Any]) -> None:
    """Fail where a field of an extension is unknown, of another type, or used without naming the extension."""
    known = {extension.prefix: extension for extension in EXTENSIONS}
    used = {name.partition(":")[0] for place in _places(item) for name in place if ":" in name} - {"icewatch"}
    assert used <= set(known)
    assert {known[prefix].uri for prefix in used} == set(item["stac_extensions"])
    for prefix in used:
        extension = known[prefix]
        assert set(extension.required) <= set(item["properties"])
        for place in _places(item):
            for name, value in place.items():
                if name.startswith(f"{prefix}:"):
                    assert isinstance(value, extension.fields[name.removeprefix(f"{prefix}:")]), name
    _values(item)


def _values(item: dict[str, Any]) -> None:
    properties = item["properties"]
    assert len(properties["proj:shape"]) == 2
    assert len(properties["proj:transform"]) in {6, 9}
    assert len(properties["proj:bbox"]) == 4
    assert 0 <= properties.get("eo:cloud_cover", 0) <= 100
    assert -90 <= properties.get("view:sun_elevation", 0) <= 90
    assert 0 <= properties.get("view:sun_azimuth", 0) <= 360
    for asset in item["assets"].values():
        assert len(asset["file:checksum"]) == 68
        for band in asset.get("raster:bands", []):
            assert band["data_type"] in _DATA_TYPES
            assert isinstance(band["scale"], _NUMBER)
        for one in asset.get("classification:classes", []):
            assert isinstance(one["value"], int)
            assert one["name"].replace("_", "").isalnum()
            assert len(one["color_hint"]) == 6


class OfflineValidator(JsonSchemaSTACValidator):
    """Validates against the core schemas that pystac carries, and the extensions by `check`."""

    def validate_extension(self, stac_dict: dict[str, Any], *context: Any, **more: Any) -> str:
        check(stac_dict)
        return str(context[2]).split("/")[3]
