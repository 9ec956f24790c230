"""correct: one staged L1C zip becomes a complete L2A folder in the store.

Contract: returns the product's record. A product that is done already, superseded, or taken off is a normal return. A
product that cannot be corrected (no zip, damaged, processor without a usable result) becomes FAILED with the
reason. Trouble that may pass raises, and the message is delivered again.

Killed at any line and run again, the outcome is the same, because of the order: the ledger learns the L2A name, and
what the correction took, before the first byte of it is uploaded, so that the next try knows what to remove;
manifest.safe comes last, so that nobody reads half a folder; then CORRECTED; then the staged zip goes. Whoever calls
deletes the message last, and sees to it that no two work on one product at the same time; where that fails, the one
whose name the ledger no longer has stops before manifest.safe and takes its files away.

On the disk: the zip is never there, the L1C folder goes before the upload.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from shared.errors import IceWatchError, StorageUnavailable
from shared.messages import CorrectionMessage
from shared.models import MANIFEST, BlobPath, Keep, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.attach import ORIGIN, Origin
from shared.pipeline.correct_keep import kept
from shared.pipeline.correct_upload import upload_folder
from shared.pipeline.outcome import Attempt, attempt, entered
from shared.pipeline.turn import BEGUN
from shared.ports import Clock, Corrected, Corrector, Ledger, ObjectStore
from shared.records import Record
from shared.safe import content_type

_STEP = "correct"


class Unpack(Protocol):
    """Unpacks the zip of a product below a folder and returns the SAFE folder; BadProduct where it cannot."""

    def __call__(self, archive: BinaryIO, product: ProductName, into: Path) -> Path:
        """Unpack."""
        ...


def correct(
    message: CorrectionMessage,
    *,
    store: ObjectStore,
    ledger: Ledger,
    corrector: Corrector,
    unpack: Unpack,
    scratch: Path,
    clock: Clock,
    on_progress: Callable[[float], None],
    keep: Keep,
    resolution: int,
    checkpoint: Callable[[], None] = lambda: None,
) -> Record:
    """Correct the product of ``message`` on local disk below ``scratch``, which the caller empties.

    ``on_progress`` gets percent done of the processor. ``keep`` says what is uploaded of what ``corrector`` makes at
    ``resolution`` metres. ``checkpoint`` is called between files and before anything becomes visible; it may raise to
    stop the work.
    """
    product = message.name()
    record = _entered(product, ledger, clock)
    if record.is_cancelled:
        return record  # with its zip, which may be the only copy: a retry begins with it
    if _is_done(record, product, store):
        return _tidied(record, product, store, ledger, clock)
    with attempt(ledger, record, _STEP, clock) as this:
        begun = clock()
        ledger.update(record.partition, record.name, lambda old: replace(old, times={**old.times, BEGUN: begun}))
        _remove_leftovers(record, store, ledger)
        with store.reader(staged_zip(product)) as archive:
            l1c = unpack(archive, product, scratch / "l1c")
        result = corrector.correct(l1c, scratch / "run", on_progress=on_progress)
        shutil.rmtree(l1c, ignore_errors=True)
        l2a = ProductName.parse(result.folder.name)
        if (claimed := _claim(this, l2a, result)).state is State.SKIPPED:
            _left(this, claimed, product, store)
        else:
            (result.folder / ORIGIN).write_bytes(_origin(product, result))
            found = (path for path in result.folder.rglob("*") if path.is_file())
            names = kept(
                (path.relative_to(result.folder).as_posix() for path in found), keep, resolution, also=result.gipp
            )
            _publish(this, result.folder, l2a, names, store=store, checkpoint=checkpoint)
            _finish(this, product, store)
    return ledger.get(record.partition, record.name) or record


def _entered(product: ProductName, ledger: Ledger, clock: Clock) -> Record:
    """The product's record; a message sent by hand may name a product that no step has seen."""
    return entered(ledger, Record.of(product, State.STAGED, times={"stage": clock()}))


def _has_l2a(record: Record, store: ObjectStore) -> bool:
    return bool(record.l2a) and store.info(l2a_folder(ProductName.parse(record.l2a)) / MANIFEST) is not None


def _is_done(record: Record, product: ProductName, store: ObjectStore) -> bool:
    """True where nothing is left to do, or nothing may be done any more.

    The L2A of a classified product may have been removed since, to save room: that is no reason to fail.
    """
    if record.state is State.SKIPPED or _has_l2a(record, store):
        return True
    seen_by_classify = record.state in {State.CLASSIFIED, State.REJECTED}
    return seen_by_classify and store.info(staged_zip(product)) is None


def _tidied(record: Record, product: ProductName, store: ObjectStore, ledger: Ledger, clock: Clock) -> Record:
    """Do what an earlier try left undone after its L2A was complete."""
    if record.state is State.STAGED and _has_l2a(record, store):
        at = clock()
        record = ledger.update(record.partition, record.name, lambda old: _corrected(old, at))
    store.delete(staged_zip(product))
    return record


