"""The ground image processing parameters (GIPP) of one Sen2Cor run: decided here, written as L2A_GIPP.xml.

`parameters` decides the values from settings and product, `gipp_xml` writes them: into the file that came with the
processor where there is one, and into `_OWN` otherwise. The processor's own file comes first because each version
checks it against a schema of its own: elements come and go between versions (Handle_L1C_QLT_Mask and PSD_Version
came with 02.11), and a file with a stranger in it is refused. What such a file does not know is left out of it, what
we do not decide stays as its makers or the operator had it.

Sources: element names and order as in the template of Sen2Cor 02.11 in senbox-org/s2tbx, the newest public one
(s2tbx-sta-adapters/sen2cor211; the entry for format 15.0 is ours by its pattern); address of the Copernicus DEM from
ESA's frequent questions on Sen2Cor (STEP forum, topic 39182), which has it supported from 02.12.03 on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from shared.errors import BadProduct
from shared.models import ProductName, Tile
from shared.safe import xml_root
from shared.settings import Correction

FLAT = "flat"  # in place of the name of a DEM: the ground was taken for flat
_ROOT = "Level-2A_Ground_Image_Processing_Parameter"
_SCHEMA = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
_HALF_TILE = 0.55  # degrees of latitude from the centre of a tile to its farthest corner: 54.9 km and the curvature
_SRTM_NORTH, _SRTM_SOUTH = 60.0, -56.0  # degrees; the shuttle saw nothing beyond
_OZONE = {"SUMMER": (250, 290, 331, 370, 410, 450), "WINTER": (250, 290, 330, 377, 420, 460)}  # by its own GIPP
_POLAR = 60.0  # degrees north and south
_TROPICAL = 30.0
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class DemSource:
    """Where Sen2Cor fetches elevation from, and where below its DEM folder it keeps the tiles."""

    name: str  # as the ledger shows it
    folder: str
    address: str  # Sen2Cor tells the kinds apart by "srtm" and "aws" in it
    since: tuple[int, ...] = ()  # first version that can read it


SRTM = DemSource("SRTM", "srtm", "https://srtm.csi.cgiar.org/wp-content/uploads/files/srtm_5x5/TIFF/")
COPERNICUS = DemSource(
    "CopernicusDEM90",
    "CopernicusDEM90_AWS",
    "https://copernicus-dem-90m.s3.eu-central-1.amazonaws.com/",
    since=(2, 12, 3),
)


def dem_for(tile: Tile, version: str = "") -> DemSource | None:
    """The elevation that covers the whole of ``tile``: SRTM where it does, the Copernicus DEM beyond 60 N and 56 S.

    None where ``version`` of Sen2Cor ("02.10.01"; empty: not known, taken for a new one) cannot read that.
    """
    centre = _latitude(tile)
    source = SRTM if centre - _HALF_TILE >= _SRTM_SOUTH and centre + _HALF_TILE <= _SRTM_NORTH else COPERNICUS
    if version and tuple(int(part) for part in version.split(".")) < source.since:
        return None
    return source


def season(sensing: datetime, tile: Tile) -> str:
    """SUMMER or WINTER: which of Sen2Cor's two mid-latitude atmospheres is the nearer one.

    As Sen2Cor's own automatic has it: summer from April to September in the north, from October to March in the
    south, always within 30 degrees of the equator. Beyond 60 degrees summer is June to August (December to February)
    only: the subarctic winter atmosphere has 257 K at the ground and the subarctic summer 287 K, between 272 K and
    294 K of the two (Anderson et al. 1986, AFGL atmospheric constituent profiles), and spring over ice is winter.
    """
    latitude = _latitude(tile)
    if abs(latitude) < _TROPICAL:
        return "SUMMER"
    month = sensing.month if latitude > 0 else (sensing.month + 5) % 12 + 1  # of the season, as in the north
    first, last = (6, 8) if abs(latitude) >= _POLAR else (4, 9)
    return "SUMMER" if first <= month <= last else "WINTER"


def _latitude(tile: Tile) -> float:
    """Of the centre of the tile's square, in degrees north."""
    from mgrs import MGRS  # type: ignore[import-untyped]

    return float(MGRS().toLatLon(tile.name)[0])


def parameters(
    product: ProductName, correction: Correction, *, dem: DemSource | None, dem_folder: str
) -> dict[str, str]:
    """Element name -> text, of all that we decide for ``product``.

    Args:
        product: What is corrected.
        correction: The settings.
        dem: Elevation to use; None for flat ground.
        dem_folder: Folder that holds the folder of each DEM, absolute or below the processor's home.
    """
    of_year = correction.season or season(product.sensing, product.tile)
    return {
        "Nr_Threads": correction.threads,
        "DEM_Directory": f"{dem_folder}/{dem.folder}" if dem else "NONE",
        "DEM_Reference": dem.address if dem else "NONE",
        "Generate_DEM_Output": "FALSE",
        "Force_Exit_On_DEM_Error": _flag(dem is not None and correction.dem == "required"),
        "Generate_TCI_Output": "FALSE",
        "Generate_DDV_Output": "FALSE",
        "Downsample_20_to_60": "FALSE",
        "Aerosol_Type": correction.aerosol,
        "Mid_Latitude": of_year,
        "Ozone_Content": str(_ozone(correction.ozone, of_year)),
        "Cirrus_Correction": "TRUE",
        "DEM_Terrain_Correction": "TRUE",
    }


