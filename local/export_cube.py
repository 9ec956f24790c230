"""A season's layers as one cube (time, y, x), after the CF conventions 1.11 (https://cfconventions.org).

Numbers stay stored as in the result files (scale_factor, _FillValue), so that a cube is as exact and hardly larger.
Everything is lazy until `local.export_files` writes it, but for QUALITY of the dates that have several products: it
says which of them the data are of.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from local.export_source import Acquisition, Season
from shared.errors import BadProduct
from shared.models import ProductName, shown
from shared.pipeline.surface_results import VERSION
from shared.science.classes import Quality, SurfaceClass
from shared.science.gaps import fill_linear, fill_nearest
from shared.science.layers import ALBEDO, CLASS, LAYERS, QUALITY, Layer

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 512  # pixels per side, as in the result files
_STRIP = 64  # rows filled at a time: temporary arrays of a block stay small
_STANDARD_NAMES = {"ALBEDO": "surface_albedo"}
_ANCILLARY = {"CLASS": ("CONFIDENCE", "QUALITY"), "ALBEDO": ("QUALITY",), "ALGAE": ("QUALITY",)}
GRID = "crs"  # variable that holds the grid mapping


def cube(
    acquisitions: Sequence[Acquisition], season: Season, *, fill: bool, layers: Sequence[Layer] = LAYERS
) -> xr.Dataset:
    """The lazy cube of ``acquisitions``, one time per sensing; BadProduct where one cannot be read or fits no grid.

    With ``fill``, ALBEDO is filled linearly in time and CLASS with the class nearest in time, and FILLED says where.
    Only ``layers`` are in it, and what says where they are filled.
    """
    import pyproj

    loaded = _merged(acquisitions)
    grid = pyproj.CRS(loaded.rio.crs.to_wkt()).to_cf()
    variables: dict[str, xr.DataArray] = {layer.name: loaded[layer.name] for layer in LAYERS}
    if fill:
        variables |= _filled(variables)
    left_out = [layer.name for layer in LAYERS if layer not in layers]
    variables = {name: array for name, array in variables.items() if name not in left_out}
    for name, array in variables.items():
        array.attrs, array.encoding = _attributes(name, variables.keys()), {}
    dataset = loaded.drop_vars(left_out).assign(variables).assign({GRID: ((), np.int32(0), grid)})
    return _described(dataset, season, fill=fill)


def _merged(acquisitions: Sequence[Acquisition]) -> xr.Dataset:
    """One time per sensing: of the parts of a split granule, and of reprocessings, the newest that has data.

    The coordinate ``product`` names those that any pixel is of, the newest first, with blanks between.
    """
    import xarray as xr

    ordered = sorted(acquisitions, key=lambda one: _newest_first(one.product))
    opened = _on_one_grid([_opened(one) for one in ordered])
    dates, times, names = [], [], []
    for sensing, group in itertools.groupby(range(len(ordered)), key=lambda i: ordered[i].product.sensing):
        places = list(group)
        date, used = _joined([opened[i] for i in places])
        dates.append(date)
        times.append(np.datetime64(sensing.replace(tzinfo=None), "ns"))
        names.append(" ".join(str(ordered[places[part]].product) for part in used))
    merged = xr.concat(dates, dim=xr.Variable("time", times), combine_attrs="drop")
    told = {"long_name": "names of the L2A products that the data are of, the newest first"}
    return merged.assign_coords(product=("time", names, told))


def _joined(parts: Sequence[xr.Dataset]) -> tuple[xr.Dataset, list[int]]:
    """Each pixel of the first part that has data there, and which parts any pixel is of (none has data: the first)."""
    import xarray as xr
    from rasterio.errors import RasterioError

    whole, gives = parts[0], [parts[0][QUALITY.name] != Quality.NODATA]
    for part in parts[1:]:
        lacks = whole[QUALITY.name] == Quality.NODATA
        gives.append(lacks & (part[QUALITY.name] != Quality.NODATA))
        whole = whole.where(~lacks, part)
    if len(parts) == 1:
        return whole, [0]
    try:
        found = xr.concat([pixels.any() for pixels in gives], dim="part").compute(scheduler="threads").values
    except RasterioError as cause:
        raise BadProduct(f"A result file is damaged: {shown(cause, 300)}.") from cause
    return whole, [number for number, given in enumerate(found) if given] or [0]


def _opened(one: Acquisition) -> xr.Dataset:
    """The layers of one acquisition as stored, lazily."""
    import xarray as xr
    from rasterio.errors import RasterioError

    try:
        assets = json.loads(one.item.read_bytes())["assets"]
        files = {layer.name: one.item.with_name(Path(assets[layer.name.lower()]["href"]).name) for layer in LAYERS}
        return xr.Dataset({name: _layer(file) for name, file in files.items()})
    except (OSError, RasterioError, ValueError, KeyError, TypeError) as cause:
        raise BadProduct(f"The results of {one.product} cannot be read: {shown(cause)}.") from cause


def _layer(file: Path) -> xr.DataArray:
    import rioxarray
    import xarray as xr

    array = rioxarray.open_rasterio(file, chunks={"x": BLOCK, "y": BLOCK}, cache=False, lock=False)
    return cast(xr.DataArray, array).squeeze("band", drop=True)


def _on_one_grid(opened: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """All on the finest grid that occurs; a coarser pixel is repeated, as codes cannot be averaged."""
    systems = sorted({str(one.rio.crs) for one in opened})
    if len(systems) > 1:
        raise BadProduct(f"The results are in {' and '.join(systems)}; expected one projection per tile.")
    finest = max(opened, key=lambda one: int(one.sizes["x"]))
    return [one if one.sizes == finest.sizes else _repeated(one, finest) for one in opened]


def _repeated(one: xr.Dataset, finest: xr.Dataset) -> xr.Dataset:
    return one.sel(x=finest.x, y=finest.y, method="nearest").assign_coords(x=finest.x, y=finest.y)


def _newest_first(product: ProductName) -> tuple[datetime, float]:
    return product.sensing, -product.discriminator.timestamp()


def _filled(raw: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    import xarray as xr

    classes, albedo = (raw[layer.name].chunk(time=-1) for layer in (CLASS, ALBEDO))
    days = (classes.time.values - classes.time.values[0]) / np.timedelta64(1, "D")

    def by_block(function: Callable[..., Any], array: xr.DataArray) -> xr.DataArray:
        filled = array.data.map_blocks(function, days, dtype=array.dtype, meta=np.empty((0, 0, 0), array.dtype))
        return array.copy(data=filled)

    full_classes, full_albedo = by_block(fill_classes, classes), by_block(fill_albedo, albedo)
    marks = (classes != full_classes).astype("uint8") + 2 * (albedo != full_albedo).astype("uint8")
    return {CLASS.name: full_classes, ALBEDO.name: full_albedo, "FILLED": xr.DataArray(marks.astype("uint8"))}


def fill_classes(codes: npt.NDArray[np.uint8], days: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Class codes (time, y, x) without gaps between two dates."""
    strips = [codes[:, row : row + _STRIP] for row in range(0, codes.shape[1], _STRIP)]
    return np.concatenate([fill_nearest(strip, days, nodata=0) for strip in strips], axis=1)


