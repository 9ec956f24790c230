"""The demo's page: every product with its state, reason, numbers and quicklook, in one HTML file.

It looks as the pages of the running app do, and opens from disk: the style sheet is inside, the pictures lie beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from local.tables import order
from shared.records import Record


def write_page(folder: Path, records: list[Record], agreement: Mapping[str, float]) -> Path:
    """Write ``folder/page.html``; pictures are links into ``folder/results``. Returns the page's path."""
    from functions.pages.rendering import style, templates

    page = folder / "page.html"
    template = templates(Path(__file__).parent / "templates").get_template("report.html.j2")
    text = template.render(
        style=style(),
        records=sorted(records, key=order),
        agreement=agreement,
        quicklook=lambda record: f"results/{record.results}/quicklook.png",
    )
    page.write_text(text, encoding="utf-8")
    return page