def _ozone(wanted: int, of_year: str) -> int:
    """The ozone column (Dobson units) nearest to ``wanted`` that Sen2Cor has a table of; 0 stays: by metadata."""
    tables = _OZONE.get(of_year)
    return min(tables, key=lambda column: abs(column - wanted)) if wanted and tables else wanted


def _flag(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def gipp_xml(values: Mapping[str, str], templates: Sequence[Path] = ()) -> bytes:
    """The whole L2A_GIPP.xml: ``values`` in the first usable of the files ``templates``, or in our own."""
    root = next((root for path in templates if (root := _template(path)) is not None), None)
    if root is None:
        root = _own()
    for name, value in values.items():
        for element in root.iter(name):
            element.text = value
    indent(root, "    ")
    whole: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return whole


def _template(path: Path) -> Element | None:
    """The file as a tree, None where there is none; one that is no GIPP is passed over with a warning."""
    try:
        root = xml_root(path.read_bytes(), path.name)
    except OSError:
        return None
    except BadProduct as error:
        _log.warning("%s is not used: %s", path, error)
        return None
    if root.tag != _ROOT or root.find("Common_Section") is None:
        _log.warning("%s is not used: it holds a %s, and no parameters of Sen2Cor.", path, root.tag)
        return None
    return root


_PSD: Mapping[str, str] = {
    "UP_Scheme_1C": "S2_User_Product_Level-1C_Metadata",
    "UP_Scheme_2A": "S2_User_Product_Level-2A_Metadata",
    "Tile_Scheme_1C": "S2_PDI_Level-1C_Tile_Metadata",
    "Tile_Scheme_2A": "S2_PDI_Level-2A_Tile_Metadata",
    "DS_Scheme_1C": "S2_PDI_Level-1C_Datastrip_Metadata",
    "DS_Scheme_2A": "S2_PDI_Level-2A_Datastrip_Metadata",
}
_FORMATS = ("14.2", "14.6", "14.7", "14.8", "14.9", "15.0")  # of products, as Sen2Cor 02.12.03 reads them

# Section -> element -> text or further elements, in the order of the schema. What `parameters` decides is replaced.
_Tree = Mapping[str, "str | _Tree"]
_COMMON: _Tree = {
    "Log_Level": "INFO",
    "Region_Of_Interest": {"row0": "OFF", "col0": "OFF", "nrow_win": "1200", "ncol_win": "1200"},
    "Product_DOI": "https://doi.org/10.5270/S2_-znk9xsj",
    "Nr_Threads": "AUTO",
    "Product_Generator": "NONE",
    "DEM_Directory": "NONE",
    "DEM_Reference": "NONE",
    "Generate_DEM_Output": "FALSE",
    "Force_Exit_On_DEM_Error": "FALSE",
    "Generate_TCI_Output": "FALSE",
    "Generate_DDV_Output": "FALSE",
    "Handle_L1C_QLT_Mask": "FALSE",
    "Downsample_20_to_60": "FALSE",
    "PSD_Version": "DEFAULT",
}
_SCHEMES: _Tree = {
    "GIPP_Scheme": "L2A_GIPP",
    "SC_Scheme": "L2A_CAL_SC_GIPP",
    "AC_Scheme": "L2A_CAL_AC_GIPP",
    "PB_Scheme": "L2A_PB_GIPP",
    "QI_Scheme": "L2A_QUALITY",
}
_SECTIONS: _Tree = {
    "Scene_Classification": {"Filters": {"Median_Filter": "0"}},
    "Atmospheric_Correction": {
        "Look_Up_Tables": {"Aerosol_Type": "RURAL", "Mid_Latitude": "SUMMER", "Ozone_Content": "0"},
        "Flags": {
            "WV_Correction": "1",
            "VIS_Update_Mode": "1",
            "WV_Watermask": "1",
            "Cirrus_Correction": "TRUE",
            "DEM_Terrain_Correction": "TRUE",
            "BRDF_Correction": "0",
            "BRDF_Lower_Bound": "0.22",
        },
        "Calibration": {
            "Adj_Km": "1.000",
            "Visibility": "40.0",
            "Altitude": "0.100",
            "Smooth_WV_Map": "100.0",
            "WV_Threshold_Cirrus": "0.25",
            "Database_Compression_Level": "0",
        },
    },
}


def _own() -> Element:
    root = Element(_ROOT, {_SCHEMA: "L2A_GIPP.xsd"})
    common = SubElement(root, "Common_Section")
    _grow(common, _COMMON)
    for form in _FORMATS:
        scheme = SubElement(common, "PSD_Scheme", PSD_Version=form, PSD_Reference=f"S2-PDGS-TAS-DI-PSD-V{form}_Schema")
        _grow(scheme, _PSD)
    _grow(common, _SCHEMES)
    _grow(root, _SECTIONS)
    return root


def _grow(parent: Element, tree: _Tree) -> None:
    for name, content in tree.items():
        element = SubElement(parent, name)
        if isinstance(content, str):
            element.text = content
        else:
            _grow(element, content)
