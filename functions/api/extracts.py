"""What one result says at a point and within a polygon; only the pixels asked for are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Annotated, BinaryIO

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from functions.api.ordering import orders
from functions.api.outside import OfProduct, Outside
from functions.api.problems import ALWAYS, answers
from shared.errors import WrongState
from shared.models import RESULT_MANIFEST, BlobPath
from shared.pipeline.extract import MOST_PIXELS, at_point, within
from shared.records import DRONE, Record
from shared.science.layers import LAYERS
from shared.watchlist import Outline
from shared.wiring import Services

router = APIRouter(tags=["results"], responses=answers(*ALWAYS, 404, 409))


class PixelAnswer(BaseModel):
    """One pixel of a result."""

    product: str
    sensing: datetime | None
    longitude: float = Field(examples=[-49.1])
    latitude: float = Field(examples=[67.0])
    surface: str | None = Field(description="Class, by short name; null where it has none", examples=["LA"])
    quality: str = Field(description="Why it has no class", examples=["classified"])
    albedo: float | None = Field(examples=[0.41])
    index: float | None = Field(description="Algae index 2DBA, on clean ice and algae", examples=[1.02])
    cells_per_ml: float | None = Field(description="Algal cells, by the index", examples=[9000])
    confidence: float | None = Field(description="Share of the forest's vote for the class", examples=[0.93])


class AreaAnswer(BaseModel):
    """All pixels of a result whose centres lie in a polygon."""

    product: str
    sensing: datetime | None
    pixels: int
    km2: float
    whole: bool = Field(description="Whether all of the polygon lies in the tile; false: the rest is not counted")
    classified: int = Field(description="Pixels that have a class")
    class_percent: dict[str, float] = Field(description="Share of each class in what is classified, percent")
    class_km2: dict[str, float]
    quality_percent: dict[str, float] = Field(description="Share of each reason in all pixels, percent")
    albedo_mean: float | None
    albedo_sd: float | None
    index_mean: float | None
    index_sd: float | None


@router.get("/api/products/{product}/point")
def point(
    product: OfProduct,
    outside: Outside,
    longitude: Annotated[float, Query(ge=-180, le=180, allow_inf_nan=False, examples=[-49.1])],
    latitude: Annotated[float, Query(ge=-90, le=90, allow_inf_nan=False, examples=[67.0])],
) -> PixelAnswer:
    """The pixel of a result at a place (WGS 84)."""
    from shared.adapters.extracts import read_point

    record = orders().known(product)
    found = at_point(read_point(_layers(record, outside), longitude, latitude))
    return PixelAnswer(
        product=record.name,
        sensing=record.times.get("sensing"),
        longitude=longitude,
        latitude=latitude,
        surface=found.surface.short if found.surface else None,
        quality=found.quality.label,
        albedo=found.albedo,
        index=found.index,
        cells_per_ml=found.cells_per_ml,
        confidence=found.confidence,
    )


@router.post("/api/products/{product}/area", responses=answers(403, 413))
def area(product: OfProduct, outside: Outside, geometry: Outline) -> AreaAnswer:
    """Class shares, albedo and algae index within a GeoJSON polygon (WGS 84); heights say nothing here.

    The window around the polygon, where it lies in the tile, may have 4 million pixels: 1,600 km2 at 20 m. One that
    holds the centre of no pixel is refused.
    """
    from shared.adapters.extracts import read_area

    record = orders().known(product)
    found = read_area(_layers(record, outside), geometry.model_dump(mode="json"), most=MOST_PIXELS)
    counted = within(found.layers, found.inside, found.pixel_km2)
    return AreaAnswer(product=record.name, sensing=record.times.get("sensing"), whole=found.is_whole, **asdict(counted))


def _layers(record: Record, outside: Services) -> Mapping[str, Callable[[], BinaryIO]]:
    """How to open each layer of a result for reading by ranges; WrongState where it has none (yet)."""
    if not record.has_results:
        raise WrongState(f"{record.name} is {record.state}; only a classified product has layers.")
    if record.partition == DRONE:
        raise WrongState(f"{record.name} is an orthomosaic; points and areas are read from products of a tile only.")
    folder = BlobPath.parse(record.results)
    paths = [info.path for info in outside.store.list(folder)]
    if folder / RESULT_MANIFEST not in paths:
        raise WrongState(f"The results of {record.name} are in the making; ask again in a few minutes.")
    files = {}
    for layer in LAYERS:
        path = next((path for path in paths if f"_{layer.name}_" in path.name and path.name.endswith(".tif")), None)
        if path is None:
            raise WrongState(
                f"The file of layer {layer.name} of {record.name} is gone; 'reclassify' makes it again, or watch does, "
                "which looks twice a day."
            )
        files[layer.name] = partial(outside.store.reader, path)
    return files
