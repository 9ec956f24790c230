"""``python -m local export --tile T --season Y``: a season's layers as a cube, and its products as tables."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from local.export_source import Acquisition, Season, fetch, in_folder, records_of
from local.export_tables import write_tables
from local.session import FOLDER, session
from shared.errors import BadSetting, NotFound
from shared.models import shown
from shared.science.layers import LAYERS, Layer
from shared.wiring import Services


def export(  # noqa: PLR0917  # Typer reads the parameters
    tile: Annotated[str, typer.Option(help="Tile, such as 22WEV.")],
    season: Annotated[int, typer.Option(help="Year; in the southern hemisphere July of it to June of the next.")],
    format_: Annotated[str, typer.Option("--format", help="netcdf or zarr.")] = "netcdf",
    fill: Annotated[bool, typer.Option("--fill", help="Fill gaps in time; what is filled is marked.")] = False,
    layer: Annotated[list[str] | None, typer.Option(help="Only this layer, such as ALBEDO; may be repeated.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the cube and the tables.")] = Path(),
    results: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of result files, in place of the store; no tables.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a cube of that name.")] = False,
    folder: Annotated[Path, typer.Option("--folder", help="Where the one-machine host keeps its data.")] = FOLDER,
) -> None:
    """Export a season of one tile: a CF-conform cube of all layers, and tables of its products."""
    from local.export_files import Format

    wanted = Season.parse(tile, season)
    if format_ not in {*Format}:
        raise BadSetting(f"The format is '{shown(format_)}'; expected netcdf or zarr.")
    form = Format(format_)
    layers = _layers(layer)
    target = out / f"icewatch_{wanted.tile}_{wanted.year}{'_filled' if fill else ''}{form.ending}"
    if target.exists() and not overwrite:
        raise BadSetting(f"{target} exists already; give --overwrite, or another folder with --out.")
    if out.exists() and not out.is_dir():
        raise BadSetting(f"{shown(out)} is a file; expected a folder.")
    out.mkdir(parents=True, exist_ok=True)
    if results is not None:
        _write(in_folder(results, wanted), wanted, target, form, fill=fill, layers=layers)
        return
    with session(folder) as outside, tempfile.TemporaryDirectory(prefix=".icewatch-export-", dir=out) as scratch:
        acquisitions = _fetched(outside, wanted, out, Path(scratch))
        _write(acquisitions, wanted, target, form, fill=fill, layers=layers)


def _fetched(outside: Services, season: Season, out: Path, scratch: Path) -> list[Acquisition]:
    records = records_of(season, outside.ledger.records(season.tile.name))
    if not records:
        raise NotFound(f"The ledger has no product of {season.tile} in the season {season}.")
    for table in write_tables(records, out, f"{season.tile}_{season.year}"):
        Console().print(str(table), soft_wrap=True)
    if not any(record.has_results for record in records):
        raise NotFound(f"None of the {len(records)} products of {season.tile} in the season {season} is classified.")
    with _bar("fetch") as progress:
        return fetch(records, outside.store, scratch, progress=progress)


def _layers(names: list[str] | None) -> list[Layer]:
    """The layers of those names, in any case; all where none is named."""
    known = {layer.name: layer for layer in LAYERS}
    chosen = {name.upper() for name in names or known}
    if unknown := [name for name in names or () if name.upper() not in known]:
        raise BadSetting(f"There is no layer '{shown(unknown[0])}'; expected one of {', '.join(known)}.")
    return [layer for name, layer in known.items() if name in chosen]


def _write(
    acquisitions: list[Acquisition], season: Season, target: Path, form: str, *, fill: bool, layers: Sequence[Layer]
) -> None:
    from local.export_cube import cube
    from local.export_files import Format, write

    dataset = cube(acquisitions, season, fill=fill, layers=layers)
    with _bar("write") as progress:
        write(dataset, target, Format(form), progress=progress)
    Console().print(f"{target}: {dataset.sizes['time']} dates of {season.tile}, season {season}", soft_wrap=True)


class _Bar:
    """A progress bar as a function of steps done and steps in all."""

    def __init__(self, bar: Progress, words: str) -> None:
        self._bar, self._task = bar, bar.add_task(words, total=None)

    def __call__(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)


@contextmanager
def _bar(words: str) -> Iterator[_Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, words)
