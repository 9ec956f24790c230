"""The STAC Item of one mapped surface (STAC 1.1), with hrefs relative to the result folder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pystac import Asset, Item
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.eo import EOExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import DataType, RasterBand, RasterExtension
from pystac.extensions.view import ViewExtension
from shapely import MultiPolygon, Polygon, box, get_parts, transform, union_all
from shapely.affinity import translate
from shapely.geometry import mapping
from shapely.geometry.polygon import orient

from shared.pipeline.surface_ports import Rasters
from shared.pipeline.surface_results import VERSION, File, Made, instant, is_approximate, model_facts
from shared.pipeline.surface_retrieval import all_layers, used_table
from shared.science.classes import Quality, SurfaceClass
from shared.science.layers import Layer
from shared.science.windows import Grid

# pystac has no class for this extension; its three fields used here are plain properties.
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
_EDGE_POINTS = 8  # per side of the footprint: a straight UTM edge is curved in longitude and latitude


def item(made: Made, files: Sequence[File], rasters: Rasters) -> dict[str, Any]:
    """The Item as a dictionary; ``files`` are those emitted so far, which become its assets."""
    shape, bbox = footprint(made.grid, rasters)
    stac = Item(
        id=str(made.product),
        geometry=mapping(shape),
        bbox=bbox,
        datetime=made.product.sensing,
        properties=_properties(made),
        stac_extensions=[PROCESSING],
    )
    projection = ProjectionExtension.ext(stac, add_if_missing=True)
    projection.apply(
        code=f"EPSG:{made.grid.epsg}",
        shape=list(made.grid.shape),
        transform=list(made.grid.transform),
        bbox=list(made.grid.bounds),
    )
    view = ViewExtension.ext(stac, add_if_missing=True)
    view.apply(sun_azimuth=made.tile.sun_azimuth, sun_elevation=90 - made.tile.sun_zenith)
    EOExtension.ext(stac, add_if_missing=True).apply(cloud_cover=cloud_cover(made.tally.quality_counts()))
    tile, stamp = made.product.tile.name, made.product.stamp
    layers = {layer.file_name(tile, stamp, made.resolution): layer for layer in all_layers(made.retrieval)}
    for file in files:
        layer = layers.get(file.name)
        add_asset(stac, file, layer, layer.name.lower() if layer else file.name.rpartition(".")[0])
    return stac.to_dict(include_self_link=False, transform_hrefs=False)


def _properties(made: Made) -> dict[str, Any]:
    return {
        "created": instant(made.created),
        "updated": instant(made.created),
        "title": f"Ice surface of tile {made.product.tile}, {made.product.sensing:%Y-%m-%d}",
        "platform": made.metadata.spacecraft.lower(),
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": made.resolution,
        "processing:level": "L3",
        "processing:datetime": instant(made.created),
        "processing:software": {"IceWatch": VERSION, "surface reflectance": made.processor},
        "processing:lineage": (
            f"Surface reflectance {made.product} (corrected by {made.processor}), classified with model "
            f"{made.classifier.name} {made.classifier.version}{_retrieved(made)}."
        ),
        "icewatch:processor": made.processor,
        "icewatch:approximate": is_approximate(made.processor),
        "icewatch:usable_percent": round(made.usability.usable_percent, 3),
        "icewatch:classified_percent": round(made.usability.classified_percent, 3),
        "icewatch:model": model_facts(made.classifier),
        "icewatch:class_percent": {c.short: percent for c, percent in made.tally.percents().items()},
        **{f"icewatch:{key}": facts for key, facts in used_table(made.retrieval).items()},
    }


def _retrieved(made: Made) -> str:
    return f"; parameters of lookup table {made.retrieval.table.name}" if made.retrieval else ""


def add_asset(stac: Item, file: File, layer: Layer | None, key: str) -> None:
    """Add a result file to an Item; ``layer`` says what its raster holds, none: it is no layer."""
    asset = Asset(
        href=f"./{file.name}",
        media_type=file.type,
        title=layer.description if layer else None,
        roles=["data"] if layer else ["overview"] if file.name.endswith(".png") else ["metadata"],
    )
    stac.add_asset(key, asset)
    # A multihash: 0x12 means SHA-256, 0x20 its length of 32 bytes.
    FileExtension.ext(asset, add_if_missing=True).apply(checksum=f"1220{file.sha256}", size=file.size)
    if layer is None:
        return
    band = RasterBand.create(
        nodata=layer.nodata, data_type=DataType(layer.dtype), scale=layer.scale, offset=0.0, unit=layer.unit
    )
    RasterExtension.ext(asset, add_if_missing=True).apply([band])
    if layer.categories:
        ClassificationExtension.ext(asset, add_if_missing=True).apply(classes=_classes(layer))


def _classes(layer: Layer) -> list[Classification]:
    return [
        Classification.create(
            value=code,
            name=_slug(layer, code),
            title=label,
            color_hint="".join(f"{part:02X}" for part in colour),
            nodata=True if code == layer.nodata else None,
        )
        for code, (label, colour) in sorted(layer.categories.items())
    ]


def _slug(layer: Layer, code: int) -> str:
    if layer.name == "QUALITY":
        return Quality(code).name.lower()
    return SurfaceClass(code).name.lower() if code else "no_class"


def cloud_cover(counts: Mapping[Quality, int]) -> float:
    """Percent of the pixels with data, as the eo extension asks for, that the masks take for cloud or cirrus.

    What lies outside the ice mask is not looked at and counts as clear.
    """
    with_data = sum(counts.values()) - counts[Quality.NODATA] - counts[Quality.DEFECTIVE]
    return round(100 * (counts[Quality.CLOUD] + counts[Quality.CIRRUS]) / max(with_data, 1), 3)


def footprint(grid: Grid, rasters: Rasters) -> tuple[Polygon | MultiPolygon, list[float]]:
    """The outline of ``grid`` in longitude and latitude, and its bounding box (west, south, east, north).

    A tile on the antimeridian is cut there in two, and its west is larger than its east (RFC 7946, 3.1.9 and 5.2).
    """
    west, south, east, north = grid.bounds
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    edge = [
        (x0 + (x1 - x0) * i / _EDGE_POINTS, y0 + (y1 - y0) * i / _EDGE_POINTS)
        for (x0, y0), (x1, y1) in itertools.pairwise(corners)
        for i in range(_EDGE_POINTS)
    ]
    return outline(rasters.longitudes_latitudes(grid.epsg, [*edge, edge[0]]))


def outline(places: Sequence[tuple[float, float]], *, digits: int = 6) -> tuple[Polygon | MultiPolygon, list[float]]:
    """A closed ring of (longitude, latitude) as a shape and its bounding box, rounded to ``digits`` of a degree.

    Longitudes may count beyond 180, as those of a raster from 0 to 360; they come back as -180 to 180. Cut in two where
    it crosses the antimeridian (RFC 7946, 3.1.9 and 5.2). A ring around a pole takes in the pole and all longitudes.
    """
    whole = _rounded(Polygon(_continued(places)), digits)
    west, south, east, north = whole.bounds
    turns = range(math.floor((west + 180) / 360), math.ceil((east + 180) / 360))
    if len(turns) <= 1:
        shape = _rounded(translate(whole, xoff=-360 * sum(turns)), digits)
        return shape, list(shape.bounds)
    cut = [translate(whole & box(360 * n - 180, -90, 360 * n + 180, 90), xoff=-360 * n) for n in turns]
    parts = [orient(_rounded(part, digits)) for one in cut for part in get_parts(one) if part.area > 0]
    if east - west >= 360:
        shape = orient(union_all(parts))  # its two ends touch
        return shape, list(shape.bounds)
    return MultiPolygon(parts), [parts[0].bounds[0], south, parts[-1].bounds[2], north]


def _continued(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The ring with longitudes that jump nowhere and begin between -180 and 180; closed over the pole if around one."""
    first, latitude = _turned(places[0][0]), places[0][1]
    ring = [(first, latitude)]
    for (before, _), (longitude, latitude) in itertools.pairwise(places):
        ring.append((ring[-1][0] + _turned(longitude - before), latitude))
    if abs(ring[-1][0] - first) < 180:
        return ring
    pole = math.copysign(90.0, latitude)
    return [*ring, (ring[-1][0], pole), (first, pole)]


def _turned(degrees: float) -> float:
    """The same direction, from -180 up to 180."""
    return degrees if -180 <= degrees < 180 else (degrees + 180) % 360 - 180


def _rounded(shape: Polygon, digits: int) -> Polygon:
    return transform(shape, lambda coordinates: coordinates.round(digits))
