"""What the simulated Copernicus offers: products read from zips, or as little as a catalogue entry needs."""

from __future__ import annotations

import hashlib
import re
import uuid
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import BadProduct
from shared.models import Checksum, Level, ProductName, Tile

_CHUNK = 1 << 20
_NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # for names that are addresses (RFC 9562)
_FOOTPRINT = "60.0 -50.0 60.0 -48.0 59.0 -48.0 59.0 -50.0 60.0 -50.0"  # of an entry without metadata


@dataclass(frozen=True, slots=True)
class Offer:
    """A product on offer."""

    id: str
    name: str  # without .SAFE; a compact one, or the long one of before 2016-12-06
    tile: Tile
    level: Level
    sensing: datetime
    content: Path | bytes  # the zip
    size: int  # bytes
    checksums: tuple[Checksum, ...]
    facts: Mapping[str, str]  # what the product's own metadata says
    published: datetime
    modified: datetime
    online: bool
    cloud_cover: float  # percent

    @property
    def safe(self) -> str:
        """Name of the SAFE folder."""
        return f"{self.name}.SAFE"

    @property
    def baseline(self) -> str:
        """Four digits."""
        return self.facts["datatake"][-5:].replace(".", "")  # GS2A_20210712T150911_031623_N05.11


def read_offer(file: Path, *, published: datetime, online: bool, cloud_cover: float | None) -> Offer:
    """Describe the zip ``file``; its name is its product's. Raises BadName or BadProduct where it is no product."""
    name = ProductName.parse(file.name)
    facts = _facts(file, name)
    return Offer(
        id=identifier(str(name)),
        name=str(name),
        tile=name.tile,
        level=name.level,
        sensing=name.sensing,
        content=file,
        size=file.stat().st_size,
        checksums=(Checksum("MD5", _md5(file)),),
        facts=facts,
        published=published,
        modified=published,
        online=online,
        cloud_cover=float(facts["cloud"]) if cloud_cover is None else cloud_cover,
    )


def bare_offer(
    name: str, body: bytes, *, product_id: str, tile: Tile, level: Level, sensing: datetime, published: datetime
) -> Offer:
    """An entry whose zip is ``body``, whatever that is, with invented metadata."""
    baseline = name.split("_")[3][1:] if re.fullmatch(r"S2[A-Z]_MSI.*", name) else "0204"
    datatake = f"GS2A_{sensing:%Y%m%dT%H%M%S}_031623_N{baseline[:2]}.{baseline[2:]}"
    return Offer(
        id=product_id or identifier(name),
        name=name,
        tile=tile,
        level=level,
        sensing=sensing,
        content=body,
        size=len(body),
        checksums=(Checksum("MD5", hashlib.md5(body, usedforsecurity=False).hexdigest()),),
        facts={"datastrip": "DS", "granule": "TL", "datatake": datatake, "footprint": _FOOTPRINT},
        published=published,
        modified=published,
        online=True,
        cloud_cover=10.0,
    )


def identifier(name: str) -> str:
    """The identifier of a product, which follows from its name."""
    return str(uuid.uuid5(_NAMESPACE, name))


def instant(when: datetime) -> str:
    """``when`` as the catalogues write it."""
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


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
