"""The files of an L1C product that no step of IceWatch reads, but Sen2Cor and people expect to be there."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

from local.scenes.identity import Identity
from shared.safe import BANDS

_REPORTS = ("FORMAT_CORRECTNESS", "GENERAL_QUALITY", "GEOMETRIC_QUALITY", "RADIOMETRIC_QUALITY", "SENSOR_QUALITY")
_MASKS = ("DEFECT", "NODATA", "SATURA", "TECQUA")
_NOTE = "Synthetic scene made by IceWatch; contains no Copernicus Sentinel data."


def write_extras(safe: Path, identity: Identity) -> None:
    """Write quality reports, empty masks, the notes on auxiliary data, and the pages of the SAFE folder."""
    granule = safe / "GRANULE" / identity.granule
    for folder in (granule / "QI_DATA", safe / "DATASTRIP" / identity.datastrip / "QI_DATA"):
        for report in _REPORTS:
            (folder / f"{report}.xml").write_text(_report(report, identity), encoding="utf-8")
    for band in BANDS:
        for mask in _MASKS:
            name = f"MSK_{mask}_{band}"
            (granule / "QI_DATA" / f"{name}.gml").write_text(_empty_mask(name, identity), encoding="utf-8")
    cloud = "MSK_CLOUDS_B00"
    (granule / "QI_DATA" / f"{cloud}.gml").write_text(_empty_mask(cloud, identity), encoding="utf-8")
    (granule / "AUX_DATA" / "AUX_ECMWFT").write_text(_NOTE + "\n", encoding="utf-8")
    for path, text in {
        "INSPIRE.xml": _inspire(identity),
        "HTML/UserProduct_index.html": f"<!DOCTYPE html><title>{identity.product}</title><p>{_NOTE}</p>\n",
        "HTML/UserProduct_index.xsl": _STYLESHEET,
        "rep_info/S2_User_Product_Level-1C_Metadata.xsd": _SCHEMA,
    }.items():
        (safe / path).write_text(text, encoding="utf-8")


def _report(name: str, identity: Identity) -> str:
    when = identity.made.replace("000000Z", "000Z")
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Earth_Explorer_File xmlns="http://gs2.esa.int/DATA_STRUCTURE/olqcReport">
  <Earth_Explorer_Header><Fixed_Header><File_Name>{name}.xml</File_Name><File_Description>{escape(_NOTE)}\
</File_Description><Mission>{identity.product.platform}</Mission></Fixed_Header></Earth_Explorer_Header>
  <Data_Block type="xml"><report gippVersion="1.0" globalStatus="PASSED" date="{when}"><checkList><name>{name}</name>\
<version>1.0</version></checkList></report></Data_Block>
</Earth_Explorer_File>
"""


def _empty_mask(name: str, identity: Identity) -> str:
    """A mask without members, as ESA writes one; the synthetic scenes tell nothing about clouds but by their pixels."""
    kind, band = name.removeprefix("MSK_").split("_")
    platform, made = identity.product.platform, f"{identity.product.discriminator:%Y%m%dT%H%M%S}"
    whole = f"{platform}_OPER_MSK_{kind}_{identity.centre}_{made}_A{identity.orbit:06d}_T{identity.product.tile}_{band}"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<eop:Mask xmlns:eop="http://www.opengis.net/eop/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" gml:id="{whole}_MSIL1C">
  <gml:name>MSK_{kind} pixels mask from data-strip {whole}_MSIL1C</gml:name>
  <eop:maskMembers/>
</eop:Mask>
"""


def _inspire(identity: Identity) -> str:
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<gmd:MD_Metadata xmlns:gco="http://www.isotc211.org/2005/gco" xmlns:gmd="http://www.isotc211.org/2005/gmd">
  <gmd:fileIdentifier><gco:CharacterString>{identity.product.safe}</gco:CharacterString></gmd:fileIdentifier>
  <gmd:dateStamp><gco:Date>{identity.product.discriminator:%Y-%m-%d}</gco:Date></gmd:dateStamp>
</gmd:MD_Metadata>
"""


_STYLESHEET = """<?xml version="1.0" encoding="UTF-8"?>
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"/>
"""
_SCHEMA = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"/>
"""
