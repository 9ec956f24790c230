"""What the terminal shows of the ledger: a table where there is room, a block per product where there is not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from shared.models import State
from shared.records import Record

_ROOM = 150  # columns that a row with the full name and reason needs
_COLOURS = {
    State.CLASSIFIED: "green",
    State.REJECTED: "yellow",
    State.SKIPPED: "bright_black",
    State.OFFLINE: "yellow",
    State.FAILED: "red",
}


def order(record: Record) -> tuple[str, str, str]:
    """Tile, then sensing time, then name."""
    sensing = record.times.get("sensing")
    return (record.partition, sensing.isoformat() if sensing else "", record.name)


def products(
    records: Iterable[Record], console: Console, agreement: Mapping[str, float] | None = None
) -> RenderableType:
    """Every product with state, reason and numbers, as wide as ``console`` allows.

    ``agreement`` adds the percentage of usable pixels that equal the truth, by product name.
    """
    rows = [_cells(record, agreement or {}) for record in sorted(records, key=order)]
    return _table(rows, with_agreement=agreement is not None) if console.width >= _ROOM else _blocks(rows)


Cells = dict[str, Text]


def _cells(record: Record, agreement: Mapping[str, float]) -> Cells:
    def number(value: float | None, digits: int = 1) -> Text:
        return Text("" if value is None else f"{value:.{digits}f}")

    shares = (f"{name} {share:.0f}" for name, share in record.class_percent.items() if share >= 0.5)
    return {
        "product": Text(record.name),
        "state": Text(record.state, _COLOURS.get(record.state, "cyan")),
        "reason": Text(record.reason or (f"Last try: {record.error}" if record.error else "")),
        "usable %": number(record.usable_percent),
        "classes %": Text("  ".join(shares)),
        "albedo": number(record.albedo_mean, 2),
        "seconds": number(sum(record.seconds.values()) or None, 0),
        "agrees %": number(agreement.get(record.name)),
    }


def _table(rows: list[Cells], *, with_agreement: bool) -> Table:
    table = Table(pad_edge=False, show_lines=True)
    table.add_column("product", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("reason", overflow="fold", ratio=1)
    table.add_column("usable %", justify="right")
    table.add_column("classes %", max_width=20)
    for name in ("albedo", "seconds", *(["agrees %"] if with_agreement else [])):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(row[str(column.header)] for column in table.columns))
    return table


def _blocks(rows: list[Cells]) -> Group:
    lines: list[Text] = []
    for row in rows:
        numbers = [f"{name} {row[name]}" for name in ("usable %", "albedo", "seconds", "agrees %") if row[name]]
        lines += [Text(str(row["product"]), "bold"), Text.assemble("  ", row["state"], "  ", ", ".join(numbers))]
        lines += [Text(f"  {row[name]}") for name in ("classes %", "reason") if row[name]]
    return Group(*lines)
