"""An L2A product as classification reads it: its files found, its metadata read, its images opened and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from shared.errors import BadProduct
from shared.manifest import Stated, stated_checksums
from shared.models import MANIFEST, Level, ProductName
from shared.pipeline.surface_ports import Members, Raster, Rasters
from shared.safe import (
    L2AFiles,
    ProductMetadata,
    TileMetadata,
    finest_resolution,
    l2a_files,
    parse_product_metadata,
    parse_tile_metadata,
)
from shared.science.tilegrid import is_corner
from shared.science.windows import Grid


@dataclass(frozen=True, slots=True)
class Source:
    """A product as far as its metadata describes it."""

    members: Members
    product: ProductName
    files: L2AFiles
    metadata: ProductMetadata
    tile: TileMetadata
    grid: Grid
    checksums: Mapping[str, Stated]  # of the members that manifest.safe vouches for

    def read(self, name: str, label: str) -> bytes:
        """A member as the producer wrote it; BadProduct where manifest.safe states another checksum."""
        return _vouched(self.members, self.checksums, name, label)


def read_source(members: Members, product: ProductName, resolution: int | None) -> Source:
    """Find and read what describes ``product``; BadProduct where something is missing or does not fit.

    ``resolution`` in metres, 20 or 60; none: the finest that is complete.
    """
    if product.level is not Level.L2A:
        raise BadProduct(f"{product} is {product.level}; classification takes L2A, surface reflectance.")
    names = list(members.names())
    resolution = resolution or finest_resolution(names)
    files = l2a_files(names, resolution, str(product))
    checksums = _checksums(members, names, product)
    labels = f"{files.product_metadata} of {product}", f"MTD_TL.xml of {product}"
    metadata = parse_product_metadata(_vouched(members, checksums, files.product_metadata, labels[0]), labels[0])
    tile = parse_tile_metadata(_vouched(members, checksums, files.tile_metadata, labels[1]), labels[1])
    _check_name(product, metadata, tile)
    if resolution not in tile.shapes:
        raise BadProduct(f"MTD_TL.xml of {product} states no size at {resolution} m.")
    (rows, columns), (left, top) = tile.shapes[resolution], tile.upper_left
    try:
        grid = Grid(tile.epsg, left, top, float(resolution), rows, columns)
    except ValueError as cause:
        raise BadProduct(f"MTD_TL.xml of {product} states an impossible size: {cause}") from cause
    return Source(members, product, files, metadata, tile, grid, checksums)


def _vouched(members: Members, checksums: Mapping[str, Stated], name: str, label: str) -> bytes:
    data = members.read(name)
    if name in checksums:
        checksums[name].check(data, label)
    return data


def _check_name(product: ProductName, metadata: ProductMetadata, tile: TileMetadata) -> None:
    """BadProduct where the metadata are of another level, satellite or tile than the name says."""
    if metadata.level is not Level.L2A:
        raise BadProduct(f"{product} is named L2A, but its metadata says {metadata.level}.")
    if metadata.spacecraft.lower() != f"sentinel-{product.platform[1:]}".lower():
        raise BadProduct(f"{product} is named {product.platform}, but its metadata says '{metadata.spacecraft}'.")
    if not is_corner(product.tile, tile.epsg, *tile.upper_left):
        left, top = tile.upper_left
        raise BadProduct(
            f"MTD_TL.xml of {product} puts the corner at {left:.12g}, {top:.12g} in EPSG:{tile.epsg}; "
            f"tile {product.tile} is not there."
        )


def _checksums(members: Members, names: list[str], product: ProductName) -> dict[str, Stated]:
    """What manifest.safe states. JPEG 2000 has no checksum of its own, and in metadata every number looks sound.

    Sen2Cor on one's own machine writes manifests whose checksums nobody vouches for.
    """
    if MANIFEST not in names or product.is_local:
        return {}
    return stated_checksums(members.read(MANIFEST), f"{MANIFEST} of {product}")


@contextmanager
def opened_rasters(
    source: Source, pieces: Mapping[str, str], rasters: Rasters, sets: int
) -> Iterator[list[list[Raster]]]:
    """Open ``sets`` times the rasters of ``pieces`` (what it is -> member name), all of the grid's size."""
    labels = [f"{piece} of {source.product}" for piece in pieces]
    with ThreadPoolExecutor(sets, thread_name_prefix="members") as pool:  # storage and checksums take their time
        contents = list(pool.map(source.read, pieces.values(), labels))
    with ExitStack() as stack:
        opened: list[list[Raster]] = [[] for _ in range(sets)]
        for label, data in zip(labels, contents, strict=True):
            for one_set in opened:
                one_set.append(stack.enter_context(rasters.open(data, label)))
                _check_raster(one_set[-1], source.grid, label)
        yield opened


def _check_raster(raster: Raster, grid: Grid, label: str) -> None:
    """BadProduct where an image is not of ``grid``, which is what the metadata says."""
    if raster.shape != grid.shape:
        raise BadProduct(
            f"{label} has {raster.shape[0]} x {raster.shape[1]} pixels; the metadata says {grid.rows} x {grid.columns}."
        )
    if (place := raster.georeference) is not None and not place.fits(grid):
        raise BadProduct(
            f"{label} begins at {place}, with pixels of {place.transform[0]:.6g} m; "
            f"the metadata says {grid.left:.12g}, {grid.top:.12g} in {grid.crs}, {grid.pixel:g} m."
        )
