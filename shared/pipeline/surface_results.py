"""The result files of one mapped surface and the order in which they appear; manifest.json last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.cloud import CloudRule
from shared.models import RESULT_MANIFEST, ProductName
from shared.pipeline.surface_ports import Emit, Quicklook, Rasters
from shared.pipeline.surface_retrieval import Retrieval, all_layers, used_table
from shared.safe import ProductMetadata, TileMetadata
from shared.science.classes import ALGAL_ICE, Quality, SurfaceClass
from shared.science.forest import Classifier
from shared.science.indices import CELLS_SLOPE, cells_per_ml
from shared.science.masks import Usability
from shared.science.picture import Picture
from shared.science.statistics import Moments, Tally, percents
from shared.science.windows import Grid

VERSION = "0.1.0"  # of IceWatch, as in pyproject.toml
QUICKLOOK, SUMMARY = "quicklook.png", "summary.json"
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True, slots=True)
class File:
    """One emitted result file."""

    name: str
    type: str  # media type
    size: int  # bytes
    sha256: str  # lower-case hexadecimal

    @classmethod
    def of(cls, name: str, content_type: str, data: bytes) -> File:
        """The file of that content."""
        return cls(name, content_type, len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why an acquisition is not classified."""

    usability: Usability
    minimum: float  # percent of the whole tile

    @property
    def usable_percent(self) -> float:
        """Percent of the whole tile."""
        return self.usability.usable_percent

    @property
    def reason(self) -> str:
        """A sentence with the number and what is in the way."""
        return self.usability.reason(self.minimum)


@dataclass(frozen=True, slots=True)
class Made:
    """Everything known once all windows are done."""

    product: ProductName
    processor: str  # what made the L2A product: "Sen2Cor 02.12.03", "approximate 1", "provider"
    metadata: ProductMetadata
    tile: TileMetadata
    grid: Grid
    classifier: Classifier
    cloud_probability: int  # percent
    cloud_rule: CloudRule
    minimum_usable: float  # percent
    ice_mask: str | None
    tally: Tally
    retrieval: Retrieval | None
    created: datetime

    @property
    def resolution(self) -> int:
        """Pixel size in metres."""
        return round(self.grid.pixel)

    @property
    def usability(self) -> Usability:
        """Of the whole tile."""
        return Usability(self.tally.quality_counts())


@dataclass(frozen=True, slots=True)
class Summary:
    """What the ledger, the command line and summary.json say about a mapped surface."""

    product: ProductName
    processor: str
    usable_percent: float  # of the whole tile
    classified_percent: float  # of the whole tile
    note: str  # a sentence about a map that is all but empty, else nothing
    class_pixels: Mapping[str, int]  # class short name -> pixels
    class_km2: Mapping[str, float]
    class_percent: Mapping[str, float]  # of the classified pixels
    albedo: Moments | None  # over all classified pixels
    index: Moments | None  # 2DBA over clean ice, light and heavy algae
    document: Mapping[str, Any]  # the whole of summary.json
    files: tuple[str, ...]  # names in order of publication


def file_names(product: ProductName, resolution: int, retrieval: Retrieval | None = None) -> tuple[str, ...]:
    """All result files of ``product`` in the order in which they appear."""
    layers = (layer.file_name(product.tile.name, product.stamp, resolution) for layer in all_layers(retrieval))
    return (*layers, QUICKLOOK, SUMMARY, f"{product}.json", RESULT_MANIFEST)


def publish(
    made: Made,
    layers: Callable[[str], bytes],
    picture: Picture,
    *,
    rasters: Rasters,
    quicklook: Quicklook,
    emit: Emit,
) -> Summary:
    """Emit every result file; the manifest lists the others and comes last.

    ``layers`` gives up a layer's Cloud-Optimized GeoTIFF by its name, once: none is kept when it is emitted.
    """
    from shared.pipeline.surface_item import item

    files: list[File] = []
    drawn = _draw(made, picture, quicklook)  # layers that other threads finish need not wait for it

    def put(name: str, data: bytes, content_type: str) -> None:
        emit(name, data, content_type)
        files.append(File.of(name, content_type, data))

    for layer in all_layers(made.retrieval):
        name = layer.file_name(made.product.tile.name, made.product.stamp, made.resolution)
        put(name, layers(layer.name), COG_TYPE)
    put(QUICKLOOK, drawn, "image/png")
    document = summary_document(made)
    put(SUMMARY, as_json(document), "application/json")
    put(f"{made.product}.json", as_json(item(made, files, rasters)), "application/geo+json")
    listed = manifest(str(made.product), made.classifier, made.created, files) | used_table(made.retrieval)
    emit(RESULT_MANIFEST, as_json(listed), "application/json")
    return _summary(made, document)


def as_json(document: object) -> bytes:
    """A document as the result files have it."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode()


def manifest(name: str, classifier: Classifier, created: datetime, files: Sequence[File]) -> dict[str, Any]:
    """The content of manifest.json, which lists the other files."""
    return {
        "version": 1,
        "product": name,
        "model": model_facts(classifier),
        "created": instant(created),
        "files": [{"name": f.name, "type": f.type, "size": f.size, "sha256": f.sha256} for f in files],
    }


def instant(at: datetime) -> str:
    """An instant as RFC 3339 text in UTC, to the second."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def model_facts(classifier: Classifier) -> dict[str, str]:
    """What names a classifier beyond doubt."""
    return {"name": classifier.name, "version": classifier.version, "sha256": classifier.sha256}


