"""The manifest of a SAFE folder: every file with its size and checksum.

Serves the synthetic L1C products and the approximate L2A products. Source of the format: ESA, "Sentinel-2 Products
Specification Document", and manifests of real products.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from shared.models import ProductName

_CHUNK = 1 << 20
_MIME = {".xml": "text/xml", ".jp2": "application/octet-stream", ".html": "text/html"}
_ALGORITHMS = {"SHA3-256": "sha3_256", "MD5": "md5"}


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """What a manifest says besides its list of files."""

    product: ProductName
    start: str  # sensing start, ISO 8601 with milliseconds and Z
    orbit: int  # absolute
    footprint: str  # "lat lon lat lon ...", closed
    made: str  # when and by what: the processing entry's start, ISO 8601
    maker: str  # the processing entry's name
    checksum: str = "SHA3-256"  # or MD5, as products before baseline 03.00


def write_manifest(folder: Path, facts: ManifestFacts) -> None:
    """Write ``folder/manifest.safe`` over all files now in ``folder``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.safe")
    entries = "".join(_entry(folder, path, facts.checksum) for path in files)
    (folder / "manifest.safe").write_text(_HEAD.format(**_fields(facts)) + entries + _TAIL, encoding="utf-8")


def digest(path: Path, algorithm: str) -> str:
    """Hexadecimal digest of a file, read in chunks; ``algorithm`` as manifests name it."""
    state = hashlib.new(_ALGORITHMS[algorithm], usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


def _entry(folder: Path, path: Path, checksum: str) -> str:
    relative = path.relative_to(folder).as_posix()
    name = re.sub(r"[^A-Za-z0-9]+", "_", relative)
    mime = _MIME.get(path.suffix, "application/octet-stream")
    return (
        f"        <dataObject ID={quoteattr(name)}>\n"
        f'            <byteStream mimeType="{mime}" size="{path.stat().st_size}">\n'
        f'                <fileLocation href={quoteattr("./" + relative)} locatorType="URL"/>\n'
        f'                <checksum checksumName="{checksum}">{digest(path, checksum)}</checksum>\n'
        "            </byteStream>\n"
        "        </dataObject>\n"
    )


def _fields(facts: ManifestFacts) -> dict[str, str]:
    level = facts.product.level.value
    return {
        "kind": level.lower(),
        "level": f"Level-{level.removeprefix('L')}",
        "start": escape(facts.start),
        "orbit": f"{facts.orbit:06d}",
        "relative": f"{facts.product.orbit:03d}",
        "number": facts.product.platform.removeprefix("S"),
        "maker": quoteattr(facts.maker),
        "made": quoteattr(facts.made),
        "footprint": escape(facts.footprint),
    }


_HEAD = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<xfdu:XFDU xmlns:gml="http://www.opengis.net/gml" xmlns:safe="http://www.esa.int/safe/sentinel/1.1" \
xmlns:xfdu="urn:ccsds:schema:xfdu:1" version="esa/safe/sentinel/1.1/sentinel-2/msi/archive_{kind}_user_product">
    <informationPackageMap>
        <xfdu:contentUnit dmdID="acquisitionPeriod platform" pdiID="processing" \
textInfo="SENTINEL-2 MSI {level} User Product" unitType="Product_{level}"/>
    </informationPackageMap>
    <metadataSection>
        <metadataObject ID="acquisitionPeriod" category="DMD" classification="DESCRIPTION"><metadataWrap \
mimeType="text/xml" vocabularyName="Sentinel-SAFE"><xmlData><safe:acquisitionPeriod><safe:startTime>{start}\
</safe:startTime></safe:acquisitionPeriod></xmlData></metadataWrap></metadataObject>
        <metadataObject ID="measurementOrbitReference" category="DMD" classification="DESCRIPTION"><metadataWrap \
mimeType="text/xml" vocabularyName="Sentinel-SAFE"><xmlData><safe:orbitReference><safe:orbitNumber \
groundTrackDirection="descending" type="start">{orbit}</safe:orbitNumber><safe:relativeOrbitNumber \
type="start">{relative}</safe:relativeOrbitNumber></safe:orbitReference></xmlData></metadataWrap></metadataObject>
        <metadataObject ID="platform" category="DMD" classification="DESCRIPTION"><metadataWrap mimeType="text/xml" \
vocabularyName="Sentinel-SAFE"><xmlData><safe:platform><safe:familyName>SENTINEL</safe:familyName><safe:number>\
{number}</safe:number><safe:instrument><safe:familyName abbreviation="MSI">Multi-Spectral Instrument\
</safe:familyName></safe:instrument></safe:platform></xmlData></metadataWrap></metadataObject>
        <metadataObject ID="processing" category="PDI" classification="PROVENANCE"><metadataWrap mimeType="text/xml" \
vocabularyName="Sentinel-SAFE"><xmlData><safe:processing name={maker} start={made}/></xmlData></metadataWrap>\
</metadataObject>
        <metadataObject ID="measurementFrameSet" category="DMD" classification="DESCRIPTION"><metadataWrap \
mimeType="text/xml" vocabularyName="Sentinel-SAFE"><xmlData><safe:frameSet><safe:footPrint \
srsName="http://www.opengis.net/gml/srs/epsg.xml#4326"><gml:coordinates>{footprint}</gml:coordinates>\
</safe:footPrint></safe:frameSet></xmlData></metadataWrap></metadataObject>
    </metadataSection>
    <dataObjectSection>
"""
_TAIL = """    </dataObjectSection>
</xfdu:XFDU>
"""
