"""Where an orthomosaic lies, and how large its pixels are on the ground."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from shared.errors import BadProduct
from shared.models import shown
from shared.science.drone_ground import Ground, Probe
from shared.science.orthomosaic import Place

METRES = (1e-4, 1000.0)  # side of a pixel: from a tenth of a millimetre, far beyond what flies at either end
_EDGE = 21  # points per side of the outline
_FARTHEST = 540.0  # degrees of longitude: some count from 0 to 360, and across the antimeridian on

Outline = tuple[tuple[float, float], ...]


def place_of(dataset: Any, label: str) -> Place:
    """The place of an open rasterio dataset; BadProduct beginning with ``label`` where it has none that can be used."""
    from rasterio._err import CPLE_BaseError  # what PROJ refuses comes as one, and under no public name
    from rasterio.errors import RasterioError

    if dataset.crs is None:
        raise BadProduct(f"{label} has no coordinate system.")
    a, b, c, d, e, f = tuple(dataset.transform)[:6]
    if b or d or not (a > 0 > e) or not all(map(math.isfinite, (a, c, e, f))):
        raise BadProduct(f"{label} is not north-up (its transform is {shown(tuple(dataset.transform)[:6])}); warp it.")
    if dataset.transform.is_identity or not (dataset.crs.is_projected or dataset.crs.is_geographic):
        raise BadProduct(f"{label} has no place on the ground in its coordinate system {shown(dataset.crs)}.")
    try:
        outline = _outline(dataset)
        ground = _ground(dataset) if _is_on_earth(outline) else None
    except (RasterioError, CPLE_BaseError) as cause:
        raise BadProduct(f"{label} has a coordinate system that cannot be used: {shown(cause)}.") from cause
    if ground is None or not math.isfinite(ground.pixel_m2):
        raise BadProduct(f"{label} lies outside what its coordinate system {shown(dataset.crs, 40)} covers.")
    authority = dataset.crs.to_epsg()
    place = Place(
        crs=f"EPSG:{authority}" if authority else str(dataset.crs.to_wkt()),
        transform=(a, b, c, d, e, f),
        rows=int(dataset.height),
        columns=int(dataset.width),
        ground=ground,
        outline=outline,
    )
    if not METRES[0] <= place.metres <= METRES[1]:
        raise BadProduct(f"{label} has pixels of {place.metres:.4g} m; expected {METRES[0]:g} to {METRES[1]:g} m.")
    return place


def _is_on_earth(outline: Outline) -> bool:
    longitudes = [longitude for longitude, _ in outline]
    return (
        all(abs(longitude) <= _FARTHEST and abs(latitude) <= 90 for longitude, latitude in outline)
        and max(longitudes) - min(longitudes) <= 360
    )


def _outline(dataset: Any) -> Outline:
    from rasterio.warp import transform

    west, south, east, north = dataset.bounds
    along = np.linspace(0, 1, _EDGE)[:-1]
    x = np.concatenate([west + (east - west) * along, 0 * along + east, east - (east - west) * along, 0 * along + west])
    y = np.concatenate(
        [0 * along + south, south + (north - south) * along, 0 * along + north, north - (north - south) * along]
    )
    longitudes, latitudes = transform(dataset.crs, "EPSG:4326", [*x, x[0]], [*y, y[0]])
    return tuple(zip(map(float, longitudes), map(float, latitudes), strict=True))


def _ground(dataset: Any) -> Ground:
    from rasterio.warp import transform

    probe = Probe.of(dataset.bounds, dataset.crs.linear_units_factor[1] if dataset.crs.is_projected else None)
    longitudes, latitudes = transform(dataset.crs, "EPSG:4326", probe.x, probe.y)
    return probe.ground(np.asarray(longitudes), np.asarray(latitudes), (dataset.transform.a, -dataset.transform.e))