def moments(found: Moments | None, *, scale: float = 1.0, shift: float = 0.0, digits: int = 4) -> dict[str, Any]:
    """Moments as summary.json has them, in other units where ``scale`` and ``shift`` say so."""
    if found is None:
        return {"pixels": 0, "mean": None, "sd": None}
    mean, sd = found.mean * scale + shift, found.sd * abs(scale)
    return {"pixels": found.count, "mean": round(mean, digits), "sd": round(sd, digits)}


def class_facts(tally: Tally, pixel_km2: float, *, digits: int = 4) -> dict[str, dict[str, Any]]:
    """What summary.json says about each class, by its short name."""
    percent = tally.percents()
    return {
        surface.short: {
            "code": surface.value,
            "label": surface.label,
            "pixels": tally.pixels(surface),
            "km2": round(tally.pixels(surface) * pixel_km2, digits),
            "percent": percent[surface],
            "albedo": moments(tally.albedo_moments(surface)),
        }
        for surface in SurfaceClass
    }


def quality_facts(tally: Tally) -> dict[str, dict[str, Any]]:
    """What summary.json says about each reason for no class, by its label."""
    counts = tally.quality_counts()
    return {
        code.label: {"code": code.value, "pixels": counts[code], "percent": percent}
        for code, percent in zip(Quality, percents([counts[code] for code in Quality]), strict=True)
    }


def summary_document(made: Made) -> dict[str, Any]:
    """The content of summary.json."""
    index = made.tally.index_moments()
    return {
        "version": 1,
        "product": str(made.product),
        "tile": made.product.tile.name,
        "sensing": instant(made.product.sensing),
        "platform": made.product.platform,
        "processor": made.processor,
        "approximate": is_approximate(made.processor),
        "baseline": made.metadata.baseline,
        "resolution_m": made.resolution,
        "pixels": made.grid.pixels,
        "usable_percent": round(made.usability.usable_percent, 3),
        "quality": quality_facts(made.tally),
        "classified_percent": round(made.usability.classified_percent, 3),
        "classified": {
            "pixels": made.tally.classified,
            "km2": round(made.tally.classified * made.grid.pixel_km2, 4),
        },
        "note": made.usability.note,
        "classes": class_facts(made.tally, made.grid.pixel_km2),
        "albedo": moments(made.tally.albedo_moments()),
        "algae": {
            "classes": [surface.short for surface in ALGAL_ICE],
            "index_2dba": moments(index),
            "cells_per_ml": moments(index, scale=CELLS_SLOPE, shift=cells_per_ml(0), digits=0),
        },
        "model": model_facts(made.classifier),
        "options": {
            "cloud_probability": made.cloud_probability,
            "cloud_rule": made.cloud_rule.value,
            "minimum_usable": made.minimum_usable,
            "ice_mask": made.ice_mask,
        },
        **({"retrieval": made.retrieval.facts()} if made.retrieval else {}),
        "software": {"name": "IceWatch", "version": VERSION},
        "created": instant(made.created),
    }


def is_approximate(processor: str) -> bool:
    """Whether the reflectances are from the stand-in for Sen2Cor, good for trying out only."""
    return "approximate" in processor.lower()


def _summary(made: Made, document: Mapping[str, Any]) -> Summary:
    tally = made.tally
    return Summary(
        product=made.product,
        processor=made.processor,
        usable_percent=made.usability.usable_percent,
        classified_percent=made.usability.classified_percent,
        note=made.usability.note,
        class_pixels={c.short: tally.pixels(c) for c in SurfaceClass},
        class_km2={c.short: document["classes"][c.short]["km2"] for c in SurfaceClass},
        class_percent={c.short: document["classes"][c.short]["percent"] for c in SurfaceClass},
        albedo=tally.albedo_moments(),
        index=tally.index_moments(),
        document=document,
        files=file_names(made.product, made.resolution, made.retrieval),
    )


def _draw(made: Made, picture: Picture, quicklook: Quicklook) -> bytes:
    product, tally = made.product, made.tally
    lines = [
        f"{product.sensing:%Y-%m-%d %H:%M} UTC",
        f"{made.metadata.spacecraft}, relative orbit {product.orbit}",
        f"corrected by: {made.processor}",
        f"usable: {made.usability.usable_percent:.1f} % of the tile",
        f"classified: {made.usability.classified_percent:.1f} % of the tile",
    ]
    if albedo := tally.albedo_moments():
        lines.append(f"albedo: {albedo.mean:.2f} ± {albedo.sd:.2f}")
    if made.usability.note:
        lines.append("Next to nothing is ice")
    if is_approximate(made.processor):
        lines.append("APPROXIMATE, for trying out only")
    shares = [(c.label, f"{tally.percent(c):.1f} %") for c in SurfaceClass]
    return quicklook(picture, title=f"Ice surface T{product.tile}", lines=lines, shares=shares)
