"""drop: a product put into the inbox by hand joins the pipeline at the step it is ready for.

    drop/<anything>/<L1C product>[.SAFE].zip        -> l1c/...   and queue corrections
    drop/<anything>/<L2A product>[.SAFE].zip        -> l2a/...   unpacked, manifest.safe last
    drop/<anything>/<L2A product>.SAFE/<file>       -> l2a/...   once its manifest.safe is there
    drop/<anything>/<name>.tif                      -> an orthomosaic, see `shared.pipeline.drone_drop`
    anything else                                   -> stays, with a refused row in the ledger that says why

Contract: what is moved is deleted from the inbox after it is in place, so that every try may be repeated; an event
that is told again after that sends its message again, which the next step recognises. A product that is in work or
done already leaves the inbox and changes nothing; one that failed or was rejected starts anew. Files of a folder may
arrive in any order: they wait for manifest.safe, and the ledger says so; one that comes later is moved on its own and
the product is classified again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import SEEK_END

from shared.errors import BadName, BadProduct, NotFound, PermanentError
from shared.messages import LATE_FILES, ClassificationMessage, CorrectionMessage
from shared.models import MANIFEST, BlobPath, Level, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.outcome import attempt, entered
from shared.pipeline.refused import refuse
from shared.pipeline.stage_directory import check_directory
from shared.pipeline.unfold import unfold
from shared.ports import Clock, Ledger, ObjectStore
from shared.records import Record

# Superseded products are settled too: their successor is the one to work on. What a person took off begins again.
_SETTLED = {State.CORRECTED, State.CLASSIFIED, State.SKIPPED}


@dataclass(frozen=True, slots=True)
class Dropped:
    """A blob of the inbox, told by its path."""

    path: BlobPath
    product: ProductName
    member: str  # path inside the SAFE folder; "" for a zip


def parse_dropped(path: BlobPath) -> Dropped:
    """Tell a product's zip or a file of its folder by ``path``; BadName or BadProduct where it is neither."""
    *folders, leaf = path.name.split("/")
    for depth, folder in enumerate(folders):
        if folder.endswith(".SAFE"):
            product = ProductName.parse(folder)
            if product.level is not Level.L2A:
                raise BadProduct(f"{product} was dropped as a folder of files; drop an L1C product as its zip.")
            return Dropped(path, product, "/".join([*folders[depth + 1 :], leaf]))
    if not leaf.endswith(".zip"):
        raise BadName(
            f"'{path}' is no product; drop the zip of an L1C or L2A product, an L2A .SAFE folder, or an orthomosaic."
        )
    return Dropped(path, ProductName.parse(leaf), "")


def drop(
    path: BlobPath, *, store: ObjectStore, ledger: Ledger, clock: Clock
) -> Sequence[CorrectionMessage | ClassificationMessage]:
    """Move the dropped blob at ``path`` to where its next step looks, and return the messages that follow."""
    try:
        dropped = parse_dropped(path)
    except PermanentError as error:
        if store.info(path) is not None:
            refuse(str(path), str(error), ledger, clock)
        return []
    if store.info(path) is None:
        return _told_again(dropped, store, ledger)
    if dropped.member:
        return _folder(dropped, store, ledger, clock)
    if dropped.product.level is Level.L1C:
        return _l1c_zip(dropped, store, ledger, clock)
    return _l2a_zip(dropped, store, ledger, clock)


def _told_again(dropped: Dropped, store: ObjectStore, ledger: Ledger) -> list[CorrectionMessage]:
    """The blob is moved already: the try that moved it may have died before its message went out."""
    product = dropped.product
    record = ledger.get(product.tile.name, str(product))
    waits = record is not None and record.state is State.STAGED and product.level is Level.L1C
    return [CorrectionMessage(product=str(product))] if waits and store.info(staged_zip(product)) else []


