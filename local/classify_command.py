"""``python -m local classify SAFE --out DIR``: one L2A folder to maps, without Azure and without a host."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local.classify_orthomosaic import classify_orthomosaic, is_orthomosaic
from shared.cloud import CloudRule
from shared.errors import BadModel, BadName, BadProduct, BadSetting, IceWatchError
from shared.pipeline.surface import Options, Tools, map_surface
from shared.pipeline.surface_results import Rejected, Summary

DONE, BAD_INPUT, NO_RESULT = 0, 2, 3


def classify(  # noqa: PLR0917  # Typer reads the parameters
    safe: Annotated[
        Path,
        typer.Argument(metavar="SAFE", help="The .SAFE folder of an L2A product, or a drone's orthomosaic (.tif)."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    resolution: Annotated[int, typer.Option(help="Pixel size in metres: 20 or 60.")] = 20,
    ice_mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the ice is: GeoTIFF, GeoJSON, GeoPackage, Shapefile; any projection."),
    ] = None,
    cloud_probability: Annotated[int, typer.Option(help="Percent; a pixel at or above is cloud.")] = 20,
    cloud_rule: Annotated[
        CloudRule, typer.Option(help="Which cloud masks count: cloud probability, scene classification, both, either.")
    ] = CloudRule.EITHER,
    min_usable: Annotated[float, typer.Option(help="Percent of the tile; below, the product is rejected.")] = 40,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model folder instead of the shipped one.")
    ] = None,
    lookup: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A lookup table (.npz) to retrieve parameters with, see docs/retrievals.md."),
    ] = None,
) -> None:
    """Classify one L2A folder, or a drone's orthomosaic, into maps, summary, STAC Item and quicklook."""
    raise typer.Exit(
        run(
            safe,
            out,
            resolution=resolution,
            ice_mask=ice_mask,
            cloud_probability=cloud_probability,
            cloud_rule=cloud_rule,
            min_usable=min_usable,
            model=model,
            lookup=lookup,
        )
    )


def run(
    safe: Path,
    out: Path,
    *,
    resolution: int = 20,
    ice_mask: Path | None = None,
    cloud_probability: int = 20,
    cloud_rule: CloudRule = CloudRule.EITHER,
    min_usable: float = 40,
    model: Path | None = None,
    lookup: Path | None = None,
) -> int:
    """Do it; returns the exit code: 0 done, 2 bad usage or input, 3 rejected or failed. Faults go to stderr."""
    if is_orthomosaic(safe):
        return _run_orthomosaic(safe, out, model=model, lookup=lookup)
    from shared.adapters.folders import FolderMembers, ResultFolder
    from shared.adapters.icemask import IceMaskFile
    from shared.adapters.lookup_tables import load_lookup_table
    from shared.adapters.models import SHIPPED, load_classifier
    from shared.adapters.quicklook import quicklook
    from shared.adapters.rasters import GdalRasters

    try:
        members = FolderMembers(safe)
        results = ResultFolder(out, members.product)
        classifier = load_classifier(model or SHIPPED)
        options = Options(
            resolution=resolution,
            cloud_probability=cloud_probability,
            cloud_rule=cloud_rule,
            minimum_usable=min_usable,
            ice_mask=IceMaskFile.read(ice_mask) if ice_mask else None,
            threads=os.cpu_count() or 1,
            lookup_table=load_lookup_table(lookup) if lookup else None,
        )
    except IceWatchError as fault:
        return _fault(fault, BAD_INPUT)
    try:
        with _bar() as bar:
            task = bar.add_task(f"T{members.product.tile} {members.product.sensing:%Y-%m-%d}", total=None)
            outcome = map_surface(
                members,
                members.product,
                classifier,
                tools=Tools(GdalRasters(), quicklook),
                options=options,
                emit=results.emit,
                clock=lambda: datetime.now(UTC),
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except (BadSetting, BadModel, BadName) as fault:
        return _fault(fault, BAD_INPUT)
    except IceWatchError as fault:
        return _fault(fault, NO_RESULT)
    if isinstance(outcome, Rejected):
        return _fault(BadProduct(f"{members.product} is rejected. {outcome.reason}"), NO_RESULT)
    _print(outcome, out)
    return DONE


def _run_orthomosaic(path: Path, out: Path, *, model: Path | None, lookup: Path | None) -> int:
    if lookup:
        return _fault(BadSetting("A lookup table is for Sentinel-2; a drone's camera has other bands."), BAD_INPUT)
    try:
        with _bar() as bar:
            task = bar.add_task(path.name, total=None)
            outcome = classify_orthomosaic(
                path, out, model=model, progress=lambda done, total: bar.update(task, completed=done, total=total)
            )
    except (BadSetting, BadModel, BadName) as fault:
        return _fault(fault, BAD_INPUT)
    except IceWatchError as fault:
        return _fault(fault, NO_RESULT)
    _print_classes(outcome.document, title=outcome.name)
    if outcome.note:
        Console().print(outcome.note)
    _print_quality(outcome.document, f"usable {outcome.usable_percent:.1f} % of the rectangle", out)
    return DONE


def _fault(fault: IceWatchError, code: int) -> int:
    print(fault, file=sys.stderr)
    return code


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("windows"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _print(summary: Summary, out: Path) -> None:
    _print_classes(summary.document, title=str(summary.product))
    if cells := summary.document["algae"]["cells_per_ml"]["mean"]:
        Console().print(f"algae on clean ice, light and heavy algae: {cells:.0f} cells/mL")
    if retrieved := summary.document.get("retrieval"):
        _print_retrieved(retrieved)
    if summary.note:
        Console().print(summary.note)
    usable = f"usable {summary.usable_percent:.1f} % of the tile; corrected by {summary.processor}"
    _print_quality(summary.document, usable, out)


def _print_retrieved(facts: Mapping[str, Any]) -> None:
    table = Table(
        "parameter", "unit", "mean", "sd", title=f"on algal and clean ice, by {facts['lookup_table']['name']}"
    )
    for column in table.columns[2:]:
        column.justify = "right"
    rows = [(name, one["unit"], one) for name, one in facts["parameters"].items()]
    for name, unit, one in (*rows, ("mean absolute error", "reflectance", facts["residual"])):
        table.add_row(name, unit, *("" if one[key] is None else f"{one[key]:.4g}" for key in ("mean", "sd")))
    Console().print(table)


def _print_classes(document: Mapping[str, Any], *, title: str) -> None:
    table = Table("class", "km²", "% of classified", "albedo", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for short, facts in document["classes"].items():
        mean = facts["albedo"]["mean"]
        table.add_row(
            f"{facts['label']} ({short})",
            f"{facts['km2']:.2f}" if facts["km2"] >= 1 else f"{facts['km2']:.3g}",
            f"{facts['percent']:.1f}",
            "" if mean is None else f"{mean:.2f}",
        )
    Console().print(table)


def _print_quality(document: Mapping[str, Any], usable: str, out: Path) -> None:
    console = Console()
    console.print(usable)
    quality = [f"{label} {share['percent']:.1f} %" for label, share in document["quality"].items()]
    console.print(", ".join(part for part in quality if not part.endswith(" 0.0 %")))
    console.print(f"results in {out}")
