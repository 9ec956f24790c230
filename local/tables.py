"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from shared.models import State
from shared.records import Record

_COLOURS = {
    State.CLASSIFIED: "green",
    State.REJECTED: "yellow",
    State.SKIPPED: "dim",
    State.OFFLINE: "yellow",
    State.FAILED: "red",
}


def order(record: Record) -> tuple[str, str, str]:
    """Tile, then sensing time, then name."""
    sensing = record.times.get("sensing")
    return (record.partition, sensing.isoformat() if sensing else "", record.name)


def products_table(records: Iterable[Record], agreement: dict[str, float] | None = None) -> Table:
    """One row per product; ``agreement`` adds the percentage of pixels that equal the truth, by product name."""
    table = Table(show_lines=False, pad_edge=False)
    table.add_column("product", overflow="fold", min_width=24)
    table.add_column("state")
    table.add_column("reason", overflow="fold", max_width=38)
    for name in ("usable %", "classes %", "albedo", "seconds"):
        table.add_column(name, justify="right")
    if agreement is not None:
        table.add_column("agrees %", justify="right")
    for record in sorted(records, key=order):
        cells = [
            record.name,
            f"[{_COLOURS.get(record.state, 'cyan')}]{record.state}[/]",
            record.reason,
            "" if record.usable_percent is None else f"{record.usable_percent:.1f}",
            "  ".join(f"{name} {share:.0f}" for name, share in record.class_percent.items() if share >= 0.5),
            "" if record.albedo_mean is None else f"{record.albedo_mean:.2f}",
            f"{sum(record.seconds.values()):.0f}" if record.seconds else "",
        ]
        if agreement is not None:
            cells.append(f"{agreement[record.name]:.1f}" if record.name in agreement else "")
        table.add_row(*cells)
    return table
