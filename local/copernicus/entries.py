"""A product as a catalogue entry, in the shape of the real catalogue's answers."""

from __future__ import annotations

import re
from typing import Any

from local.copernicus.offers import Offer, instant
from shared.models import Level

_FOREVER = "9999-12-31T23:59:59.999999Z"


def entry(offer: Offer) -> dict[str, Any]:
    """The whole entry with attributes."""
    sensing = f"{offer.sensing:%Y-%m-%dT%H:%M:%S}.024000Z"
    ring = _ring(offer.facts["footprint"])
    text = ", ".join(f"{longitude} {latitude}" for longitude, latitude in ring)
    collection = f"MSI/{offer.level}_N{offer.baseline}"
    return {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": offer.id,
        "Name": offer.safe,
        "ContentType": "application/octet-stream",
        "ContentLength": offer.size,
        "OriginDate": instant(offer.published),
        "PublicationDate": instant(offer.published),
        "ModificationDate": instant(offer.modified),
        "Online": offer.online,
        "EvictionDate": _FOREVER,
        "S3Path": f"/eodata/Sentinel-2/{collection}/{offer.sensing:%Y/%m/%d}/{offer.safe}",
        "Checksum": [
            {"Value": c.value, "Algorithm": c.algorithm, "ChecksumDate": instant(offer.modified)}
            for c in offer.checksums
        ],
        "ContentDate": {"Start": sensing, "End": sensing},
        "Footprint": f"geography'SRID=4326;POLYGON (({text}))'",
        "GeoFootprint": {"type": "Polygon", "coordinates": [ring]},
        "Attributes": _attributes(offer, sensing),
    }


def _attributes(offer: Offer, sensing: str) -> list[dict[str, Any]]:
    facts = offer.facts
    kind = "S2MSI1C" if offer.level is Level.L1C else "S2MSI2A"
    orbit = re.search(r"_R([0-9]{3})_", offer.name)
    datatake = facts["datatake"]  # GS2A_20210712T150911_031623_N05.11
    values: dict[str, tuple[str, Any]] = {
        "origin": ("String", "ESA"),
        "tileId": ("String", offer.tile.name),
        "cloudCover": ("Double", offer.cloud_cover),
        "datastripId": ("String", facts["datastrip"]),
        "orbitNumber": ("Integer", int(datatake.split("_")[2])),
        "processingDate": ("DateTimeOffset", instant(offer.published)),
        "productGroupId": ("String", datatake),
        "operationalMode": ("String", "INS-NOBS"),
        "processingLevel": ("String", kind),
        "processorVersion": ("String", f"{offer.baseline[:2]}.{offer.baseline[2:]}"),
        "granuleIdentifier": ("String", facts["granule"]),
        "platformShortName": ("String", "SENTINEL-2"),
        "instrumentShortName": ("String", "MSI"),
        "relativeOrbitNumber": ("Integer", int(orbit[1]) if orbit else 0),
        "platformSerialIdentifier": ("String", offer.name[2]),
        "productType": ("String", kind),
        "beginningDateTime": ("DateTimeOffset", sensing),
        "endingDateTime": ("DateTimeOffset", sensing),
    }
    return [
        {"@odata.type": f"#OData.CSC.{kind}Attribute", "Name": attribute, "Value": value, "ValueType": kind}
        for attribute, (kind, value) in values.items()
    ]


def _ring(footprint: str) -> list[list[float]]:
    """Longitude and latitude pairs from ESA's list of latitudes and longitudes."""
    numbers = [float(text) for text in footprint.split()]
    return [[longitude, latitude] for latitude, longitude in zip(numbers[::2], numbers[1::2], strict=True)]
