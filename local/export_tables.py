"""The season's products as tables, named as IceWatch's predecessor named them.

good_tiles_22WEV_2024.csv           with maps, also of before a new try: usable share, classes, albedo, algae index
rejected_by_qc_22WEV_2024.csv       rejected, with the reason
aborted_downloads_22WEV_2024.csv    failed at any step and without maps of before, with step and reason

No product stands in two of them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from shared.models import State
from shared.records import Record
from shared.science.classes import SurfaceClass

_Cell = str | float | None
_STEPS = ("discover", "stage", "correct", "classify", "watch")


def write_tables(records: Sequence[Record], folder: Path, stem: str) -> list[Path]:
    """Write the three tables into ``folder``; ``stem`` is tile and season, such as "22WEV_2024"."""
    shorts = [surface.short for surface in SurfaceClass]
    good = [
        "usable_percent", "processor", "model", "l2a",
        *(f"{short}_percent" for short in shorts), *(f"{short}_km2" for short in shorts),
        "albedo_mean", "albedo_sd", "index_2dba_mean", "index_2dba_sd",
    ]  # fmt: skip
    tables: list[tuple[str, Callable[[Record], bool], list[str], Callable[[Record], list[_Cell]]]] = [
        ("good_tiles", lambda r: r.has_results, good, _good),
        ("rejected_by_qc", lambda r: r.state is State.REJECTED, ["usable_percent", "reason"], _rejected),
        ("aborted_downloads", _is_aborted, ["step", "reason"], lambda r: [_last_step(r), r.reason]),
    ]
    return [
        _write(
            folder / f"{name}_{stem}.csv",
            ["tile", "date", "time_utc", "product", *columns],
            (_named(record) + cells(record) for record in records if belongs(record)),
        )
        for name, belongs, columns, cells in tables
    ]


def _named(record: Record) -> list[_Cell]:
    sensing = record.times["sensing"]
    return [record.partition, f"{sensing:%Y-%m-%d}", f"{sensing:%H:%M:%S}", record.name]


def _good(record: Record) -> list[_Cell]:
    shorts = [surface.short for surface in SurfaceClass]
    return [
        record.usable_percent, record.processor, record.model, record.l2a,
        *(record.class_percent.get(short) for short in shorts),
        *(record.class_km2.get(short) for short in shorts),
        record.albedo_mean, record.albedo_sd, record.index_mean, record.index_sd,
    ]  # fmt: skip


def _rejected(record: Record) -> list[_Cell]:
    return [record.usable_percent, record.reason]


def _is_aborted(record: Record) -> bool:
    return record.state is State.FAILED and not record.has_results


def _last_step(record: Record) -> str:
    done = [step for step in _STEPS if step in record.times]
    return max(done, key=lambda step: record.times[step], default="")


def _write(file: Path, columns: Sequence[str], rows: Iterable[Sequence[_Cell]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(columns)
        writer.writerows(rows)
    return file
