"""The commands of ``python -m local watchlist``: what is watched, a new watchlist, one made from a template."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from local.session import FOLDER, session
from local.template_import import import_template
from shared.errors import BadSetting
from shared.models import WATCHLIST
from shared.pipeline.watching import in_force, parse
from shared.records import REFUSED
from shared.watchlist import MAX_BYTES, Area

Folder = Annotated[Path, typer.Option("--folder", help="Where the one-machine host keeps its data.")]
watchlist = typer.Typer(help="Show, replace or import what is watched.", no_args_is_help=True)
_console = Console(width=None if sys.stdout.isatty() else 170)
_MOST_TILES = 12  # named in one row of the table


@watchlist.command()
def show(folder: Folder = FOLDER) -> None:
    """Show the watchlist in force, with the tiles of its polygons."""
    with session(folder) as outside:
        watched = in_force(outside.store, ledger=outside.ledger, clock=outside.clock)
        refusal = outside.ledger.get(REFUSED, str(WATCHLIST))
    if refusal is not None and refusal.state == "FAILED":
        _console.print(refusal.reason, style="red", soft_wrap=True, markup=False)
    if not watched.areas:
        _console.print("Nothing is watched.")
        return
    table = Table("area", "tiles", "months", "since", "until", "from", "correction", "settings")
    for area in watched.areas:
        table.add_row(*map(escape, _row(area)))  # names may look like markup
    _console.print(table)


def _row(area: Area) -> list[str]:
    more = f" and {len(area.tiles) - _MOST_TILES} more" if len(area.tiles) > _MOST_TILES else ""
    own = area.model_dump(
        exclude_none=True,
        include={
            "scene_cloud_limit",
            "cloud_probability",
            "cloud_rule",
            "minimum_usable",
            "ice_mask",
            "resolution",
            "model",
        },
    )
    return [
        area.name,
        " ".join(area.tiles[:_MOST_TILES]) + more,
        "all" if len(set(area.months)) == 12 else " ".join(map(str, area.months)),
        str(area.since or "now on"),
        str(area.until or "open"),
        area.catalogue,
        area.correction,
        " ".join(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in own.items()),
    ]


@watchlist.command()
def put(
    file: Annotated[Path, typer.Argument(help="The watchlist, a JSON file.")],
    folder: Folder = FOLDER,
) -> None:
    """Check a watchlist and put it in force."""
    body = _read(file)
    watched = parse(body)
    with session(folder) as outside:
        outside.store.write(WATCHLIST, body, content_type="application/json")
        in_force(outside.store, ledger=outside.ledger, clock=outside.clock)
    tiles = {tile for area in watched.areas for tile in area.tiles}
    _console.print(f"In force: {len(watched.areas)} areas, {len(tiles)} tiles.")


@watchlist.command("import")
def import_(
    template: Annotated[Path, typer.Argument(help="A .template file of the predecessor.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write the watchlist; else it is printed.")] = None,
) -> None:
    """Make a watchlist from a predecessor's template, and say what it cannot carry."""
    made = import_template(_read(template).decode("utf-8", "replace"), template.stem)
    for key, why in made.left_out:
        typer.echo(f"not carried: {key}: {why}.", err=True)
    if out is None:
        typer.echo(made.text, nl=False)
    else:
        out.write_text(made.text, encoding="utf-8")
        _console.print(f"{out} is written; 'python -m local watchlist put {out}' puts it in force.", soft_wrap=True)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as cause:
        raise BadSetting(f"{file} cannot be read: {cause.strerror}.") from cause
