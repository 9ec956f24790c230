"""The demo: the whole pipeline on six simulated acquisitions of one month, from catalogue to map."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from local.agreement import Confusion, confusion_of_files, table
from local.host import Host, endpoints_of
from local.processor import NO_SEN2COR, processors, sen2cor_settings
from local.report import write_page
from local.scenes import Scene, SceneSpec, demo_month
from local.serve import BLOB_ENDINGS, SCHEDULES, build_scenes, log_to, simulated, watching
from local.tables import products
from shared.errors import BadSetting
from shared.models import SURFACE, WATCHLIST, BlobPath, State
from shared.ports import Ledger, ObjectStore
from shared.records import Record
from shared.wiring import Services, services

MINIMUM_AGREEMENT = 90.0  # percent of the usable pixels
TIME_LIMIT = 600.0  # seconds
_MARK = "icewatch-demo"  # a file that says the folder is the demo's own
_TOO_CLOUDY = 0.7  # share of the tile
_STEPS = {State.DISCOVERED: 1, State.STAGED: 2, State.CORRECTED: 3}  # of 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the pipeline made of the month."""

    records: Mapping[str, Record]  # product name -> record
    found: Mapping[str, Confusion]  # product name -> truth and verdicts, for classified products
    faults: tuple[str, ...]  # sentences; empty where everything ended as it should


def expected(specs: list[SceneSpec]) -> dict[str, State]:
    """The state in which each product of the month should end."""
    newest: dict[object, str] = {}
    for spec in specs:
        key = spec.name.acquisition
        newest[key] = max(newest.get(key, ""), spec.name.baseline)
    states: dict[str, State] = {}
    for spec in specs:
        if spec.name.baseline != newest[spec.name.acquisition]:
            states[str(spec.name)] = State.SKIPPED
        else:
            states[str(spec.name)] = State.REJECTED if spec.cloud > _TOO_CLOUDY else State.CLASSIFIED
    return states


def run(folder: Path, *, size: int, console: Console, sen2cor: Path | None = None) -> int:
    """Run the demo in ``folder``, which it empties first; 0 only if every product ended as it should.

    Its scenes are smaller than any real product and made for the approximate processor, so Sen2Cor is used only where
    ``sen2cor`` says where it is, not because it is installed.
    """
    correction = NO_SEN2COR | sen2cor_settings(sen2cor)
    corrections = processors(correction)
    _make_empty(folder)
    console.print(corrections, soft_wrap=True)
    specs = demo_month(size)
    log_to(folder / "icewatch.log")
    scenes = build_scenes(specs, folder / "scenes", console)
    wanted = expected(specs)
    settings = SCHEDULES | correction | {"SCHEDULE": "*/5 * * * * *"}
    import function_app

    with simulated(scenes) as copernicus:
        host = Host(
            function_app.app,
            settings | copernicus,
            folder=folder / "host",
            workers=1,
            blob_endings=BLOB_ENDINGS,
        )
        with host:
            outside = services()
            outside.store.write(WATCHLIST, watching(specs), content_type="application/json")
            _follow(wanted, outside.ledger, console)
            outcome = _outcome(wanted, scenes, outside, folder / "results")
    agreement = {name: one.percent for name, one in outcome.found.items()}
    page = write_page(folder, list(outcome.records.values()), agreement)
    console.print(products(outcome.records.values(), console, agreement))
    if outcome.found:
        console.print(table(sum(outcome.found.values(), Confusion.none()), "All maps together, usable pixels"))
    console.print(f"Page:    {page}\nResults: {folder / 'results'}\nLog:     {folder / 'icewatch.log'}", soft_wrap=True)
    for fault in outcome.faults:
        console.print(f"[red]{fault}[/]", soft_wrap=True)
    if not outcome.faults:
        console.print(f"[green]All {len(wanted)} products ended in the state they should.[/]")
    return 1 if outcome.faults else 0


def _make_empty(folder: Path) -> None:
    if endpoints_of(folder / "host") is not None:
        raise BadSetting(f"Another demo runs in {folder}; wait for it, or name another folder with --folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise BadSetting(f"{folder} is not empty and no earlier demo's folder; name another with --folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()


def _follow(wanted: Mapping[str, State], ledger: Ledger, console: Console) -> None:
    """Show every product's state until all are at rest or the time is up."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=10), TextColumn("{task.fields[state]}"))
    deadline = monotonic() + TIME_LIMIT
    states: dict[str, State] = {}
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {name: progress.add_task(name, total=4, state="waiting") for name in sorted(wanted)}
        while monotonic() < deadline:
            found = {record.name: record.state for record in ledger.records() if record.name in bars}
            for name, state in found.items():
                if states.get(name) is state:
                    continue
                progress.update(bars[name], completed=4 if state.is_final else _STEPS.get(state, 0), state=str(state))
                if not console.is_terminal:  # a log shows the steps line by line
                    console.print(f"{name}: {state}")
            states = found
            if len(found) == len(wanted) and all(state.is_final for state in found.values()):
                return
            sleep(0.5)


def _outcome(wanted: Mapping[str, State], scenes: list[Scene], outside: Services, results: Path) -> Outcome:
    records = {record.name: record for record in outside.ledger.records()}
    faults: list[str] = []
    found: dict[str, Confusion] = {}
    truths = {str(scene.spec.name): scene.truth for scene in scenes}
    for name, state in wanted.items():
        record = records.get(name)
        if record is None or record.state is not state:
            said = f"{record.state}. {record.reason} {record.error}".strip() if record else "not in the ledger"
            faults.append(f"{name} should be {state} and is {said}")
        elif state is State.CLASSIFIED:
            folder = results / record.results
            fetch(outside.store, BlobPath.parse(record.results), folder)
            found[name] = confusion_of_files(folder, truths[name])
            if not found[name].percent >= MINIMUM_AGREEMENT:
                faults.append(
                    f"{name} agrees with the truth in {found[name].percent:.1f} % of the usable pixels; "
                    f"expected at least {MINIMUM_AGREEMENT:g} %"
                )
        elif not record.reason:
            faults.append(f"{name} is {state} without a reason")
    faults += [
        f"{name} is in the ledger and was not expected: {record.reason}"
        for name, record in records.items()
        if name not in wanted
    ]
    return Outcome(records, found, tuple(faults))


def fetch(store: ObjectStore, folder: BlobPath, target: Path) -> None:
    """Copy a result folder out of the store."""
    if folder.container != SURFACE:
        raise BadSetting(f"{folder} is no result folder.")
    for info in store.list(folder):
        file = target / info.path.name.removeprefix(f"{folder.name}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(store.read(info.path))