def _entered(product: ProductName, ledger: Ledger, clock: Clock) -> Record:
    l2a = str(product) if product.level is Level.L2A else ""
    at = clock()
    made_here = ledger.by_l2a(product.tile, l2a) if l2a else None
    fresh = Record.of(product, State.DISCOVERED, l2a=l2a, times={"discover": at, "drop": at})
    record = made_here or entered(ledger, fresh)
    if record.is_cancelled:
        return ledger.update(record.partition, record.name, lambda old: _begun_again(old, at))
    if made_here or "drop" in record.times:
        return record
    return ledger.update(record.partition, record.name, lambda old: replace(old, times={**old.times, "drop": at}))


def _begun_again(old: Record, at: datetime) -> Record:
    return old.begun_again(State.DISCOVERED, step="drop", at=at) if old.is_cancelled else old


def _l1c_zip(dropped: Dropped, store: ObjectStore, ledger: Ledger, clock: Clock) -> list[CorrectionMessage]:
    record = _entered(dropped.product, ledger, clock)
    if record.state in _SETTLED or (record.state is State.STAGED and store.info(staged_zip(dropped.product))):
        store.delete(dropped.path)
        return _told_again(dropped, store, ledger)
    with attempt(ledger, record, "stage", clock) as this:
        with store.reader(dropped.path) as file:
            size = file.seek(0, SEEK_END)
            check_directory(file, dropped.product, length=size)
        store.copy(dropped.path, staged_zip(dropped.product))
        # Without the L2A of an earlier try, so that the correction runs again instead of finding it done.
        this.done(State.STAGED, bytes=size, l2a="")
        store.delete(dropped.path)
        return [CorrectionMessage(product=str(dropped.product))]
    return []


def _l2a_zip(dropped: Dropped, store: ObjectStore, ledger: Ledger, clock: Clock) -> list[ClassificationMessage]:
    record = _entered(dropped.product, ledger, clock)
    is_there = store.info(l2a_folder(dropped.product) / MANIFEST) is not None
    if record.state in _SETTLED and (is_there or record.state is not State.CORRECTED):
        store.delete(dropped.path)
        return []
    with attempt(ledger, record, "correct", clock) as this:
        unfold(
            dropped.path,
            dropped.product,
            store=store,
            whole=lambda: this.done(State.CORRECTED, processor="provider", l2a=str(dropped.product)),
        )
        store.delete(dropped.path)
    return []  # the manifest's arrival triggers classify


def _folder(dropped: Dropped, store: ObjectStore, ledger: Ledger, clock: Clock) -> list[ClassificationMessage]:
    source = BlobPath(dropped.path.container, dropped.path.name.removesuffix(f"/{dropped.member}"))
    target = l2a_folder(dropped.product)
    record = _entered(dropped.product, ledger, clock)
    if dropped.member == MANIFEST:
        with attempt(ledger, record, "correct", clock) as this:
            this.done(State.CORRECTED, processor="provider", l2a=str(dropped.product))
        return _move_all(dropped.product, source, target, store)
    if store.info(source / MANIFEST) is not None:
        return []  # the manifest's event moves all files
    if store.info(target / MANIFEST) is None:
        waits = f"Waits for its {MANIFEST} in {source}."
        ledger.update(record.partition, record.name, lambda old: replace(old, error=waits))
        return []
    _move(dropped.path, target / dropped.member, store)
    return [ClassificationMessage(product=str(dropped.product), because=LATE_FILES)]


def _move_all(
    product: ProductName, source: BlobPath, target: BlobPath, store: ObjectStore
) -> list[ClassificationMessage]:
    """Move a folder, manifest.safe last: its arrival triggers classify."""

    def waiting() -> list[BlobPath]:
        return [info.path for info in store.list(source) if info.path != source / MANIFEST]

    def move(paths: list[BlobPath]) -> None:
        for path in paths:
            _move(path, target / path.name.removeprefix(f"{source.name}/"), store)

    while paths := waiting():
        move(paths)
    move([source / MANIFEST])
    # A file whose event found the manifest still in the inbox left itself to this call.
    late = waiting()
    move(late)
    return [ClassificationMessage(product=str(product), because=LATE_FILES)] if late else []


def _move(source: BlobPath, target: BlobPath, store: ObjectStore) -> None:
    try:
        store.copy(source, target)
    except NotFound:  # another delivery of this event has moved it
        return
    store.delete(source)
