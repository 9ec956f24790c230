"""The metadata of an approximately corrected product: MTD_MSIL2A.xml and MTD_TL.xml, in ESA's elements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from container.approximate_clouds import Scl
from container.approximate_input import L1C
from shared.models import Level, ProductName
from shared.safe import BANDS

PROCESSOR = "IceWatch approximate correction 1"  # what shared.safe reads as the correction of the product
BASELINE = "9999"  # as Sen2Cor marks what was not processed by ESA
QUANTIFICATION, OFFSET = 10000, -1000
AEROSOL_QUANTIFICATION, VAPOUR_QUANTIFICATION = 1000.0, 1000.0
_SCL_NAMES = {
    Scl.NODATA: "SC_NODATA",
    Scl.SATURATED: "SC_SATURATED_DEFECTIVE",
    Scl.SHADOW: "SC_CLOUD_SHADOW",
    Scl.VEGETATION: "SC_VEGETATION",
    Scl.SOIL: "SC_NOT_VEGETATED",
    Scl.WATER: "SC_WATER",
    Scl.CLOUD_MEDIUM: "SC_CLOUD_MEDIUM_PROBA",
    Scl.CLOUD_HIGH: "SC_CLOUD_HIGH_PROBA",
    Scl.CIRRUS: "SC_THIN_CIRRUS",
    Scl.SNOW: "SC_SNOW_ICE",
}
_SHARES = {
    "NODATA_PIXEL_PERCENTAGE": Scl.NODATA,
    "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE": Scl.SATURATED,
    "CLOUD_SHADOW_PERCENTAGE": Scl.SHADOW,
    "VEGETATION_PERCENTAGE": Scl.VEGETATION,
    "NOT_VEGETATED_PERCENTAGE": Scl.SOIL,
    "WATER_PERCENTAGE": Scl.WATER,
    "MEDIUM_PROBA_CLOUDS_PERCENTAGE": Scl.CLOUD_MEDIUM,
    "HIGH_PROBA_CLOUDS_PERCENTAGE": Scl.CLOUD_HIGH,
    "THIN_CIRRUS_PERCENTAGE": Scl.CIRRUS,
    "SNOW_ICE_PERCENTAGE": Scl.SNOW,
}


@dataclass(frozen=True, slots=True)
class L2AName:
    """The names of one output product."""

    source: L1C
    made: datetime  # UTC

    @property
    def product(self) -> ProductName:
        """As Sen2Cor names it: baseline 9999, the discriminator is the time of processing."""
        name = self.source.name
        return ProductName(
            platform=name.platform,
            level=Level.L2A,
            sensing=name.sensing,
            baseline=BASELINE,
            orbit=name.orbit,
            tile=name.tile,
            discriminator=self.made.replace(microsecond=0),
        )

    @property
    def granule(self) -> str:
        """Folder of the granule: the L1C granule's name with the new level."""
        return self.source.files["MTD_TL.xml"].split("/")[1].replace("L1C_", "L2A_", 1)

    def image(self, layer: str, metres: int) -> str:
        """Path of an image inside the product, without .jp2."""
        name = self.source.name
        return f"GRANULE/{self.granule}/IMG_DATA/R{metres}m/T{name.tile}_{name.stamp}_{layer}_{metres}m"

    def mask(self, kind: str, metres: int) -> str:
        """Path of a quality mask inside the product, without .jp2."""
        return f"GRANULE/{self.granule}/QI_DATA/MSK_{kind}_{metres}m"


def shares(counts: Mapping[int, int]) -> dict[str, float]:
    """Percentages as Image_Content_QI states them: nodata of all pixels, the rest of the pixels with data."""
    total = sum(counts.values())
    data = total - counts.get(Scl.NODATA, 0)
    percent = {
        tag: 100 * counts.get(code, 0) / (total if code is Scl.NODATA else data) if data or code is Scl.NODATA else 0.0
        for tag, code in _SHARES.items()
    }
    clouds = ("MEDIUM_PROBA_CLOUDS_PERCENTAGE", "HIGH_PROBA_CLOUDS_PERCENTAGE", "THIN_CIRRUS_PERCENTAGE")
    return {"CLOUDY_PIXEL_PERCENTAGE": sum(percent[tag] for tag in clouds), **percent}


