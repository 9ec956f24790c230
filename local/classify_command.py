"""``python -m local classify SAFE --out DIR``: one L2A folder to maps, without Azure and without a host."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from shared.errors import BadModel, BadName, BadProduct, BadSetting, IceWatchError
from shared.pipeline.surface import Options, Tools, map_surface
from shared.pipeline.surface_results import Rejected, Summary

DONE, BAD_INPUT, NO_RESULT = 0, 2, 3


def classify(  # noqa: PLR0917  # Typer reads the parameters
    safe: Annotated[Path, typer.Argument(metavar="SAFE", help="The .SAFE folder of an L2A product.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    resolution: Annotated[int, typer.Option(help="Pixel size in metres: 20 or 60.")] = 20,
    ice_mask: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where the ice is: GeoTIFF, GeoJSON, GeoPackage, Shapefile; any projection."),
    ] = None,
    cloud_probability: Annotated[int, typer.Option(help="Percent; a pixel at or above is cloud.")] = 20,
    min_usable: Annotated[float, typer.Option(help="Percent of the tile; below, the product is rejected.")] = 40,
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A model folder instead of the shipped one.")
    ] = None,
) -> None:
    """Classify one L2A folder into maps, summary, STAC Item and quicklook."""
    raise typer.Exit(
        run(
            safe,
            out,
            resolution=resolution,
            ice_mask=ice_mask,
            cloud_probability=cloud_probability,
            min_usable=min_usable,
            model=model,
        )
    )


def run(
    safe: Path,
    out: Path,
    *,
    resolution: int = 20,
    ice_mask: Path | None = None,
    cloud_probability: int = 20,
    min_usable: float = 40,
    model: Path | None = None,
) -> int:
    """Do it; returns the exit code: 0 done, 2 bad usage or input, 3 rejected or failed. Faults go to stderr."""
    from shared.adapters.folders import FolderMembers, ResultFolder
    from shared.adapters.icemask import IceMaskFile
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
            minimum_usable=min_usable,
            ice_mask=IceMaskFile.read(ice_mask) if ice_mask else None,
            threads=os.cpu_count() or 1,
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
    table = Table("class", "km²", "% of classified", "albedo", title=f"{summary.product}")
    for column in table.columns[1:]:
        column.justify = "right"
    for short, facts in summary.document["classes"].items():
        mean = facts["albedo"]["mean"]
        table.add_row(
            f"{facts['label']} ({short})",
            f"{facts['km2']:.2f}",
            f"{facts['percent']:.1f}",
            "" if mean is None else f"{mean:.2f}",
        )
    console = Console()
    console.print(table)
    quality = [f"{label} {share['percent']:.1f} %" for label, share in summary.document["quality"].items()]
    console.print(f"usable {summary.usable_percent:.1f} % of the tile; corrected by {summary.processor}")
    console.print(", ".join(part for part in quality if not part.endswith(" 0.0 %")))
    if cells := summary.document["algae"]["cells_per_ml"]["mean"]:
        console.print(f"algae on clean ice, light and heavy algae: {cells:.0f} cells/mL")
    console.print(f"results in {out}")
