"""The processing parameters: what is decided from settings and product, and the file that says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from shared.adapters.gipp import COPERNICUS, SRTM, DemSource, dem_for, gipp_xml, parameters, season
from shared.models import ProductName, Tile
from shared.settings import Correction

PRODUCT = ProductName.parse("S2A_MSIL1C_20190716T151911_N0208_R068_T22WEV_20190716T184612")


def values(
    correction: Correction | None = None, dem: DemSource | None = COPERNICUS, dem_folder: str = "dem"
) -> dict[str, str]:
    return parameters(PRODUCT, correction or Correction(), dem=dem, dem_folder=dem_folder)


@pytest.mark.parametrize(
    ("tile", "place", "source"),
    [
        ("22WEV", "Greenland, 67 N", COPERNICUS),
        ("33XWJ", "Svalbard, 80 N", COPERNICUS),
        ("32VNM", "southern Norway, 60 N goes through it", COPERNICUS),
        ("32VNL", "southern Norway, one tile further south", SRTM),
        ("32TMS", "Alps, 46 N", SRTM),
        ("18NXG", "Colombia, 1 N", SRTM),
        ("19FFV", "Tierra del Fuego, 54.6 S", SRTM),
        ("19FEU", "Cape Horn, 56 S goes through it", COPERNICUS),
        ("21EVN", "Antarctic Peninsula, 61 S", COPERNICUS),
        ("01CCV", "Ross Ice Shelf, 72 S", COPERNICUS),
    ],
)
def test_elevation_comes_from_where_it_covers_the_whole_tile(tile: str, place: str, source: DemSource) -> None:
    assert dem_for(Tile(tile)) is source, place


@pytest.mark.parametrize(
    ("version", "source"),
    [("02.12.03", COPERNICUS), ("02.12.04", COPERNICUS), ("3.0", COPERNICUS), ("02.12.02", None), ("2.5.5", None)],
)
def test_a_version_that_cannot_fetch_the_copernicus_dem_is_not_told_to(version: str, source: DemSource | None) -> None:
    assert dem_for(Tile("22WEV"), version) is source
    assert dem_for(Tile("32TMS"), version) is SRTM


@pytest.mark.parametrize(
    ("tile", "months"),
    [
        ("32TMS", range(4, 10)),  # Alps
        ("22WEV", range(6, 9)),  # Greenland: no summer before June
        ("18NXG", range(1, 13)),  # Colombia
        ("19FFV", (10, 11, 12, 1, 2, 3)),  # Tierra del Fuego
        ("01CCV", (12, 1, 2)),  # Antarctica
    ],
)
def test_summer_is_told_by_the_date_the_hemisphere_and_how_near_the_pole_is(tile: str, months: tuple[int, ...]) -> None:
    summer = [month for month in range(1, 13) if season(datetime(2020, month, 15, tzinfo=UTC), Tile(tile)) == "SUMMER"]
    assert summer == sorted(months)


def test_the_usual_parameters_of_a_product_over_greenland() -> None:
    assert values() == {
        "Nr_Threads": "AUTO",
        "DEM_Directory": "dem/CopernicusDEM90_AWS",
        "DEM_Reference": "https://copernicus-dem-90m.s3.eu-central-1.amazonaws.com/",
        "Generate_DEM_Output": "FALSE",
        "Force_Exit_On_DEM_Error": "FALSE",
        "Generate_TCI_Output": "FALSE",
        "Generate_DDV_Output": "FALSE",
        "Downsample_20_to_60": "FALSE",
        "Aerosol_Type": "RURAL",
        "Mid_Latitude": "SUMMER",
        "Ozone_Content": "0",
        "Cirrus_Correction": "TRUE",
        "DEM_Terrain_Correction": "TRUE",
    }


def test_the_settings_decide() -> None:
    decided = values(
        Correction(threads="2", aerosol="MARITIME", season="WINTER", ozone=331, dem="required"), dem_folder="/data/dem"
    )
    assert decided["Nr_Threads"] == "2"
    assert decided["Aerosol_Type"] == "MARITIME"
    assert decided["Mid_Latitude"] == "WINTER"
    assert decided["Ozone_Content"] == "330", "the winter's table next to 331"
    assert decided["Force_Exit_On_DEM_Error"] == "TRUE"
    assert decided["DEM_Directory"] == "/data/dem/CopernicusDEM90_AWS"


def test_without_elevation_the_ground_is_flat_and_that_is_no_error() -> None:
    decided = values(Correction(dem="required"), dem=None)
    assert decided["DEM_Directory"] == decided["DEM_Reference"] == "NONE"
    assert decided["Force_Exit_On_DEM_Error"] == "FALSE"


def test_our_own_file_has_every_value_once_and_the_sections_in_order() -> None:
    root = fromstring(gipp_xml(values()))
    assert root.tag == "Level-2A_Ground_Image_Processing_Parameter"
    assert [section.tag for section in root] == ["Common_Section", "Scene_Classification", "Atmospheric_Correction"]
    assert {name: [one.text for one in root.iter(name)] for name in values()} == {
        name: [value] for name, value in values().items()
    }
    common = [element.tag for element in root[0]]
    assert common[:4] == ["Log_Level", "Region_Of_Interest", "Product_DOI", "Nr_Threads"]
    assert common.index("DEM_Directory") < common.index("Downsample_20_to_60") < common.index("PSD_Scheme")
    assert common[-5:] == ["GIPP_Scheme", "SC_Scheme", "AC_Scheme", "PB_Scheme", "QI_Scheme"]
    assert [scheme.get("PSD_Version") for scheme in root.iter("PSD_Scheme")][-1] == "15.0"
    assert [part.tag for part in root[2]] == ["Look_Up_Tables", "Flags", "Calibration"]


TEMPLATE = """<?xml version="1.0"?><!-- of an older version -->
<Level-2A_Ground_Image_Processing_Parameter><Common_Section><Nr_Threads>8</Nr_Threads>
<Generate_TCI_Output>TRUE</Generate_TCI_Output><Log_Level>DEBUG</Log_Level></Common_Section>
</Level-2A_Ground_Image_Processing_Parameter>"""


def test_the_file_of_the_installation_keeps_its_elements_and_gets_our_values(tmp_path: Path) -> None:
    (tmp_path / "L2A_GIPP.xml").write_text(TEMPLATE)
    root = fromstring(gipp_xml(values(), [tmp_path / "no-such-file", tmp_path / "L2A_GIPP.xml"]))
    assert [(element.tag, element.text) for element in root[0]] == [
        ("Nr_Threads", "AUTO"),
        ("Generate_TCI_Output", "FALSE"),
        ("Log_Level", "DEBUG"),
    ]


@pytest.mark.parametrize(
    "text", ["<GIPP/>", "<Level-2A_Ground_Image_Processing_Parameter/>", "no XML", "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"]
)
def test_a_file_that_is_no_gipp_is_passed_over_with_a_warning(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "L2A_GIPP.xml"
    path.write_text(text)
    assert gipp_xml(values(), [path]) == gipp_xml(values())
    assert f"{path} is not used" in caplog.text


@pytest.mark.parametrize(
    ("wanted", "of_year", "written"),
    [(331, "WINTER", "330"), (331, "SUMMER", "331"), (460, "SUMMER", "450"), (0, "WINTER", "0")],
)
def test_the_ozone_column_is_one_that_the_season_has_a_table_of(wanted: int, of_year: str, written: str) -> None:
    correction = Correction(ozone=wanted, season=of_year)
    assert parameters(PRODUCT, correction, dem=None, dem_folder="")["Ozone_Content"] == written