def product_xml(name: L2AName, images: list[str], counts: Mapping[int, int]) -> str:
    """MTD_MSIL2A.xml; ``images`` are the paths of the images, ``counts`` how many pixels each SCL code has."""
    source, product = name.source, name.product
    files = "\n".join(f"            <IMAGE_FILE>{image}</IMAGE_FILE>" for image in images)
    offsets = "\n".join(f'        <BOA_ADD_OFFSET band_id="{n}">{OFFSET}</BOA_ADD_OFFSET>' for n in range(len(BANDS)))
    classes = "\n".join(
        f"        <Scene_Classification_ID><SCENE_CLASSIFICATION_TEXT>{text}</SCENE_CLASSIFICATION_TEXT>"
        f"<SCENE_CLASSIFICATION_INDEX>{code.value}</SCENE_CLASSIFICATION_INDEX></Scene_Classification_ID>"
        for code, text in _SCL_NAMES.items()
    )
    sensing = f"{product.sensing:%Y-%m-%dT%H:%M:%S}.024Z"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{sensing}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{sensing}</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{product.safe}</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE>
      <PROCESSING_BASELINE>99.99</PROCESSING_BASELINE>
      <L2A_PROCESSOR>{PROCESSOR}</L2A_PROCESSOR>
      <GENERATION_TIME>{name.made:%Y-%m-%dT%H:%M:%S}.000000Z</GENERATION_TIME>
      <Datatake>
        <SPACECRAFT_NAME>{escape(source.product.spacecraft)}</SPACECRAFT_NAME>
        <DATATAKE_SENSING_START>{sensing}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>{product.orbit}</SENSING_ORBIT_NUMBER>
      </Datatake>
      <Product_Organisation>
        <Granule_List>
          <Granule granuleIdentifier="{name.granule}" imageFormat="JPEG2000">
{files}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>\
</Special_Values>
      <Special_Values><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>65535\
</SPECIAL_VALUE_INDEX></Special_Values>
      <QUANTIFICATION_VALUES_LIST>
        <BOA_QUANTIFICATION_VALUE unit="none">{QUANTIFICATION}</BOA_QUANTIFICATION_VALUE>
        <AOT_QUANTIFICATION_VALUE unit="none">{AEROSOL_QUANTIFICATION}</AOT_QUANTIFICATION_VALUE>
        <WVP_QUANTIFICATION_VALUE unit="cm">{VAPOUR_QUANTIFICATION}</WVP_QUANTIFICATION_VALUE>
      </QUANTIFICATION_VALUES_LIST>
      <BOA_ADD_OFFSET_VALUES_LIST>
{offsets}
      </BOA_ADD_OFFSET_VALUES_LIST>
      <Scene_Classification_List>
{classes}
      </Scene_Classification_List>
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Quality_Indicators_Info>
{_content(counts)}
  </n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>
"""


def tile_xml(name: L2AName, counts: Mapping[int, int]) -> str:
    """GRANULE/.../MTD_TL.xml, with place, sizes and sun of the source."""
    tile = name.source.tile
    left, top = tile.upper_left
    sizes = "\n".join(
        f'      <Size resolution="{metres}"><NROWS>{rows}</NROWS><NCOLS>{columns}</NCOLS></Size>\n'
        f'      <Geoposition resolution="{metres}"><ULX>{left:.0f}</ULX><ULY>{top:.0f}</ULY>'
        f"<XDIM>{metres}</XDIM><YDIM>-{metres}</YDIM></Geoposition>"
        for metres, (rows, columns) in sorted(tile.shapes.items())
    )
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{name.granule}</TILE_ID>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_CODE>EPSG:{tile.epsg}</HORIZONTAL_CS_CODE>
{sizes}
    </Tile_Geocoding>
    <Tile_Angles metadataLevel="Standard">
      <Mean_Sun_Angle>
        <ZENITH_ANGLE unit="deg">{tile.sun_zenith!r}</ZENITH_ANGLE>
        <AZIMUTH_ANGLE unit="deg">{tile.sun_azimuth!r}</AZIMUTH_ANGLE>
      </Mean_Sun_Angle>
    </Tile_Angles>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info metadataLevel="Standard">
{_content(counts)}
  </n1:Quality_Indicators_Info>
</n1:Level-2A_Tile_ID>
"""


def _content(counts: Mapping[int, int]) -> str:
    lines = "\n".join(f"      <{tag}>{value:.6f}</{tag}>" for tag, value in shares(counts).items())
    return f"    <Image_Content_QI>\n{lines}\n    </Image_Content_QI>"