def fill_albedo(stored: npt.NDArray[np.int16], days: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    """Albedo as stored (time, y, x) without gaps between two dates."""
    strips = (stored[:, row : row + _STRIP] for row in range(0, stored.shape[1], _STRIP))
    return np.concatenate([_fill_strip(strip, days) for strip in strips], axis=1)


def _fill_strip(stored: npt.NDArray[np.int16], days: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    missing = np.int16(ALBEDO.nodata or 0)
    values = fill_linear(np.where(stored == missing, np.nan, stored).astype(np.float32), days)
    return np.where(np.isnan(values), missing, np.rint(values)).astype(np.int16)


def _attributes(name: str, present: Collection[str]) -> dict[str, Any]:
    if name == "FILLED":
        return {
            "long_name": "Cells that hold no observation but what was interpolated in time",
            "flag_masks": np.array([1, 2], "uint8"),
            "flag_meanings": "class_filled albedo_filled",
            "grid_mapping": GRID,
        }
    layer = next(layer for layer in LAYERS if layer.name == name)
    attributes: dict[str, Any] = {"long_name": layer.description, "grid_mapping": GRID}
    if layer.nodata is not None:
        attributes["_FillValue"] = np.array(layer.nodata, layer.dtype)[()]
    if layer.categories:
        codes = [code for code in sorted(layer.categories) if code != layer.nodata]
        attributes["flag_values"] = np.array(codes, layer.dtype)
        attributes["flag_meanings"] = " ".join(_word(layer, code) for code in codes)
    else:
        attributes |= {"units": layer.unit, "scale_factor": layer.scale, "add_offset": 0.0}
    if name in _STANDARD_NAMES:
        attributes["standard_name"] = _STANDARD_NAMES[name]
    if beside := [other for other in _ANCILLARY.get(name, ()) if other in present]:
        attributes["ancillary_variables"] = " ".join(beside)
    return attributes


def _word(layer: Layer, code: int) -> str:
    return (Quality(code) if layer is QUALITY else SurfaceClass(code)).name.lower()


def _described(dataset: xr.Dataset, season: Season, *, fill: bool) -> xr.Dataset:
    """Coordinates and global attributes as CF wants them."""
    dataset = dataset.drop_vars([name for name in dataset.coords if name not in {"time", "x", "y", "product"}])
    for axis, words in (("x", "easting"), ("y", "northing")):
        dataset[axis].attrs = {
            "standard_name": f"projection_{axis}_coordinate",
            "long_name": f"{words} of the pixel's centre",
            "units": "m",
            "axis": axis.upper(),
        }
        dataset[axis].encoding = {"_FillValue": None}
    dataset["time"].attrs = {
        "standard_name": "time",
        "long_name": "sensing time, UTC",
        "axis": "T",
        "units_metadata": "leap_seconds: none",
    }
    seconds = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "standard", "dtype": "f8", "_FillValue": None}
    dataset["time"].encoding = seconds
    dataset.attrs = {
        "Conventions": "CF-1.11",
        "title": f"Ice surface of Sentinel-2 tile {season.tile}, season {season}",
        "source": "Sentinel-2 MSI surface reflectance, classified by IceWatch",
        "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} exported by IceWatch {VERSION}",
        "references": "Cook et al. (2020), doi:10.5194/tc-14-309-2020; Liang (2001); Wang et al. (2018)",
        "comment": "Contains modified Copernicus Sentinel data."
        + (" Gaps in ALBEDO and CLASS are filled in time, see FILLED." if fill else ""),
    }
    return dataset
