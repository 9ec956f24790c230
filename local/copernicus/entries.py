"""A product zip as a catalogue entry, in the shape of the real catalogue's answers."""

from __future__ import annotations

import hashlib
import re
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.errors import BadProduct
from shared.models import Level, ProductName

_CHUNK = 1 << 20
_FOREVER = "9999-12-31T23:59:59.999999Z"
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # for names that are addresses (RFC 9562)


@dataclass(frozen=True, slots=True)
class Offer:
    """A product that the simulated Copernicus offers."""

    id: str
    name: ProductName
    file: Path  # the zip
    size: int  # bytes
    md5: str
    facts: Mapping[str, str]  # what the product's own metadata says
    published: datetime
    modified: datetime
    online: bool
    cloud_cover: float  # percent


def read_offer(file: Path, *, published: datetime, online: bool, cloud_cover: float | None) -> Offer:
    """Describe the zip ``file``; its name is its product's. Raises BadName or BadProduct where it is no product."""
    name = ProductName.parse(file.name)
    facts = _facts(file, name)
    return Offer(
        id=str(uuid.uuid5(_NAMESPACE, str(name))),
        name=name,
        file=file,
        size=file.stat().st_size,
        md5=_md5(file),
        facts=facts,
        published=published,
        modified=published,
        online=online,
        cloud_cover=float(facts["cloud"]) if cloud_cover is None else cloud_cover,
    )


def _facts(file: Path, name: ProductName) -> dict[str, str]:
    leaf = f"MTD_MSI{name.level}.xml"
    try:
        with zipfile.ZipFile(file) as archive:
            text = archive.read(f"{name.safe}/{leaf}").decode("utf-8")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as cause:
        raise BadProduct(f"{file.name} is no zip with a readable {leaf}.") from cause
    patterns = {
        "cloud": r"<Cloud_Coverage_Assessment>([0-9.]+)<",
        "datastrip": r'datastripIdentifier="([^"]+)"',
        "granule": r'granuleIdentifier="([^"]+)"',
        "datatake": r'datatakeIdentifier="([^"]+)"',
        "footprint": r"<EXT_POS_LIST>([-0-9. ]+)<",
    }
    found = {fact: re.search(pattern, text) for fact, pattern in patterns.items()}
    if missing := [fact for fact, match in found.items() if match is None]:
        raise BadProduct(f"{leaf} of {name} does not say its {', '.join(missing)}.")
    return {fact: match[1] for fact, match in found.items() if match is not None}


def _md5(file: Path) -> str:
    state = hashlib.md5(usedforsecurity=False)
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def entry(offer: Offer, *, md5: str) -> dict[str, Any]:
    """The whole entry with attributes; ``md5`` is what the catalogue claims, which a fault may falsify."""
    sensing = f"{offer.name.sensing:%Y-%m-%dT%H:%M:%S}.024000Z"
    ring = _ring(offer.facts["footprint"])
    text = ", ".join(f"{longitude} {latitude}" for longitude, latitude in ring)
    collection = f"MSI/{offer.name.level}_N{offer.name.baseline}"
    return {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": offer.id,
        "Name": offer.name.safe,
        "ContentType": "application/octet-stream",
        "ContentLength": offer.size,
        "OriginDate": _instant(offer.published),
        "PublicationDate": _instant(offer.published),
        "ModificationDate": _instant(offer.modified),
        "Online": offer.online,
        "EvictionDate": _FOREVER,
        "S3Path": f"/eodata/Sentinel-2/{collection}/{offer.name.sensing:%Y/%m/%d}/{offer.name.safe}",
        "Checksum": [{"Value": md5, "Algorithm": "MD5", "ChecksumDate": _instant(offer.modified)}],
        "ContentDate": {"Start": sensing, "End": sensing},
        "Footprint": f"geography'SRID=4326;POLYGON (({text}))'",
        "GeoFootprint": {"type": "Polygon", "coordinates": [ring]},
        "Attributes": _attributes(offer, sensing),
    }


def _attributes(offer: Offer, sensing: str) -> list[dict[str, Any]]:
    name, facts = offer.name, offer.facts
    kind = "S2MSI1C" if name.level is Level.L1C else "S2MSI2A"
    datatake = facts["datatake"]  # GS2A_20210712T150911_031623_N05.11
    values: dict[str, tuple[str, Any]] = {
        "origin": ("String", "ESA"),
        "tileId": ("String", name.tile.name),
        "cloudCover": ("Double", offer.cloud_cover),
        "datastripId": ("String", facts["datastrip"]),
        "orbitNumber": ("Integer", int(datatake.split("_")[2])),
        "processingDate": ("DateTimeOffset", f"{name.discriminator:%Y-%m-%dT%H:%M:%S}.000000Z"),
        "productGroupId": ("String", datatake),
        "operationalMode": ("String", "INS-NOBS"),
        "processingLevel": ("String", kind),
        "processorVersion": ("String", f"{name.baseline[:2]}.{name.baseline[2:]}"),
        "granuleIdentifier": ("String", facts["granule"]),
        "platformShortName": ("String", "SENTINEL-2"),
        "instrumentShortName": ("String", "MSI"),
        "relativeOrbitNumber": ("Integer", name.orbit),
        "platformSerialIdentifier": ("String", name.platform[2:]),
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


def _instant(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
