"""The SAFE folder format: real metadata parses, and what is wrong is refused with the file and the reason."""

from __future__ import annotations

import zipfile
from collections.abc import Callable

import pytest

from shared.errors import BadProduct
from shared.models import Level
from shared.safe import BANDS, ICE_BANDS, l1c_files, l2a_files, parse_product_metadata, parse_tile_metadata
from tests.conftest import SHARED, needs_shared

SAFES = SHARED / "data" / "safe"
REAL_L2A = SAFES / "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE"
REAL_L1C = (  # file, baseline, tile's EPSG code
    ("S2B_MSIL1C_20170719T000219_N0205_R030_T56JKT_20170719T000218", "02.05", 32756),
    ("S2A_MSIL1C_20180629T000241_N0206_R030_T56JMM_20180629T012042", "02.06", 32756),
    ("S2A_MSIL1C_20201031T004711_N0209_R102_T53JQJ_20201031T022859", "02.09", 32753),
    ("S2A_MSIL1C_20210713T032051_N0301_R032_T48LWP_20210713T054224", "03.01", 32748),
)

PRODUCT = """<?xml version="1.0"?>
<n1:P xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-1C.xsd"><n1:General_Info>
<PROCESSING_LEVEL>Level-1C</PROCESSING_LEVEL><PROCESSING_BASELINE>05.11</PROCESSING_BASELINE>
<SPACECRAFT_NAME>Sentinel-2B</SPACECRAFT_NAME>
<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
<Special_Values><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX></Special_Values>
<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE><Radiometric_Offset_List>
{offsets}</Radiometric_Offset_List></n1:General_Info></n1:P>""".format(
    offsets="".join(f'<RADIO_ADD_OFFSET band_id="{i}">-1000</RADIO_ADD_OFFSET>\n' for i in range(13))
)
TILE = """<?xml version="1.0"?>
<T><HORIZONTAL_CS_CODE>EPSG:32622</HORIZONTAL_CS_CODE>
<Size resolution="10"><NROWS>10980</NROWS><NCOLS>10980</NCOLS></Size>
<Size resolution="20"><NROWS>5490</NROWS><NCOLS>5490</NCOLS></Size>
<Geoposition resolution="10"><ULX>499980</ULX><ULY>7500000</ULY><XDIM>10</XDIM><YDIM>-10</YDIM></Geoposition>
<Mean_Sun_Angle><ZENITH_ANGLE unit="deg">46.5</ZENITH_ANGLE>
<AZIMUTH_ANGLE unit="deg">189.25</AZIMUTH_ANGLE></Mean_Sun_Angle>
</T>"""


@needs_shared
class TestRealMetadata:
    @pytest.mark.parametrize(("name", "baseline", "epsg"), REAL_L1C, ids=[case[1] for case in REAL_L1C])
    def test_of_l1c_products_of_several_baselines_parses(self, name: str, baseline: str, epsg: int) -> None:
        with zipfile.ZipFile(SAFES / f"{name}.zip") as archive:
            names = [member.split("/", 1)[1] for member in archive.namelist() if "/" in member]
            files = l1c_files(names, name)
            [top] = {member.split("/", 1)[0] for member in archive.namelist()}
            product = parse_product_metadata(archive.read(f"{top}/{files['MTD_MSIL1C.xml']}"), name)
            tile = parse_tile_metadata(archive.read(f"{top}/{files['MTD_TL.xml']}"), name)
        assert (product.level, product.baseline, product.quantification) == (Level.L1C, baseline, 10_000)
        assert set(product.offsets.values()) == {0}
        assert (product.nodata, product.saturated) == (0, 65535)
        assert tile.epsg == epsg
        assert tile.shapes == {10: (10980, 10980), 20: (5490, 5490), 60: (1830, 1830)}
        assert 0 < tile.sun_zenith < 90

    def test_of_an_l2a_product_with_offsets_parses(self) -> None:
        names = [str(file.relative_to(REAL_L2A)) for file in REAL_L2A.rglob("*") if file.is_file()]
        files = l2a_files(names, 60, REAL_L2A.name)
        product = parse_product_metadata((REAL_L2A / files.product_metadata).read_bytes(), files.product_metadata)
        tile = parse_tile_metadata((REAL_L2A / files.tile_metadata).read_bytes(), files.tile_metadata)
        assert (product.level, product.baseline, product.spacecraft) == (Level.L2A, "04.00", "Sentinel-2A")
        assert (product.quantification, set(product.offsets.values())) == (10_000, {-1000})
        assert (tile.epsg, tile.shapes[20]) == (32629, (5490, 5490))
        assert files.cloud_probability.endswith("MSK_CLDPRB_60m.jp2")

    def test_of_that_product_says_which_bands_are_missing_at_20_metres(self) -> None:
        names = [str(file.relative_to(REAL_L2A)) for file in REAL_L2A.rglob("*") if file.is_file()]
        with pytest.raises(BadProduct, match=r"incomplete at 20 m: B02, B03, .*B12 missing\."):
            l2a_files(names, 20, REAL_L2A.name)


