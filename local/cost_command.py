"""The command ``python -m local cost``: what a number of tiles costs a month, by the model of local/cost.py."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from local.cost import Line, Plan, Prices, Scene, changed, monthly, thousand, total
from shared.errors import BadSetting
from shared.models import shown

_console = Console(width=None if sys.stdout.isatty() else 100)


def cost(
    tiles: Annotated[int, typer.Option(min=1, max=100_000, help="Tiles that are watched.")],
    per_month: Annotated[float, typer.Option("--per-month", min=0, max=1000, help="Acquisitions of a tile a month.")],
    *,
    months: Annotated[float, typer.Option(min=1, max=1200, help="Months whose products are kept by then.")] = 1,
    official: Annotated[bool, typer.Option(help="The provider's L2A is taken: nothing is corrected here.")] = False,
    price: Annotated[list[str] | None, typer.Option(help="NAME=USD for a price of yours; repeat for more.")] = None,
    scene: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for what a scene takes; repeat for more.")] = None,
) -> None:
    """Estimate what it costs in Azure; prices are inputs, and the defaults are to be checked (docs/cost.md)."""
    prices, taken = changed(Prices(), _values(price)), changed(Scene(), _values(scene))
    if official:
        taken = changed(taken, {"correct_seconds": 0, "start_seconds": 0, "zip_gb": taken.l2a_gb})
    scenes = tiles * per_month
    _show(monthly(scenes, prices, taken, Plan(), months=months), scenes, months)
    _console.print(f"A thousand more: {thousand(prices, taken, Plan()):,.2f} USD, with one month of keeping them.")
    _console.print("Estimated, not measured on a bill; the prices are remembered list prices. See docs/cost.md.")


def _values(given: list[str] | None) -> dict[str, float]:
    found = {}
    for text in given or []:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError as cause:
            raise BadSetting(f"'{shown(text)}' is no NAME=NUMBER, such as log_gb=2.76.") from cause
    return found


def _show(lines: list[Line], scenes: float, months: float) -> None:
    title = f"{scenes:,.0f} acquisitions a month; month {months:g}"
    table = Table("what", "amount", title=title)
    table.add_column("USD", justify="right")
    for line in lines:
        table.add_row(line.what, line.amount, f"{line.usd:,.2f}")
    table.add_section()
    table.add_row("together", "", f"{total(lines):,.2f}")
    _console.print(table)
