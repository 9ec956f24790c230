"""The commands of ``python -m local``, one function each; what they do is in the modules they call."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from local.session import FOLDER, session
from shared.errors import BadName, PermanentError
from shared.models import Tile, TileMonth
from shared.pipeline.orders import Ordered

Folder = Annotated[Path, typer.Option("--folder", help="Where the one-machine host keeps its data.")]
Sen2CorPath = Annotated[
    Path | None, typer.Option("--sen2cor", help="Where Sen2Cor is: its folder, or its L2A_Process.", show_default=False)
]
# A pipe has no width of its own; files and logs get whole rows.
_console = Console(width=None if sys.stdout.isatty() else 170)


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo keeps its data.")] = FOLDER / "demo",
    size: Annotated[int, typer.Option(help="Pixels per side of the simulated tile at 20 m; a multiple of 3.")] = 600,
    sen2cor: Sen2CorPath = None,
) -> None:
    """Run the whole pipeline on simulated acquisitions, to the end; shows a table and makes a page."""
    from local.demo import run

    raise typer.Exit(run(folder, size=size, sen2cor=sen2cor, console=_console))


def host(
    folder: Folder = FOLDER,
    port: Annotated[int, typer.Option(help="Port of the HTTP functions on 127.0.0.1; 0: any free one.")] = 7071,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Corrections at the same time.")] = 1,
    simulate: Annotated[bool, typer.Option(help="Use the simulated Copernicus with the demo's month.")] = False,
    sen2cor: Sen2CorPath = None,
) -> None:
    """Run the functions on this machine until Ctrl-C."""
    from local.serve import serve

    raise typer.Exit(serve(folder, port=port, workers=workers, simulate=simulate, sen2cor=sen2cor, console=_console))


def drop(
    paths: Annotated[list[Path], typer.Argument(help="Zips of products, or .SAFE folders.")],
    folder: Folder = FOLDER,
) -> None:
    """Put products into the inbox."""
    from local.inbox import put

    refused = 0
    with session(folder, needs_host=True) as outside:
        for path in paths:
            try:
                where = put(path, outside.store)
            except PermanentError as error:  # one bad path keeps nobody else's product waiting
                typer.echo(f"icewatch: {error}", err=True)
                refused += 1
                continue
            _console.print(f"{path.name} is in the inbox as {where}.", soft_wrap=True)
    if refused:
        raise typer.Exit(2)


def status(
    folder: Folder = FOLDER,
    tile: Annotated[str | None, typer.Option(help="Only this tile.")] = None,
) -> None:
    """Show every product of the ledger with its state and reason."""
    from local.tables import products

    with session(folder) as outside:
        records = list(outside.ledger.records(Tile.parse(tile).name if tile else None))
    if not records:
        _console.print("The ledger is empty.")
        return
    _console.print(products(records, _console))


def backfill(
    tile: Annotated[str, typer.Argument(help="Tile, such as 22WEV.")],
    months: Annotated[str, typer.Argument(help="First and last month, such as 2019-06..2019-08.")],
    folder: Folder = FOLDER,
) -> None:
    """Ask for older months of one tile."""
    from functions.api.ordering import orders

    first, last = _ends(tile, months)
    with session(folder):
        done = orders().backfill(first.tile, first, last)
    _say(done)


def _ends(tile: str, text: str) -> tuple[TileMonth, TileMonth]:
    match = re.fullmatch(r"([0-9-]+)(?:\.\.([0-9-]+))?", text)
    if match is None:
        raise BadName(f"'{text}' is no span of months; expected FROM..TO, such as 2019-06..2019-08.")
    return TileMonth.parse(tile, match[1]), TileMonth.parse(tile, match[2] or match[1])


def retry(
    product: Annotated[str | None, typer.Argument(help="Name of the product.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Every product that failed.")] = False,
    folder: Folder = FOLDER,
) -> None:
    """Put failed products back to the first step whose input is still there."""
    from functions.api.ordering import orders

    if (product is None) == (not failed):
        raise BadName("Name one product, or give --failed, not both.")
    with session(folder):
        done = orders().retry(product) if product is not None else orders().retry_failed()
    _say(done)


def _say(done: Ordered) -> None:
    _console.print(done.sentence, soft_wrap=True)
    for name, why in done.left.items():
        _console.print(f"{name}: {why}", soft_wrap=True)


def train(context: typer.Context) -> None:
    """Train a classifier; options as 'python -m models.train --help' lists them."""
    done = subprocess.run([sys.executable, "-m", "models.train", *context.args], env=dict(os.environ), check=False)
    raise typer.Exit(done.returncode)
