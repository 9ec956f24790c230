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
        data = self.members.read(name)
        if name in self.checksums:
            self.checksums[name].check(data, label)
        return data


def read_source(members: Members, product: ProductName, resolution: int | None) -> Source:
    """Find and read what describes ``product``; BadProduct where something is missing or does not fit.

    ``resolution`` in metres, 20 or 60; none: the finest that is complete.
    """
    if product.level is not Level.L2A:
        raise BadProduct(f"{product} is {product.level}; classification takes L2A, surface reflectance.")
    names = list(members.names())
    resolution = resolution or finest_resolution(names)
    files = l2a_files(names, resolution, str(product))
    metadata = parse_product_metadata(members.read(files.product_metadata), f"{files.product_metadata} of {product}")
    tile = parse_tile_metadata(members.read(files.tile_metadata), f"MTD_TL.xml of {product}")
    if metadata.level is not Level.L2A:
        raise BadProduct(f"{product} is named L2A, but its metadata says {metadata.level}.")
    if resolution not in tile.shapes:
        raise BadProduct(f"MTD_TL.xml of {product} states no size at {resolution} m.")
    (rows, columns), (left, top) = tile.shapes[resolution], tile.upper_left
    try:
        grid = Grid(tile.epsg, left, top, float(resolution), rows, columns)
    except ValueError as cause:
        raise BadProduct(f"MTD_TL.xml of {product} states an impossible size: {cause}") from cause
    return Source(members, product, files, metadata, tile, grid, _checksums(members, names, product))


def _checksums(members: Members, names: list[str], product: ProductName) -> dict[str, Stated]:
    """What manifest.safe states. JPEG 2000 has no checksum of its own: changed bytes decode as other pixels.

    Sen2Cor on one's own machine (baseline 99.99) writes manifests whose checksums nobody vouches for.
    """
    if MANIFEST not in names or product.baseline == "9999":
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
                raster = stack.enter_context(rasters.open(data, label))
                if raster.shape != source.grid.shape:
                    raise BadProduct(
                        f"{label} has {raster.shape[0]} x {raster.shape[1]} pixels; "
                        f"the metadata says {source.grid.rows} x {source.grid.columns}."
                    )
                one_set.append(raster)
        yield opened
