"""The result files of one orthomosaic and the order in which they appear; manifest.json last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.models import RESULT_MANIFEST
from shared.pipeline.surface_ports import Emit, Quicklook
from shared.pipeline.surface_results import (
    QUICKLOOK,
    SUMMARY,
    VERSION,
    File,
    as_json,
    class_facts,
    instant,
    manifest,
    model_facts,
    moments,
    quality_facts,
)
from shared.science.classes import SurfaceClass
from shared.science.drone_bands import Choice
from shared.science.forest import Classifier
from shared.science.layers import Layer
from shared.science.masks import Usability
from shared.science.orthomosaic import Place
from shared.science.picture import Picture
from shared.science.statistics import Moments, Tally
from shared.science.windows import Window

PROCESSOR = "orthomosaic"  # in the ledger's column that says what made the reflectances
_KM2_DIGITS = 10  # to the square centimetre


def layer_name(name: str, layer: Layer, piece: Window | None) -> str:
    """A layer's file name; ``piece`` is none where the orthomosaic is mapped in one."""
    part = f"_r{piece.row:06d}_c{piece.column:06d}" if piece else ""
    return f"{name}_{layer.name}{part}.tif"


@dataclass(frozen=True, slots=True)
class MadeByDrone:
    """Everything known once all windows are done."""

    name: str
    place: Place
    choice: Choice
    taken: datetime | None  # as the file states it
    classifier: Classifier
    tally: Tally
    pieces: int
    created: datetime

    @property
    def usability(self) -> Usability:
        """Of the whole orthomosaic."""
        return Usability(self.tally.quality_counts())


@dataclass(frozen=True, slots=True)
class DroneSummary:
    """What the ledger, the command line and summary.json say about a mapped orthomosaic."""

    name: str
    usable_percent: float  # of the whole rectangle
    classified_percent: float
    note: str  # a sentence about areas that are no more than about right, else nothing
    class_km2: Mapping[str, float]  # class short name -> km2
    class_percent: Mapping[str, float]  # of the classified pixels
    albedo: Moments | None
    document: Mapping[str, Any]  # the whole of summary.json
    files: tuple[str, ...]  # names in order of publication


@dataclass(slots=True)
class Publication:
    """Emits files and remembers them for Item and manifest."""

    made: MadeByDrone
    emit: Emit
    files: list[tuple[File, Layer | None]] = field(default_factory=list)

    def put(self, name: str, data: bytes, content_type: str, layer: Layer | None = None) -> None:
        """Emit one file."""
        self.emit(name, data, content_type)
        self.files.append((File.of(name, content_type, data), layer))

    def finish(self, picture: Picture, quicklook: Quicklook) -> DroneSummary:
        """Emit what follows the layers; the manifest comes last."""
        from shared.pipeline.drone_item import item

        made = self.made
        self.put(QUICKLOOK, _draw(made, picture, quicklook), "image/png")
        document = summary_document(made)
        self.put(SUMMARY, as_json(document), "application/json")
        self.put(f"{made.name}.json", as_json(item(made, self.files)), "application/geo+json")
        files = [file for file, _ in self.files]
        self.emit(
            RESULT_MANIFEST, as_json(manifest(made.name, made.classifier, made.created, files)), "application/json"
        )
        return _summary(made, document, (*(file.name for file in files), RESULT_MANIFEST))


def summary_document(made: MadeByDrone) -> dict[str, Any]:
    """The content of summary.json."""
    tally = made.tally
    return {
        "version": 1,
        "product": made.name,
        "kind": "orthomosaic",
        "taken": instant(made.taken) if made.taken else None,
        "bands": made.choice.facts(),
        "crs": made.place.crs,
        "resolution_m": rounded(made.place.metres),
        "pixel_m2": rounded(made.place.ground.pixel_m2),
        "pixels": tally.pixels_in_all,
        "usable_percent": round(made.usability.usable_percent, 3),
        "quality": quality_facts(tally),
        "classified_percent": round(made.usability.classified_percent, 3),
        "classified": {
            "pixels": tally.classified,
            "km2": round(tally.classified * made.place.pixel_km2, _KM2_DIGITS),
        },
        "note": made.place.note,
        "classes": class_facts(tally, made.place.pixel_km2, digits=_KM2_DIGITS),
        "albedo": moments(tally.albedo_moments()),
        "model": model_facts(made.classifier),
        "software": {"name": "IceWatch", "version": VERSION},
        "created": instant(made.created),
    }


def rounded(length_or_area: float) -> float:
    """To six digits, whatever its size: UTM alone takes away the fourth."""
    return float(f"{length_or_area:.6g}")


def _summary(made: MadeByDrone, document: Mapping[str, Any], files: tuple[str, ...]) -> DroneSummary:
    return DroneSummary(
        name=made.name,
        usable_percent=made.usability.usable_percent,
        classified_percent=made.usability.classified_percent,
        note=made.place.note,
        class_km2={short: facts["km2"] for short, facts in document["classes"].items()},
        class_percent={short: facts["percent"] for short, facts in document["classes"].items()},
        albedo=made.tally.albedo_moments(),
        document=document,
        files=files,
    )


def _draw(made: MadeByDrone, picture: Picture, quicklook: Quicklook) -> bytes:
    tally = made.tally
    lines = [
        "drone orthomosaic",
        f"{made.taken:%Y-%m-%d %H:%M}" if made.taken else "no date in the file",
        f"pixels of {100 * made.place.metres:.3g} cm",
        f"classified: {made.usability.classified_percent:.1f} % of the rectangle",
    ]
    if made.place.note:
        lines.append(f"areas of pixels differ by {made.place.ground.spread:.1f} %")
    if albedo := tally.albedo_moments():
        lines.append(f"albedo: {albedo.mean:.2f} ± {albedo.sd:.2f}")
    shares = [(c.label, f"{tally.percent(c):.1f} %") for c in SurfaceClass]
    title = made.name if len(made.name) <= 22 else f"{made.name[:21]}…"
    return quicklook(picture, title=title, lines=lines, shares=shares)