def test_offsets_quantification_and_special_values_come_from_the_metadata() -> None:
    product = parse_product_metadata(PRODUCT.encode(), "MTD_MSIL1C.xml")
    assert product.offsets == dict.fromkeys(BANDS, -1000)
    assert (product.baseline, product.spacecraft) == ("05.11", "Sentinel-2B")


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ("Sen2Cor 02.12.03", "Sen2Cor 02.12.03"),
        ("approximate 1 (flat, 20 m)", "approximate 1 (flat, 20 m)"),
        ('=HYPERLINK("http://evil","x")', "HYPERLINK(http://evil,x)"),
        ("+-+1+cmd|' /C calc'!A0", "1+cmd /C calcA0"),
        ("@SUM(1)\ta\n\u202eb", "SUM(1)ab"),
        ("x" * 5000, "x" * 100),
        ("=", ""),
    ],
)
def test_what_corrected_a_product_is_no_more_than_a_name(stated: str, kept: str) -> None:
    said = PRODUCT.replace("</n1:P>", f"<L2A_PROCESSOR>{stated}</L2A_PROCESSOR></n1:P>")
    assert parse_product_metadata(said.encode(), "m").correction == kept


def test_metadata_without_offsets_means_none_are_added() -> None:
    assert parse_product_metadata(without(PRODUCT, "RADIO_ADD_OFFSET").encode(), "m").offsets == dict.fromkeys(BANDS, 0)


@pytest.mark.parametrize("text", ["-1000.0", "-1000.", " -1000 "])
def test_an_offset_may_be_written_as_a_decimal_number(text: str) -> None:
    product = parse_product_metadata(PRODUCT.replace('"8">-1000', f'"8">{text}').encode(), "m")
    assert product.offsets["B8A"] == -1000


def test_offsets_belong_to_the_band_that_their_number_names() -> None:
    text = PRODUCT.replace('band_id="8">-1000', 'band_id="8">-999')
    assert [band for band, offset in parse_product_metadata(text.encode(), "m").offsets.items() if offset == -999] == [
        "B8A"
    ]


