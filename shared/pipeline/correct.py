"""correct: one staged L1C zip becomes a complete L2A folder in the store.

Contract: returns the product's record. A product that is done already, or superseded, is a normal return. A
product that cannot be corrected (no zip, damaged, processor without a usable result) becomes FAILED with the
reason. Trouble that may pass raises, and the message is delivered again.

Killed at any line and run again, the outcome is the same, because of the order: the ledger learns the L2A name
before the first byte of it is uploaded, so that the next try knows what to remove; manifest.safe comes last, so
that nobody reads half a folder; then CORRECTED; then the staged zip goes. Whoever calls deletes the message last.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from shared.errors import StorageUnavailable
from shared.messages import CorrectionMessage
from shared.models import MANIFEST, BlobPath, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.outcome import Attempt, attempt, entered
from shared.pipeline.turn import BEGUN
from shared.ports import Clock, Corrected, Corrector, Ledger, ObjectStore
from shared.records import Record
from shared.safe import content_type

_STEP = "correct"
_PARALLEL = 4  # uploads at a time; more gain nothing on the two cores of the job


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
    checkpoint: Callable[[], None] = lambda: None,
) -> Record:
    """Correct the product of ``message`` on local disk below ``scratch``, which the caller empties.

    ``on_progress`` gets percent done of the processor. ``checkpoint`` is called between files and before
    anything becomes visible; it may raise to stop the work.
    """
    product = message.name()
    record = _entered(product, ledger, clock)
    if _is_done(record, product, store):
        return _tidied(record, product, store, ledger, clock)
    with attempt(ledger, record, _STEP, clock) as this:
        begun = clock()
        ledger.update(record.partition, record.name, lambda old: replace(old, times={**old.times, BEGUN: begun}))
        _remove_leftovers(record, store, ledger)
        with store.reader(staged_zip(product)) as archive:
            l1c = unpack(archive, product, scratch / "l1c")
        result = corrector.correct(l1c, scratch / "run", on_progress=on_progress)
        l2a = ProductName.parse(result.folder.name)
        if _claim(record, l2a, result, ledger).state is State.SKIPPED:
            this.log.info("correct: %s was superseded while it was in work", product)
            store.delete(staged_zip(product))
        else:
            _upload(result.folder, l2a, record=record, store=store, ledger=ledger, checkpoint=checkpoint)
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
        return replace(old, times={**old.times, _STEP: at}, **facts)
    return old.advanced(State.CORRECTED, step=_STEP, at=at, **facts)


def _remove_leftovers(record: Record, store: ObjectStore, ledger: Ledger) -> None:
    """Remove what an earlier try uploaded without coming to the end; the ledger has its name."""
    if not record.l2a:
        return
    # First the name: a slower worker on the same product stops when it finds it gone.
    ledger.update(record.partition, record.name, lambda old: replace(old, l2a=""))
    for leftover in store.list(l2a_folder(ProductName.parse(record.l2a))):
        store.delete(leftover.path)


def _claim(record: Record, l2a: ProductName, result: Corrected, ledger: Ledger) -> Record:
    """Write down what is about to be uploaded, unless the product was superseded meanwhile.

    Two halves of a split granule that are finished in the same second get the same name. Each writes it down
    before it looks for the other, so that at least one of them sees both, and is done again under a new name.
    """

    def claimed(old: Record) -> Record:
        if old.state is State.SKIPPED:
            return old
        return replace(old, state=State.STAGED, reason="", l2a=str(l2a), processor=result.processor)

    mine = ledger.update(record.partition, record.name, claimed)
    same = (other.name for other in ledger.records(record.partition) if other.l2a == str(l2a))
    if others := [name for name in same if name != record.name]:
        ledger.update(record.partition, record.name, lambda old: replace(old, l2a=""))
        raise StorageUnavailable(f"{l2a} is already the L2A of {others[0]}; {record.name} needs another name.")
    return mine


def _upload(
    folder: Path,
    l2a: ProductName,
    *,
    record: Record,
    store: ObjectStore,
    ledger: Ledger,
    checkpoint: Callable[[], None],
) -> None:
    target = l2a_folder(l2a)
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    manifest = files.pop(MANIFEST)

    def put(name: str) -> None:
        store.upload(target / name, files[name], content_type=content_type(name))

    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="upload") as pool:
        try:
            for _ in pool.map(put, files):
                checkpoint()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _check_uploaded(target, {name: path.stat().st_size for name, path in files.items()}, store)
    checkpoint()
    _check_still_ours(record, l2a, ledger)
    store.upload(target / MANIFEST, manifest, content_type=content_type(MANIFEST))


def _check_uploaded(target: BlobPath, sizes: dict[str, int], store: ObjectStore) -> None:
    found = {info.path.name.removeprefix(f"{target.name}/"): info.size for info in store.list(target)}
    if found != sizes:
        odd = sorted(name for name in found.keys() | sizes.keys() if found.get(name) != sizes.get(name))
        raise StorageUnavailable(f"{target} is not as uploaded: {', '.join(odd[:3])} differ ({len(odd)} files).")


def _check_still_ours(record: Record, l2a: ProductName, ledger: Ledger) -> None:
    """Raise where another worker took the product over meanwhile."""
    now = ledger.get(record.partition, record.name)
    if now is None or now.l2a != str(l2a):
        raise StorageUnavailable(f"{record.name} was taken over by another worker; its {l2a} is left unfinished.")


def _finish(this: Attempt, product: ProductName, store: ObjectStore) -> None:
    at, took = this.clock(), this.seconds()
    record = this.ledger.update(
        this.partition, this.name, lambda old: _corrected(old, at, seconds={**old.seconds, _STEP: took})
    )
    this.log.info("correct: %s by %s in %.1f s", record.l2a, record.processor, took)
    store.delete(staged_zip(product))
