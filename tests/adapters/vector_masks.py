"""Vector ice masks for tests, as GDAL writes and reads them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import pytest
import shapely
from pyproj import Transformer
from rasterio import Affine
from rasterio.features import rasterize
from rasterio.warp import transform as places

from shared.adapters.icemask import IceMaskFile
from shared.errors import BadSetting
from shared.science.windows import Grid
from tests.small_l2a import LEFT, TOP

GRID = Grid(32622, LEFT, TOP, 60, 130, 170)
WEST, SOUTH, EAST, NORTH = GRID.bounds
FORMATS = {"GPKG": ".gpkg", "GeoJSON": ".geojson", "ESRI Shapefile": ".shp"}


def glacier() -> list[Any]:
    """A ragged polygon with two holes, one of which has an island; one of two parts; one far away, in UTM 22 N."""
    turn = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    radius = 3000 + 400 * np.sin(13 * turn) + 150 * np.sin(71 * turn)
    middle_x, middle_y = (WEST + EAST) / 2, (SOUTH + NORTH) / 2
    edge = np.column_stack([middle_x + radius * np.cos(turn), middle_y + radius * np.sin(turn)])
    lake, rock = (shapely.Point(middle_x + shift, middle_y).buffer(700) for shift in (-1200, 1200))
    island = shapely.Point(middle_x - 1200, middle_y).buffer(300)
    parts = [
        shapely.box(WEST - 900, NORTH - 700, WEST + 1300, NORTH + 300),
        shapely.box(EAST - 500, SOUTH, EAST, NORTH),
    ]
    ice = shapely.Polygon(edge).difference(shapely.union_all([lake, rock])).union(island)
    return [ice, shapely.MultiPolygon(parts), shapely.box(WEST + 9e5, NORTH, WEST + 9.1e5, NORTH + 500)]


def written(folder: Path, driver: str, shapes: list[Any], *, epsg: int | None = 32622, **options: Any) -> bytes:
    """A file as GDAL writes it; a Shapefile as zip."""
    file = folder / f"mask{FORMATS[driver]}"
    pyogrio.raw.write(
        file,
        geometry=np.array([shapely.to_wkb(shape) for shape in shapes], object),
        field_data=[np.arange(len(shapes), dtype=np.int32)],
        fields=np.array(["id"]),
        crs=None if epsg is None else f"EPSG:{epsg}",
        driver=driver,
        **({"geometry_type": "MultiPolygon" if driver == "GPKG" else "Unknown"} | options),
    )
    if driver != "ESRI Shapefile":
        return file.read_bytes()
    return zipped({part.name: part.read_bytes() for part in folder.iterdir()})


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def moved(shapes: list[Any], epsg: int) -> list[Any]:
    def there(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(places("EPSG:32622", f"EPSG:{epsg}", *points.T))

    return [shapely.transform(shape, there) for shape in shapes]


@pytest.mark.filterwarnings("ignore:File .* non conformant file extension:RuntimeWarning")  # it is in memory
def by_gdal(data: bytes) -> npt.NDArray[np.bool_]:
    """The mask by pyogrio's reading."""
    meta, _, geometries, _ = pyogrio.raw.read(data, columns=[])

    def here(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.column_stack(places(meta["crs"], "EPSG:32622", *points.T))

    shapes = shapely.transform(shapely.from_wkb(geometries), here)
    return np.asarray(rasterize(shapes, out_shape=GRID.shape, transform=Affine(*GRID.transform), dtype="uint8"), bool)


def by_centres(grid: Grid, shapes: Any, crs: str) -> npt.NDArray[np.bool_]:
    """The mask by its definition: the centre of each pixel, in the shapes' coordinates, lies in one of them."""
    columns = grid.left + (np.arange(grid.columns) + 0.5) * grid.pixel
    rows = grid.top - (np.arange(grid.rows) + 0.5) * grid.pixel
    x, y = Transformer.from_crs(grid.epsg, crs, always_xy=True).transform(*np.meshgrid(columns, rows))
    shapely.prepare(shapes)
    return np.any([shapely.contains_xy(shape, x, y) for shape in shapes], axis=0)


def ours(data: bytes) -> npt.NDArray[np.bool_]:
    return IceMaskFile("mask.x", data).on(GRID)


def refusal(data: bytes) -> str:
    with pytest.raises(BadSetting, match=r"^The ice mask mask\.x .*\.$") as refused:
        ours(data)
    return str(refused.value)


def collection(*shapes: Any, crs: object = "urn:ogc:def:crs:EPSG::32622") -> bytes:
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)} for shape in shapes]
    named = {"type": "name", "properties": {"name": crs}} if isinstance(crs, str) else crs
    return json.dumps({"type": "FeatureCollection", "crs": named, "features": features}).encode()