def without(text: str, piece: str) -> str:
    return "\n".join(line for line in text.splitlines() if piece not in line)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no readable XML"),
        ("<P>", "no readable XML"),
        ("<!DOCTYPE P [<!ENTITY x 'y'>]><P>&x;</P>", "no readable XML"),
        ("<?xml version='1.0' encoding='x-unknown'?><P/>", "no readable XML"),
        ("<P/>", "has no PROCESSING_LEVEL"),
        (PRODUCT.replace(">10000<", ">nan<"), "'nan', which is no number"),
        (PRODUCT.replace(">10000<", ">inf<"), "'inf', which is no number"),
        (PRODUCT.replace('"1">-1000', '"1">inf'), "does not parse"),
        (PRODUCT.replace('band_id="12"', 'band_id="-1"'), "does not parse"),
        (PRODUCT.replace("INDEX>0<", "INDEX>none<"), "special value NODATA is 'none'"),
        (PRODUCT.replace("<QUANTIFICATION_VALUE", "<X").replace("QUANTIFICATION_VALUE>", "X>"), "QUANTIFICATION_VALUE"),
        (PRODUCT.replace(">10000<", ">many<"), "'many', which is no number"),
        (PRODUCT.replace(">10000<", ">0<"), "the quantification is 0; expected 1000 to 20000"),
        (PRODUCT.replace(">10000<", ">999<"), "the quantification is 999; expected 1000 to 20000"),
        (PRODUCT.replace(">10000<", ">1e308<"), "the quantification is 1e+308; expected 1000 to 20000"),
        (PRODUCT.replace('"8">-1000', '"8">1'), "the RADIO_ADD_OFFSET of B8A is 1; expected -10000 to 0"),
        (PRODUCT.replace('"8">-1000', '"8">-10001'), "the RADIO_ADD_OFFSET of B8A is -10001; expected -10000 to 0"),
        (PRODUCT.replace('"8">-1000', '"8">-1000.7'), "does not parse: '-1000.7'"),
        (PRODUCT.replace('"8">-1000', '"8">-1_000'), "does not parse: '-1_000'"),
        (PRODUCT.replace("INDEX>65535<", "INDEX>65536<"), "special value SATURATED is '65536'"),
        (PRODUCT.replace('band_id="1"', 'band_id="13"'), "does not parse"),
        (PRODUCT.replace('band_id="1"', 'band_id="x"'), "does not parse"),
        (PRODUCT.replace('"1">-1000', '"1">x'), "does not parse"),
        (without(PRODUCT, 'band_id="12"'), "for some bands but not for B12"),
        (PRODUCT.replace("Sentinel-2B", " "), "has no SPACECRAFT_NAME"),
    ],
)
def test_product_metadata_that_cannot_be_used_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadProduct) as caught:
        parse_product_metadata(text.encode(), "MTD_MSIL1C.xml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("MTD_MSIL1C.xml")


def test_tile_metadata_says_place_and_light() -> None:
    tile = parse_tile_metadata(TILE.encode(), "MTD_TL.xml")
    assert (tile.epsg, tile.upper_left) == (32622, (499980.0, 7500000.0))
    assert tile.shapes == {10: (10980, 10980), 20: (5490, 5490)}
    assert (tile.sun_zenith, tile.sun_azimuth) == (46.5, 189.25)


@pytest.mark.parametrize(("zenith", "azimuth"), [("0", "0"), ("90", "360")])
def test_the_sun_may_stand_anywhere_by_day(zenith: str, azimuth: str) -> None:
    tile = parse_tile_metadata(TILE.replace("46.5", zenith).replace("189.25", azimuth).encode(), "MTD_TL.xml")
    assert (tile.sun_zenith, tile.sun_azimuth) == (float(zenith), float(azimuth))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "no readable XML"),
        (lambda text: text.replace("EPSG:32622", "WGS84"), "'WGS84'; expected a UTM zone"),
        (lambda text: text.replace("EPSG:32622", "EPSG:4326"), "'EPSG:4326'; expected a UTM zone"),
        (lambda text: text.replace("<NROWS>5490</NROWS>", "<NROWS>-1</NROWS>"), "-1 x 5490 pixels"),
        (lambda text: text.replace("<NROWS>5490</NROWS>", "<NROWS>999999999</NROWS>"), "a tile has at most 10980"),
        (lambda text: text.replace("<ULX>499980</ULX>", "<ULX>1e30</ULX>"), "which is in no UTM zone"),
        (lambda text: without(text, "Mean_Sun_Angle"), "no Mean_Sun_Angle"),
        (lambda text: text.replace("<NROWS>5490</NROWS>", "<NROWS>x</NROWS>"), "tile size that does not parse"),
        (lambda text: text.replace('resolution="20"', ""), "tile size that does not parse"),
        (lambda text: without(text, "<ULX>"), "has no ULX"),
        (lambda text: text.replace("46.5", "high"), "'high', which is no number"),
        (lambda text: text.replace("46.5", "nan"), "'nan', which is no number"),
        (lambda text: text.replace("46.5", "400"), "ZENITH_ANGLE is 400; expected 0 to 90"),
        (lambda text: text.replace("46.5", "-0.1"), "ZENITH_ANGLE is -0.1; expected 0 to 90"),
        (lambda text: text.replace("189.25", "-720"), "AZIMUTH_ANGLE is -720; expected 0 to 360"),
        (lambda text: text.replace("189.25", "360.5"), "AZIMUTH_ANGLE is 360.5; expected 0 to 360"),
    ],
)
def test_tile_metadata_that_cannot_be_used_is_refused(change: Callable[[str], str], says: str) -> None:
    with pytest.raises(BadProduct) as caught:
        parse_tile_metadata(change(TILE).encode(), "MTD_TL.xml")
    assert says in str(caught.value)


GRANULE = "GRANULE/L2A_T22WEV_A038058_20240716T151809"
L2A_NAMES = [
    *(f"{GRANULE}/IMG_DATA/R20m/T22WEV_20240716T151809_{band}_20m.jp2" for band in (*ICE_BANDS, "SCL", "AOT")),
    f"{GRANULE}/QI_DATA/MSK_CLDPRB_20m.jp2",
    f"{GRANULE}/MTD_TL.xml",
    "MTD_MSIL2A.xml",
    "manifest.safe",
]


def test_an_l2a_folder_is_sorted_into_what_classification_reads() -> None:
    files = l2a_files(reversed(L2A_NAMES), 20, "the product")
    assert list(files.bands) == list(ICE_BANDS)
    assert all(f"_{band}_20m" in name for band, name in files.bands.items())
    assert (files.scl, files.tile_metadata) == (L2A_NAMES[9], f"{GRANULE}/MTD_TL.xml")


@pytest.mark.parametrize("missing", range(len(L2A_NAMES) - 1))
def test_every_missing_piece_of_an_l2a_folder_is_named(missing: int) -> None:
    names = [name for i, name in enumerate(L2A_NAMES) if i != missing]
    if "AOT" in L2A_NAMES[missing]:
        l2a_files(names, 20, "the product")
        return
    with pytest.raises(BadProduct, match=r"the product is incomplete at 20 m: [\w. ]+ missing\."):
        l2a_files(names, 20, "the product")


def test_older_products_call_the_cloud_probability_otherwise() -> None:
    older = f"{GRANULE}/QI_DATA/L2A_T22WEV_20170719T151809_CLD_20m.jp2"
    names = [older if "CLDPRB" in name else name for name in L2A_NAMES]
    assert l2a_files(names, 20, "p").cloud_probability == older


def test_an_empty_l1c_folder_misses_everything() -> None:
    with pytest.raises(BadProduct, match=r"B01, .*B12, manifest\.safe, MTD_MSIL1C\.xml, MTD_TL\.xml missing"):
        l1c_files([], "the product")
