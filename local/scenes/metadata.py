"""The metadata files of a synthetic L1C product, with the elements and names of ESA's product format 14."""

from __future__ import annotations

from local.scenes.identity import Identity
from local.scenes.landscape import METRES
from local.scenes.spec import SceneSpec
from shared.safe import BANDS, NATIVE_METRES
from shared.science.atmosphere import WAVELENGTHS

# Solar irradiance of Sentinel-2A in W/m2/um per band of BANDS, as its product metadata states it.
_IRRADIANCE = (
    1884.69, 1959.66, 1823.24, 1512.06, 1424.64, 1287.61, 1162.08, 1041.63, 955.32, 812.92, 367.15, 245.59, 85.25,
)  # fmt: skip
_ANGLE_STEP = 5000  # metres


def product_xml(spec: SceneSpec, identity: Identity, cloud_percent: float) -> str:
    """MTD_MSIL1C.xml."""
    name = spec.name
    images = "\n".join(f"            <IMAGE_FILE>{identity.image(band)}</IMAGE_FILE>" for band in BANDS)
    offsets = "\n".join(f'        <RADIO_ADD_OFFSET band_id="{n}">{spec.offset}</RADIO_ADD_OFFSET>' for n in range(13))
    irradiance = "\n".join(
        f'          <SOLAR_IRRADIANCE bandId="{n}" unit="W/m²/µm">{value}</SOLAR_IRRADIANCE>'
        for n, value in enumerate(_IRRADIANCE)
    )
    spectral = "\n".join(
        f'        <Spectral_Information bandId="{n}" physicalBand="B{band[1:].lstrip("0")}"><RESOLUTION>'
        f'{NATIVE_METRES[band]}</RESOLUTION><Wavelength><CENTRAL unit="nm">{WAVELENGTHS[band]}</CENTRAL></Wavelength>'
        "</Spectral_Information>"
        for n, band in enumerate(BANDS)
    )
    offset_list = f"<Radiometric_Offset_List>\n{offsets}\n      </Radiometric_Offset_List>" if spec.offset else ""
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-1C_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-1C.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>{identity.start}</PRODUCT_START_TIME>
      <PRODUCT_STOP_TIME>{identity.start}</PRODUCT_STOP_TIME>
      <PRODUCT_URI>{name.safe}</PRODUCT_URI>
      <PROCESSING_LEVEL>Level-1C</PROCESSING_LEVEL>
      <PRODUCT_TYPE>S2MSI1C</PRODUCT_TYPE>
      <PROCESSING_BASELINE>{identity.version}</PROCESSING_BASELINE>
      <GENERATION_TIME>{identity.made}</GENERATION_TIME>
      <PREVIEW_IMAGE_URL>Not applicable</PREVIEW_IMAGE_URL>
      <PREVIEW_GEO_INFO>Not applicable</PREVIEW_GEO_INFO>
      <Datatake datatakeIdentifier="{identity.datatake}">
        <SPACECRAFT_NAME>Sentinel-{name.platform[1:]}</SPACECRAFT_NAME>
        <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
        <DATATAKE_SENSING_START>{identity.start}</DATATAKE_SENSING_START>
        <SENSING_ORBIT_NUMBER>{name.orbit}</SENSING_ORBIT_NUMBER>
        <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
      </Datatake>
      <Query_Options completeSingleTile="true"><PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT></Query_Options>
      <Product_Organisation>
        <Granule_List>
          <Granule datastripIdentifier="{identity.pdi("DS")}" granuleIdentifier="{identity.pdi("TL")}" \
imageFormat="JPEG2000">
{images}
          </Granule>
        </Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Special_Values>
        <SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT>
        <SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Image_Display_Order>
        <RED_CHANNEL>3</RED_CHANNEL>
        <GREEN_CHANNEL>2</GREEN_CHANNEL>
        <BLUE_CHANNEL>1</BLUE_CHANNEL>
      </Image_Display_Order>
      <QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>
      {offset_list}
      <Reflectance_Conversion>
        <U>0.9676</U>
        <Solar_Irradiance_List>
{irradiance}
        </Solar_Irradiance_List>
      </Reflectance_Conversion>
      <Spectral_Information_List>
{spectral}
      </Spectral_Information_List>
      <REFERENCE_BAND>3</REFERENCE_BAND>
    </Product_Image_Characteristics>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Product_Footprint>
      <Product_Footprint>
        <Global_Footprint>
          <EXT_POS_LIST>{identity.footprint}</EXT_POS_LIST>
        </Global_Footprint>
      </Product_Footprint>
      <RASTER_CS_TYPE>POINT</RASTER_CS_TYPE>
      <PIXEL_ORIGIN>1</PIXEL_ORIGIN>
    </Product_Footprint>
    <Coordinate_Reference_System>
      <GEO_TABLES version="1">EPSG</GEO_TABLES>
      <HORIZONTAL_CS_TYPE>GEOGRAPHIC</HORIZONTAL_CS_TYPE>
    </Coordinate_Reference_System>
  </n1:Geometric_Info>
  <n1:Auxiliary_Data_Info>
    <PRODUCTION_DEM_TYPE>IceWatch synthetic scene</PRODUCTION_DEM_TYPE>
  </n1:Auxiliary_Data_Info>
  <n1:Quality_Indicators_Info>
    <Cloud_Coverage_Assessment>{cloud_percent:.4f}</Cloud_Coverage_Assessment>
    <Technical_Quality_Assessment>
      <DEGRADED_ANC_DATA_PERCENTAGE>0.0</DEGRADED_ANC_DATA_PERCENTAGE>
      <DEGRADED_MSI_DATA_PERCENTAGE>0</DEGRADED_MSI_DATA_PERCENTAGE>
    </Technical_Quality_Assessment>
  </n1:Quality_Indicators_Info>
