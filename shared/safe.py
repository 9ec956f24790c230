"""The SAFE folder format of Sentinel-2: which file is which, and what the metadata says.

Works on names and bytes only, so that it serves a zip, a local folder and a virtual folder alike.
Source: ESA, "Sentinel-2 Products Specification Document" (S2-PDGS-TAS-DI-PSD), product formats 13 to 15.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from shared.errors import BadProduct
from shared.models import Level, shown

# Position is the band_id of the metadata's offset list.
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
_BAND_OF_ID: Mapping[str, str] = {str(position): band for position, band in enumerate(BANDS)}
NATIVE_METRES: Mapping[str, int] = {
    band: 10 if band in {"B02", "B03", "B04", "B08"} else 60 if band in {"B01", "B09", "B10"} else 20 for band in BANDS
}
ICE_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12")  # the classifier's nine, at 20 m
_MAX_XML = 8 * 1024 * 1024  # bytes; real ones have at most 1 MB, and a parsed tree takes some twenty times the text
_MOST_PLAIN = 100  # characters of a name or version
_MOST_PIXELS = 10_980  # side of a tile at 10 m
# What ESA and the processors after its format have used is 10000, and 1000 in the first drafts of it.
_QUANTIFICATIONS = (1000.0, 20000.0)
_LARGEST = 65535  # of the digital numbers
_FARTHEST = 1e7  # metres, easting and northing of any place in UTM


@dataclass(frozen=True, slots=True)
class ProductMetadata:
    """What MTD_MSIL1C.xml or MTD_MSIL2A.xml says about the digital numbers.

    reflectance = (DN + offset[band]) / quantification, for DN that are not ``nodata``.
    """

    level: Level
    baseline: str  # "05.11"
    spacecraft: str  # "Sentinel-2A"
    quantification: float
    offsets: Mapping[str, int]  # band -> digital numbers to add; 0 before baseline 04.00
    nodata: int
    saturated: int
    correction: str  # what made an L2A product, where the metadata says so; "" otherwise


@dataclass(frozen=True, slots=True)
class TileMetadata:
    """What MTD_TL.xml says about place and light."""

    epsg: int
    upper_left: tuple[float, float]  # easting, northing in metres, outer corner of the first pixel
    shapes: Mapping[int, tuple[int, int]]  # pixel size in metres -> rows, columns
    sun_zenith: float  # degrees, mean over the tile
    sun_azimuth: float  # degrees clockwise from north, mean over the tile


@dataclass(frozen=True, slots=True)
class L2AFiles:
    """The members of an L2A folder that classification reads, as paths relative to the folder."""

    resolution: int  # metres
    bands: Mapping[str, str]  # the nine of ICE_BANDS
    scl: str
    cloud_probability: str
    product_metadata: str
    tile_metadata: str


def xml_root(xml: bytes, source: str) -> Element:
    """The root of metadata from outside; ``source`` names it in errors. BadProduct where it is no harmless XML."""
    if len(xml) > _MAX_XML:
        raise BadProduct(f"{source} is {len(xml)} bytes long; metadata is at most {_MAX_XML}.")
    try:
        root: Element = fromstring(xml, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as cause:  # the last: an unknown encoding
        raise BadProduct(f"{source} is no readable XML: {shown(cause)}.") from cause
    return root


def _text(root: Element, tag: str, source: str) -> str:
    found = root.find(f".//{tag}")
    if found is None or not (found.text or "").strip():
        raise BadProduct(f"{source} has no {tag}.")
    return (found.text or "").strip()


def _plain(text: str) -> str:
    """A name or version as metadata states it, of what such names are made of.

    It ends up in tables and pages: what spreadsheets take for a formula (=, +, -, @ at its begin) stays outside.
    """
    return re.sub(r"[^A-Za-z0-9_ .:/+,()-]", "", text).strip(" +-")[:_MOST_PLAIN].rstrip()


def _number(root: Element, tag: str, source: str, most: float = math.inf) -> float:
    """A number; with ``most`` one of 0 to that."""
    text = _text(root, tag, source)
    try:
        value = float(text)
    except ValueError as cause:
        raise BadProduct(f"{source} says {tag} is '{shown(text)}', which is no number.") from cause
    if not math.isfinite(value):
        raise BadProduct(f"{source} says {tag} is '{shown(text)}', which is no number.")
    if most < math.inf and not 0 <= value <= most:
        raise BadProduct(f"{source} says {tag} is {value:g}; expected 0 to {most:g}.")
    return value


def parse_product_metadata(xml: bytes, source: str) -> ProductMetadata:
    """Read MTD_MSIL1C.xml or MTD_MSIL2A.xml; ``source`` names the file in errors.

    Raises BadProduct where it does not parse, lacks the quantification, states one outside 1000 to 20000, an offset
    outside -quantification to 0, or offsets for some bands only.
    """
    root = xml_root(xml, source)
    level = {"Level-1C": Level.L1C}.get(_text(root, "PROCESSING_LEVEL", source), Level.L2A)
    prefix, offset_tag = ("", "RADIO_ADD_OFFSET") if level is Level.L1C else ("BOA_", "BOA_ADD_OFFSET")
    quantification = _number(root, f"{prefix}QUANTIFICATION_VALUE", source)
    low, high = _QUANTIFICATIONS
    if not low <= quantification <= high:
        raise BadProduct(f"{source} says the quantification is {quantification:g}; expected {low:g} to {high:g}.")
    special = {
        (entry.findtext("SPECIAL_VALUE_TEXT") or "").strip(): (entry.findtext("SPECIAL_VALUE_INDEX") or "").strip()
        for entry in root.iter("Special_Values")
    }
    return ProductMetadata(
        level=level,
        baseline=_plain(_text(root, "PROCESSING_BASELINE", source)),
        spacecraft=_plain(_text(root, "SPACECRAFT_NAME", source)),
        quantification=quantification,
        offsets=_offsets(root, offset_tag, quantification, source),
        nodata=_special(special, "NODATA", 0, source),
        saturated=_special(special, "SATURATED", 65535, source),
        correction=_plain(root.findtext(".//L2A_PROCESSOR") or ""),
    )


def _special(stated: Mapping[str, str], name: str, default: int, source: str) -> int:
    text = stated.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > _LARGEST:
        raise BadProduct(
            f"{source} says the special value {name} is '{shown(text)}'; expected a digital number, 0 to {_LARGEST}."
        )
    return int(text)


def _offsets(root: Element, tag: str, quantification: float, source: str) -> dict[str, int]:
    """Band -> offset. An offset makes room for reflectances below 0: it takes away, and never more than 1."""
    stated = list(root.iter(tag))
    if not stated:
        return dict.fromkeys(BANDS, 0)  # baselines before 04.00 state none
    offsets: dict[str, int] = {}
    for entry in stated:
        band, text = _BAND_OF_ID.get(entry.get("band_id", "")), (entry.text or "").strip()
        if band is None or not re.fullmatch(r"[+-]?[0-9]{1,9}(\.0{0,9})?", text):
            raise BadProduct(f"{source} has a {tag} that does not parse: '{shown(text)}', {shown(entry.attrib)}.")
        offset = int(text.partition(".")[0])
        if not -quantification <= offset <= 0:
            raise BadProduct(f"{source} says the {tag} of {band} is {offset}; expected -{quantification:g} to 0.")
        offsets[band] = offset
    if missing := [band for band in ICE_BANDS if band not in offsets]:
        raise BadProduct(f"{source} states a {tag} for some bands but not for {', '.join(missing)}.")
    without = [band for band in ICE_BANDS if offsets[band] == 0]
    if 0 < len(without) < len(ICE_BANDS):
        raise BadProduct(
            f"{source} states a {tag} for some bands and 0 for {', '.join(without)}; all have one, or none."
        )
    return offsets


def parse_tile_metadata(xml: bytes, source: str) -> TileMetadata:
    """Read MTD_TL.xml; ``source`` names the file in errors. Raises BadProduct where it does not parse."""
    root = xml_root(xml, source)
    code = _text(root, "HORIZONTAL_CS_CODE", source)
    if (match := re.fullmatch(r"EPSG:(32[67](?:0[1-9]|[1-5][0-9]|60))", code, re.IGNORECASE)) is None:
        raise BadProduct(
            f"{source} names the coordinate system '{shown(code)}'; expected a UTM zone, EPSG:326.. or 327..."
        )
    easting, northing = _number(root, "ULX", source), _number(root, "ULY", source)
    if not (abs(easting) <= _FARTHEST and abs(northing) <= _FARTHEST):
        raise BadProduct(f"{source} puts the corner at {easting:g}, {northing:g}, which is in no UTM zone.")
    sun = root.find(".//Mean_Sun_Angle")
    if sun is None:
        raise BadProduct(f"{source} has no Mean_Sun_Angle.")
    return TileMetadata(
        epsg=int(match[1]),
        upper_left=(easting, northing),
        shapes=_shapes(root, source),
        sun_zenith=_number(sun, "ZENITH_ANGLE", source, most=90),  # by night nothing is reflected
        sun_azimuth=_number(sun, "AZIMUTH_ANGLE", source, most=360),
    )


def _shapes(root: Element, source: str) -> dict[int, tuple[int, int]]:
    shapes: dict[int, tuple[int, int]] = {}
    for size in root.iter("Size"):
        told = [size.get("resolution", ""), size.findtext("NROWS", ""), size.findtext("NCOLS", "")]
        try:
            metres, rows, columns = (int(text) for text in told)
        except ValueError as cause:
            raise BadProduct(f"{source} has a tile size that does not parse: {shown(told)}.") from cause
        if not (1 <= rows <= _MOST_PIXELS and 1 <= columns <= _MOST_PIXELS):
            raise BadProduct(f"{source} states {rows} x {columns} pixels; a tile has at most {_MOST_PIXELS} a side.")
        shapes[metres] = rows, columns
    return shapes


def _one(names: list[str], pattern: str) -> str | None:
    found = sorted(name for name in names if re.fullmatch(pattern, name))
    return found[0] if found else None


def l2a_files(names: Iterable[str], resolution: int, product: str) -> L2AFiles:
    """Find what classification at ``resolution`` metres reads among the member names of an L2A folder.

    Raises BadProduct naming every missing piece. Older products call the cloud probability ``*_CLD_20m.jp2``.
    """
    members = list(names)
    image, quality = rf"GRANULE/[^/]+/IMG_DATA/R{resolution}m/[^/]*_", r"GRANULE/[^/]+/QI_DATA/"
    suffix = rf"_{resolution}m\.jp2"
    wanted = {band: image + band + suffix for band in ICE_BANDS} | {
        "SCL": f"{image}SCL{suffix}",
        "cloud probability": rf"{quality}(MSK_CLDPRB{suffix}|[^/]*_CLD{suffix})",
        "MTD_MSIL2A.xml": r"MTD_MSIL2A\.xml",
        "MTD_TL.xml": r"GRANULE/[^/]+/MTD_TL\.xml",
    }
    found = {piece: _one(members, pattern) for piece, pattern in wanted.items()}
    if missing := [piece for piece, name in found.items() if name is None]:
        raise BadProduct(f"{product} is incomplete at {resolution} m: {', '.join(missing)} missing.")
    present = {piece: name for piece, name in found.items() if name is not None}
    return L2AFiles(
        resolution=resolution,
        bands={band: present[band] for band in ICE_BANDS},
        scl=present["SCL"],
        cloud_probability=present["cloud probability"],
        product_metadata=present["MTD_MSIL2A.xml"],
        tile_metadata=present["MTD_TL.xml"],
    )


def finest_resolution(names: Iterable[str]) -> int:
    """The resolution, in metres, to classify an L2A folder at: 20, or 60 where only that is complete.

    Where neither is, 20: what is missing there is what people want to read about.
    """
    members = list(names)
    try:
        l2a_files(members, 60, "")
    except BadProduct:
        return 20
    try:
        l2a_files(members, 20, "")
    except BadProduct:
        return 60
    return 20


def l1c_files(names: Iterable[str], product: str) -> dict[str, str]:
    """Find the thirteen bands and the metadata of an L1C folder: band, or file name -> member path.

    Raises BadProduct naming every missing piece.
    """
    members = list(names)
    wanted = {band: rf"GRANULE/[^/]+/IMG_DATA/[^/]*_{band}\.jp2" for band in BANDS} | {
        "manifest.safe": r"manifest\.safe",
        "MTD_MSIL1C.xml": r"MTD_MSIL1C\.xml",
        "MTD_TL.xml": r"GRANULE/[^/]+/MTD_TL\.xml",
    }
    found = {piece: _one(members, pattern) for piece, pattern in wanted.items()}
    if missing := [piece for piece, name in found.items() if name is None]:
        raise BadProduct(f"{product} is incomplete: {', '.join(missing)} missing.")
    return {piece: name for piece, name in found.items() if name is not None}


_CONTENT_TYPES = {
    ".xml": "application/xml",
    ".safe": "application/xml",
    ".gml": "application/gml+xml",
    ".jp2": "image/jp2",
    ".html": "text/html",
    ".png": "image/png",
    ".json": "application/json",
    ".jpg": "image/jpeg",
    ".xsd": "application/xml",
    ".xsl": "application/xml",
}


def content_type(name: str) -> str:
    """The media type of a member of a SAFE folder, by the ending of its name."""
    return _CONTENT_TYPES.get(name[name.rfind(".") :].lower(), "application/octet-stream")
