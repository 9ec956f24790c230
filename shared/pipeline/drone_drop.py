"""drop of an orthomosaic: a GeoTIFF put into the inbox is classified from there.

    drop/<anything>/<name>.tif      ->  surface/drone/<name>/...      manifest.json last

Contract: the file stays in the inbox, as nobody else keeps it; its ETag in the ledger (partition "drone", row <name>)
says that it is done with, so that an event told again changes nothing and a new file of that name is classified. A file
that is damaged or no orthomosaic becomes FAILED with the reason; a name that cannot be one, or that another file of
the inbox has, gets a refused row; busy storage raises and the event is told again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace

from shared.errors import BadName, PermanentError, StorageUnavailable
from shared.limits import Locks
from shared.models import RESULT_MANIFEST, SURFACE, BlobPath, State, shown
from shared.pipeline.drone import map_orthomosaic
from shared.pipeline.drone_ports import DroneTools
from shared.pipeline.drone_results import PROCESSOR, DroneSummary
from shared.pipeline.outcome import Attempt, attempt, entered
from shared.pipeline.refused import refuse
from shared.pipeline.result_folder import Results
from shared.pipeline.surface_results import QUICKLOOK, SUMMARY
from shared.ports import BlobInfo, Clock, Ledger, ObjectStore
from shared.records import DRONE, Record
from shared.science.forest import Classifier

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}(?<!\.)")  # storage drops the dot at the end of a folder's name
_OWN = frozenset(name.rpartition(".")[0] for name in (RESULT_MANIFEST, SUMMARY, QUICKLOOK))
_DEAD = 65.0  # seconds after which the lock of a run that died is free
_log = logging.getLogger("icewatch")
_ENDS = (".tif", ".tiff")


def is_orthomosaic(path: BlobPath) -> bool:
    """Whether the name of a dropped blob says that it is a GeoTIFF outside a SAFE folder."""
    *folders, leaf = path.name.split("/")
    return leaf.lower().endswith(_ENDS) and not any(folder.endswith(".SAFE") for folder in folders)


def name_of(leaf: str) -> str:
    """The name of the orthomosaic in the file ``leaf``; BadName where it cannot name folders and files."""
    stem = leaf[: leaf.rfind(".")]
    if not _NAME.fullmatch(stem) or ".." in stem:
        raise BadName(
            f"'{shown(leaf)}' cannot name an orthomosaic's results; expected at most 80 letters, digits, dots, hyphens "
            "and underscores, and .tif at the end."
        )
    if stem.lower() in _OWN:  # disks tell no case
        raise BadName(f"'{shown(leaf)}' has the name of a result file; rename it to something that says where it was.")
    return stem


def drone_folder(name: str) -> BlobPath:
    """The result folder of an orthomosaic."""
    return BlobPath(SURFACE, f"drone/{name}")


def drop_orthomosaic(
    path: BlobPath,
    *,
    store: ObjectStore,
    ledger: Ledger,
    load_classifier: Callable[[], Classifier],
    tools: Callable[[], DroneTools],
    locks: Locks,
    clock: Clock,
) -> Record | None:
    """Classify the orthomosaic dropped at ``path``; the record where this call changed one.

    ``locks`` are those of result folders. Told of a file that another run is at work on, this one leaves it to that,
    which looks at the end whether the file still is the one it has read; StorageUnavailable where it is not.
    """
    info = store.info(path)
    if info is None:
        return None
    try:
        name = name_of(path.name.rpartition("/")[2])
    except BadName as error:
        return refuse(str(path), str(error), ledger, clock)
    record = entered(ledger, _fresh(name, info, clock))
    if record.id != str(path) and store.info(BlobPath.parse(record.id)) is not None:
        why = f"'{path}' would write over the results of '{record.id}', which has the same name; rename one of them."
        return refuse(str(path), why, ledger, clock)
    lock = locks.take(f"{DRONE}-{name}", patience=_DEAD)
    if lock is None and record.id != str(path):
        raise StorageUnavailable(f"'{record.id}', which has the name of '{path}', is being classified.")
    if lock is None:  # and whoever has it lives
        _log.info("drop: %s is in work already", path)
        return None
    with lock as held:
        known = ledger.get(DRONE, name) or record
        if known.state is State.CLASSIFIED and known.checksum == _digest(info):
            return None
        with attempt(ledger, known, "classify", clock) as this:
            results = Results(store, drone_folder(name), held.check)
            try:
                with store.reader(path) as file, tools().orthomosaics.open(file, name) as orthomosaic:
                    outcome = map_orthomosaic(
                        orthomosaic, name, load_classifier(), tools=tools(), emit=results.emit, clock=clock
                    )
            except PermanentError:
                results.remove()
                ledger.update(DRONE, name, _without_results)
                raise
            _done(this, outcome, info)
    now = store.info(path)
    if now is not None and now.etag != info.etag:
        raise StorageUnavailable(f"'{path}' was replaced while it was classified.")
    return ledger.get(DRONE, name)


def _fresh(name: str, info: BlobInfo, clock: Clock) -> Record:
    return Record(DRONE, name, State.DISCOVERED, id=str(info.path), bytes=info.size, times={"discover": clock()})


def _digest(info: BlobInfo) -> str:
    return f"ETag:{info.etag}"


def _without_results(old: Record) -> Record:
    return replace(
        old,
        results="",
        checksum="",
        usable_percent=None,
        classified_percent=None,
        class_percent={},
        class_km2={},
        albedo_mean=None,
        albedo_sd=None,
    )


def _done(this: Attempt, outcome: DroneSummary, info: BlobInfo) -> None:
    this.done(
        State.CLASSIFIED,
        id=str(info.path),
        bytes=info.size,
        checksum=_digest(info),
        processor=PROCESSOR,
        results=str(drone_folder(outcome.name)),
        reason=outcome.note,
        usable_percent=outcome.usable_percent,
        classified_percent=outcome.classified_percent,
        class_percent=outcome.class_percent,
        class_km2=outcome.class_km2,
        albedo_mean=outcome.albedo.mean if outcome.albedo else None,
        albedo_sd=outcome.albedo.sd if outcome.albedo else None,
    )
