"""The command line: ``python -m local COMMAND``.

Exit codes: 0 done; 2 bad usage or bad input, with one sentence on standard error; 3 the product was
rejected or failed, with the reason.
"""

from __future__ import annotations

import sys

import typer

from local import bench_command, classify_command, commands, cost_command, export_command, watchlist_commands
from shared.errors import IceWatchError

app = typer.Typer(
    name="python -m local",
    help="IceWatch on one machine: the pipeline, its inbox and its ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(commands.demo)
app.command()(commands.host)
app.command()(commands.drop)
app.command()(classify_command.classify)
app.command()(commands.status)
app.command()(commands.backfill)
app.command()(commands.retry)
app.command()(export_command.export)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(commands.train)
app.command()(bench_command.bench)
app.command()(cost_command.cost)
app.add_typer(watchlist_commands.watchlist, name="watchlist")


def main() -> None:
    """Run the command line; an error a person can act on is one sentence, never a traceback."""
    try:
        app()
    except IceWatchError as error:
        typer.echo(f"icewatch: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
