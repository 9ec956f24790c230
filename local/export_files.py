"""Writes a lazy cube to a NetCDF file or a Zarr store, a column of 512 x 512 pixels and all dates at a time.

All variables of one column are computed together and written before the next begins: left to itself, the scheduler
runs ahead of the one writer that HDF5 allows, and half the cube piles up in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.export_cube import BLOCK, GRID
from shared.errors import BadProduct
from shared.models import shown

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[int, int], None]  # columns written, columns in all
_Targets = Mapping[str, Any]  # variable -> what takes an array at [time, rows, columns]
_CHUNKS = 4 * 1024**2  # bytes of chunks that HDF5 keeps per variable: each is written whole, once
_CACHE = 64  # MiB of decoded blocks that GDAL keeps; by itself it takes a share of the machine's memory


class Format(StrEnum):
    """File format of a cube."""

    NETCDF = "netcdf"
    ZARR = "zarr"

    @property
    def ending(self) -> str:
        """Of the file's name."""
        return ".nc" if self is Format.NETCDF else ".zarr"


def write(dataset: xr.Dataset, file: Path, form: Format, *, progress: Progress) -> None:
    """Write ``dataset`` under ``file``, which appears when it is whole; what stood there before is replaced.

    Raises BadProduct where pixels of a result file do not decode.
    """
    from rasterio import Env
    from rasterio.errors import RasterioError

    part = file.with_name(f".{file.name}.part")
    _remove(part)
    try:
        with Env(GDAL_CACHEMAX=_CACHE), _targets(dataset, part, form) as targets:
            _fill(targets, dataset, progress)
        _remove(file)
        part.rename(file)
    except RasterioError as cause:
        raise BadProduct(f"A result file is damaged: {shown(cause, 300)}.") from cause
    finally:
        _remove(part)


def _layers(dataset: xr.Dataset) -> list[str]:
    return [str(name) for name in dataset.data_vars if name != GRID]


def _fill(targets: _Targets, dataset: xr.Dataset, progress: Progress) -> None:
    rows, columns = (range(0, int(dataset.sizes[axis]), BLOCK) for axis in ("y", "x"))
    layers, total = dataset[list(targets)], len(rows) * len(columns)
    for done, (row, column) in enumerate(product(rows, columns)):
        progress(done, total)
        here = {"y": slice(row, row + BLOCK), "x": slice(column, column + BLOCK)}
        computed = layers.isel(here).compute(scheduler="threads")
        for name, target in targets.items():
            target[:, here["y"], here["x"]] = computed[name].values
    progress(total, total)


def _blocks(dataset: xr.Dataset) -> tuple[int, int, int]:
    return 1, min(BLOCK, int(dataset.sizes["y"])), min(BLOCK, int(dataset.sizes["x"]))


@contextmanager
def _targets(dataset: xr.Dataset, part: Path, form: Format) -> Iterator[_Targets]:
    """A file with all coordinates and attributes, and its variables to be filled."""
    yield from _zarr(dataset, part) if form is Format.ZARR else _netcdf(dataset, part)


def _zarr(dataset: xr.Dataset, part: Path) -> Iterator[_Targets]:
    import zarr

    encoding = {name: {"chunks": _blocks(dataset)} for name in _layers(dataset)}
    dataset.to_zarr(part, mode="w", compute=False, zarr_format=2, consolidated=True, encoding=encoding)
    group = zarr.open_group(part, mode="r+", zarr_format=2)
    yield {name: group[name] for name in _layers(dataset)}


def _netcdf(dataset: xr.Dataset, part: Path) -> Iterator[_Targets]:
    from netCDF4 import Dataset

    names = _layers(dataset)
    dataset.drop_vars(names).to_netcdf(part, engine="netcdf4", format="NETCDF4")
    with Dataset(part, "a") as file:
        targets = {}
        for name in names:
            layer = dataset[name]
            attributes = dict(layer.attrs) | {"coordinates": "product"}
            target = file.createVariable(
                name,
                str(layer.dtype),
                [str(axis) for axis in layer.dims],
                compression="zlib",
                complevel=4,
                chunksizes=_blocks(dataset),
                chunk_cache=_CHUNKS,
                fill_value=attributes.pop("_FillValue", False),  # False: every cell is written, none is missing
            )
            target.setncatts(attributes)
            target.set_auto_maskandscale(False)
            targets[name] = target
        yield targets


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