</n1:Level-1C_User_Product>
"""


def tile_xml(spec: SceneSpec, identity: Identity, cloud_percent: float) -> str:
    """GRANULE/.../MTD_TL.xml, with the sizes as written: smaller than a real tile's unless the spec says so."""
    place = identity.corner
    pixels = {10: 2 * spec.size, 20: spec.size, 60: spec.size // 3}
    sizes = "\n".join(
        f'      <Size resolution="{metres}">\n        <NROWS>{n}</NROWS>\n        <NCOLS>{n}</NCOLS>\n      </Size>'
        for metres, n in pixels.items()
    )
    positions = "\n".join(
        f'      <Geoposition resolution="{metres}">\n        <ULX>{place.east:.0f}</ULX>\n'
        f"        <ULY>{place.north:.0f}</ULY>\n        <XDIM>{metres}</XDIM>\n        <YDIM>-{metres}</YDIM>\n"
        "      </Geoposition>"
        for metres in pixels
    )
    hemisphere = "N" if place.epsg < 32700 else "S"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-1C_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-1C_Tile_Metadata.xsd">
  <n1:General_Info>
    <TILE_ID metadataLevel="Brief">{identity.pdi("TL")}</TILE_ID>
    <DATASTRIP_ID metadataLevel="Standard">{identity.pdi("DS")}</DATASTRIP_ID>
    <DOWNLINK_PRIORITY metadataLevel="Standard">NOMINAL</DOWNLINK_PRIORITY>
    <SENSING_TIME metadataLevel="Standard">{identity.strip_start:%Y-%m-%dT%H:%M:%S}.397174Z</SENSING_TIME>
  </n1:General_Info>
  <n1:Geometric_Info>
    <Tile_Geocoding metadataLevel="Brief">
      <HORIZONTAL_CS_NAME>WGS84 / UTM zone {place.epsg % 100}{hemisphere}</HORIZONTAL_CS_NAME>
      <HORIZONTAL_CS_CODE>EPSG:{place.epsg}</HORIZONTAL_CS_CODE>
{sizes}
{positions}
    </Tile_Geocoding>
    <Tile_Angles metadataLevel="Standard">
      <Sun_Angles_Grid>
        <Zenith>{_angle_grid(spec, identity.sun_zenith)}</Zenith>
        <Azimuth>{_angle_grid(spec, identity.sun_azimuth)}</Azimuth>
      </Sun_Angles_Grid>
      <Mean_Sun_Angle>
        <ZENITH_ANGLE unit="deg">{identity.sun_zenith:.10f}</ZENITH_ANGLE>
        <AZIMUTH_ANGLE unit="deg">{identity.sun_azimuth:.10f}</AZIMUTH_ANGLE>
      </Mean_Sun_Angle>
    </Tile_Angles>
  </n1:Geometric_Info>
  <n1:Quality_Indicators_Info metadataLevel="Standard">
    <Image_Content_QI>
      <CLOUDY_PIXEL_PERCENTAGE>{cloud_percent:.4f}</CLOUDY_PIXEL_PERCENTAGE>
      <DEGRADED_MSI_DATA_PERCENTAGE>0</DEGRADED_MSI_DATA_PERCENTAGE>
    </Image_Content_QI>
  </n1:Quality_Indicators_Info>
</n1:Level-1C_Tile_ID>
"""


def _angle_grid(spec: SceneSpec, angle: float) -> str:
    """One angle for the whole tile: the scenes are made under one sun."""
    nodes = spec.size * METRES // _ANGLE_STEP + 2
    row = " ".join([f"{angle:.4f}"] * nodes)
    rows = "\n".join([f"<VALUES>{row}</VALUES>"] * nodes)
    steps = f'<COL_STEP unit="m">{_ANGLE_STEP}</COL_STEP><ROW_STEP unit="m">{_ANGLE_STEP}</ROW_STEP>'
    return f"{steps}\n<Values_List>\n{rows}\n</Values_List>"


def datastrip_xml(identity: Identity) -> str:
    """DATASTRIP/.../MTD_DS.xml: the general part."""
    name = identity.product
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<n1:Level-1C_DataStrip_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-1C_Datastrip_Metadata.xsd">
  <n1:General_Info>
    <Datatake_Info datatakeIdentifier="{identity.datatake}" metadataLevel="Brief">
      <SPACECRAFT_NAME>Sentinel-{name.platform[1:]}</SPACECRAFT_NAME>
      <DATATAKE_TYPE>INS-NOBS</DATATAKE_TYPE>
      <DATATAKE_SENSING_START>{identity.start}</DATATAKE_SENSING_START>
      <SENSING_ORBIT_NUMBER>{name.orbit}</SENSING_ORBIT_NUMBER>
      <SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>
    </Datatake_Info>
    <Datastrip_Time_Info metadataLevel="Brief">
      <DATASTRIP_SENSING_START>{identity.strip_start:%Y-%m-%dT%H:%M:%S}.459Z</DATASTRIP_SENSING_START>
    </Datastrip_Time_Info>
    <Processing_Info metadataLevel="Expertise">
      <PROCESSING_BASELINE>{identity.version}</PROCESSING_BASELINE>
      <PROCESSING_CENTER>{identity.centre}</PROCESSING_CENTER>
      <UTC_DATE_TIME>{identity.made}</UTC_DATE_TIME>
    </Processing_Info>
  </n1:General_Info>
  <n1:Image_Data_Info>
    <Tiles_Information metadataLevel="Standard">
      <Tile_List><Tile tileId="{identity.pdi("TL")}"/></Tile_List>
    </Tiles_Information>
  </n1:Image_Data_Info>
</n1:Level-1C_DataStrip_ID>
"""