def _corrected(old: Record, at: datetime, **facts: Any) -> Record:
    """``old`` as CORRECTED, unless classify has seen the folder first: its state and reason are the newer ones."""
    if old.state is not State.STAGED:
        return replace(old.idle(), times={**old.times, _STEP: at}, **facts)
    return old.advanced(State.CORRECTED, step=_STEP, at=at, **facts)


def _origin(product: ProductName, result: Corrected) -> bytes:
    """What tells from now on of what the folder was made, should its row be lost."""
    return Origin(l1c=str(product), processor=result.processor, dem=result.dem).model_dump_json().encode()


def _left(this: Attempt, record: Record, product: ProductName, store: ObjectStore) -> None:
    """Leave a product that was taken off, or superseded, while it was in work; the latter needs its zip no more."""
    this.log.info("correct: %s was %s while in work", product, "taken off" if record.is_cancelled else "superseded")
    if not record.is_cancelled:
        store.delete(staged_zip(product))


def _remove_leftovers(record: Record, store: ObjectStore, ledger: Ledger) -> None:
    """Remove what an earlier try uploaded without coming to the end; the ledger has its name."""
    if not record.l2a:
        return
    # First the name: a slower worker on the same product stops when it finds it gone.
    ledger.update(record.partition, record.name, lambda old: replace(old, l2a=""))
    _remove(l2a_folder(ProductName.parse(record.l2a)), store)


def _claim(this: Attempt, l2a: ProductName, result: Corrected) -> Record:
    """Write down what is about to be uploaded, unless the product was superseded or taken off meanwhile.

    Two halves of a split granule that are finished in the same second get the same name. Each writes it down
    before it looks for the other, so that at least one of them sees both, and is done again under a new name.
    """
    took = this.seconds()

    def claimed(old: Record) -> Record:
        if old.state is State.SKIPPED:
            return old
        return replace(
            old,
            state=State.STAGED,
            reason="",
            l2a=str(l2a),
            processor=result.processor,
            dem=result.dem,
            peak_memory=result.peak_memory,
            peak_disk=result.peak_disk,
            seconds={**old.seconds, _STEP: took},  # without the upload, should we die before its end
        )

    mine = this.ledger.update(this.partition, this.name, claimed)
    same = (other.name for other in this.ledger.records(this.partition) if other.l2a == str(l2a))
    if others := [name for name in same if name != this.name]:
        this.ledger.update(this.partition, this.name, lambda old: replace(old, l2a=""))
        raise StorageUnavailable(f"{l2a} is already the L2A of {others[0]}; {this.name} needs another name.")
    return mine


def _publish(
    this: Attempt,
    folder: Path,
    l2a: ProductName,
    names: list[str],
    *,
    store: ObjectStore,
    checkpoint: Callable[[], None],
) -> None:
    """Upload ``names`` of ``folder``, manifest.safe last and only if the product is still ours."""
    target = l2a_folder(l2a)
    try:
        members = [name for name in names if name != MANIFEST]
        upload_folder(folder, target, members, store=store, checkpoint=checkpoint)
        checkpoint()
        _check_still_ours(this, l2a)
    except BaseException:
        with suppress(IceWatchError):  # what made us stop is the news
            _remove_if_lost(this, l2a, store)
        raise
    store.upload(target / MANIFEST, folder / MANIFEST, content_type=content_type(MANIFEST))


def _check_still_ours(this: Attempt, l2a: ProductName) -> None:
    """Raise where another worker took the product over meanwhile."""
    now = this.ledger.get(this.partition, this.name)
    if now is None or now.l2a != str(l2a):
        raise StorageUnavailable(f"{this.name} was taken over by another worker; its {l2a} is taken away again.")


def _remove_if_lost(this: Attempt, l2a: ProductName, store: ObjectStore) -> None:
    """Remove what we uploaded of ``l2a`` unless a row of the ledger has the name, and so its next try removes it."""
    if this.ledger.by_l2a(l2a.tile, str(l2a)) is None:
        _remove(l2a_folder(l2a), store)


def _remove(folder: BlobPath, store: ObjectStore) -> None:
    for leftover in list(store.list(folder)):
        store.delete(leftover.path)


def _finish(this: Attempt, product: ProductName, store: ObjectStore) -> None:
    at, took = this.clock(), this.seconds()
    record = this.ledger.update(
        this.partition, this.name, lambda old: _corrected(old, at, seconds={**old.seconds, _STEP: took})
    )
    this.log.info(
        "correct: %s by %s in %.1f s; at most %.0f MiB of memory and %.0f MiB of disk; elevation model: %s",
        record.l2a,
        record.processor,
        took,
        record.peak_memory / 1024**2,
        record.peak_disk / 1024**2,
        record.dem or "not stated",
    )
    store.delete(staged_zip(product))
