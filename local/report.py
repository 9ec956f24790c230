"""The demo's page: every product with its state, reason, numbers and quicklook, in one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from local.tables import order
from shared.records import Record


def write_page(folder: Path, records: list[Record], agreement: Mapping[str, float]) -> Path:
    """Write ``folder/page.html``; pictures are links into ``folder/results``. Returns the page's path."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
    )
    page = folder / "page.html"
    text = templates.get_template("report.html.j2").render(
        records=sorted(records, key=order),
        agreement=agreement,
        quicklook=lambda record: f"results/{record.results}/quicklook.png",
    )
    page.write_text(text, encoding="utf-8")
    return page
