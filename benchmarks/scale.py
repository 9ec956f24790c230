"""``python -m benchmarks.scale``: the west coast of Greenland, ten years: days, money, and which limit binds.

python -m benchmarks.scale                       a table of ways to do it
python -m benchmarks.scale --svg docs/scale.svg  and the picture of docs/scale.md
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.scale_model import Case, Result, saved, simulate
from local.cost import DAYS, Plan, Prices, Scene, changed, monthly, total
from shared.science.tilegrid import tiles_of

# The margin of the ice sheet from Kap Farvel to Melville Bay, drawn by hand from a map: longitude, latitude. A strip of
# one degree to the west (tundra, outlets) and three to the east (the dark zone) of it is watched.
MARGIN = (
    (-46.0, 60.8), (-48.5, 62.0), (-49.8, 63.5), (-50.2, 65.0), (-50.0, 66.5), (-50.2, 68.0), (-50.5, 69.5),
    (-51.5, 71.0), (-53.5, 72.3), (-55.0, 73.5), (-57.0, 74.8), (-60.5, 75.8),
)  # fmt: skip
WEST, EAST = 1.0, 3.0  # degrees of longitude
YEARS, SEASON = 10, 5  # May to September
WAYS: dict[str, dict[str, Any]] = {
    "as deployed": {},
    "10 corrections at a time": {"corrections": 10},
    "20 corrections, BACKFILL_ROOM 300": {"corrections": 20, "room": 300},
    "official L2A": {"corrections": 0},
    "official L2A, BACKFILL_ROOM 300": {"corrections": 0, "room": 300},
    "the same between two seasons": {"corrections": 0, "room": 300, "new_per_day": 0.0},
}


def tiles() -> int:
    """How many tiles the strip touches."""
    west = [(longitude - WEST, latitude) for longitude, latitude in MARGIN]
    east = [(longitude + EAST, latitude) for longitude, latitude in reversed(MARGIN)]
    return len(tiles_of([[[*west, *east, west[0]]]], most=1000))


def west_coast(count: int, per_month: float, scene: Scene) -> Case:
    """The case: ``count`` tiles, each with ``per_month`` acquisitions a month."""
    return Case(
        months=count * YEARS * SEASON,
        per_month=per_month,
        new_per_day=count * per_month / DAYS,  # the running season, all the time: the worst case
        stage_seconds=scene.stage_seconds,
        product_bytes=scene.zip_gb * 1e9,
        correct_seconds=scene.correct_seconds + scene.start_seconds,
    )


def dollars(way: Case, result: Result, scene: Scene) -> tuple[float, float]:
    """USD of the whole work without what is kept, and of one month of keeping it."""
    months = max(result.days / DAYS, 1.0)
    if not way.corrections:
        scene = changed(scene, {"correct_seconds": 0, "start_seconds": 0})
    scene = changed(scene, {"l2a_gb": 0, "surface_gb": 0})
    work = total(monthly(result.products / months, Prices(), scene, Plan())) * months
    kept = result.products * (Scene().l2a_gb + Scene().surface_gb)
    return work, kept * Prices().blob_gb_month


def binds(way: Case) -> str:
    """What holds ``way`` up, the worst first."""
    gains = sorted(saved(way).items(), key=lambda gain: -gain[1])
    return ", ".join(f"{limit}: {days:,.0f}" for limit, days in gains if days >= 1) or "no single limit"


def main() -> None:
    """Simulate, print, and draw where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Ten years of Greenland's west.")
    parser.add_argument("--tiles", type=int, default=0, help="tiles; 0: those of the strip")
    parser.add_argument("--per-month", type=float, default=25.0, help="acquisitions of a tile-month")
    parser.add_argument("--correct-seconds", type=float, default=Scene().correct_seconds, help="of one Sen2Cor run")
    parser.add_argument("--svg", type=Path, help="where to draw")
    asked = parser.parse_args()
    count = asked.tiles or tiles()
    scene = changed(Scene(), {"correct_seconds": asked.correct_seconds})
    case = west_coast(count, asked.per_month, scene)
    results = {name: simulate(replace(case, **changes)) for name, changes in WAYS.items()}
    console = Console(width=140)
    console.print(f"{count} tiles, {YEARS} seasons of {SEASON} months, {case.months * case.per_month:,.0f} products")
    table = Table(
        "way", "days", "products a day", "USD", "USD a month, kept", "binds: days that twice as much would save"
    )
    for name, result in results.items():
        way = replace(case, **WAYS[name])
        work, kept = dollars(way, result, scene)
        table.add_row(
            name,
            f"{result.days:,.0f}",
            f"{result.products / result.days:,.0f}",
            f"{work:,.0f}",
            f"{kept:,.0f}",
            binds(way),
        )
    console.print(table)
    if asked.svg:
        from benchmarks.scale_picture import draw

        asked.svg.write_text(draw(results), encoding="utf-8")


if __name__ == "__main__":
    main()
