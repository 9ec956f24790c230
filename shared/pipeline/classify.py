"""classify: map the ice surface of one complete L2A folder, and write the results under their mirrored path.

Contract: returns the product's record where this call changed it, None where there was nothing to do. A product
that is incomplete or damaged or contradicts its own metadata, a model or ice mask that cannot be used become FAILED
with the reason; too little usable surface becomes REJECTED with the number; a map that is all but empty is CLASSIFIED
with a reason that says so; busy storage raises and the queue tries again. An older
manifest.json is deleted before the first result is written and the new one is written last, so that nothing
half-written looks complete; whatever an older run left beside the new results is removed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial

from shared.errors import NotFound
from shared.messages import COMPLETE, ClassificationMessage
from shared.models import MANIFEST, Level, ProductName, State, l2a_folder, surface_folder
from shared.pipeline.attach import attach, is_own
from shared.pipeline.outcome import Attempt, attempt, entered
from shared.pipeline.reclassify import is_due
from shared.pipeline.result_folder import Results
from shared.pipeline.surface import Options, Tools, map_surface
from shared.pipeline.surface_results import Rejected, Summary
from shared.ports import Clock, Ledger, ObjectStore
from shared.records import Record
from shared.science.forest import Classifier

WAIT = 60  # seconds; the lock of a run that died is free by then
_DONE = {State.CLASSIFIED, State.REJECTED, State.SKIPPED}
_log = logging.getLogger("icewatch")


def classify(
    product: ProductName,
    *,
    store: ObjectStore,
    ledger: Ledger,
    load_classifier: Callable[[], Classifier],
    tools: Tools,
    options: Callable[[], Options],
    clock: Clock,
    again: bool = False,
    because: str = "",
    check: Callable[[], None] = lambda: None,
) -> Record | None:
    """Classify ``product``, an L2A product whose folder lies complete in the store.

    ``load_classifier`` and ``options`` are called only where there is something to do; what they refuse becomes the
    product's reason. ``again`` asks for it although it is classified, rejected or superseded already: another model,
    other options, late files; ``because`` is the reason that its message gives, which may have been seen to since.
    ``check`` is called before each write and raises where the caller is no longer alone at work on the product.
    """
    record = _entered(product, store, ledger, clock)
    if record.l2a not in {"", str(product)}:
        _log.warning("classify: %s is left alone: %s has %s by now", product, record.name, record.l2a)
        return None
    changed = partial(_last_written, store, product)
    if record.is_cancelled or not (is_due(record, because, changed) if again else record.state not in _DONE):
        return None
    with attempt(ledger, record, "classify", clock) as this:
        results = Results(store, surface_folder(product), check)
        with _saying_what_is_lost(this, results):
            outcome = map_surface(
                _BlobMembers(store, product),
                product,
                load_classifier(),
                tools=tools,
                options=options(),
                emit=results.emit,
                clock=clock,
                processor=record.processor,
            )
            if isinstance(outcome, Rejected):
                results.remove()
        _noted(this, outcome, product)
    return ledger.get(record.partition, record.name)


def put_back(product: ProductName, *, again: bool, because: str) -> ClassificationMessage:
    """The message that asks again, after WAIT, because another run is at work on ``product`` now.

    Nothing gets lost that way: the run at work may have begun with another model or other files, or may die; where it
    knew of what the message tells, the message is dropped when it comes again.
    """
    _log.info("classify: %s is in work elsewhere and is looked at again in %d s", product, WAIT)
    return ClassificationMessage(product=str(product), because=because if again else COMPLETE)


def _last_written(store: ObjectStore, product: ProductName) -> datetime | None:
    """When a file of the product's folder was last written; None where there is none."""
    return max((blob.modified for blob in store.list(l2a_folder(product))), default=None)


@contextmanager
def _saying_what_is_lost(this: Attempt, results: Results) -> Iterator[None]:
    """Where it fails after the first write, the row says no more that the results of before are there."""
    before = this.began.times.get("classify")
    try:
        yield
    except Exception:
        if results.is_begun:
            this.write(lambda old: replace(old, results="") if old.times.get("classify") == before else old)
        raise


def _entered(product: ProductName, store: ObjectStore, ledger: Ledger, clock: Clock) -> Record:
    """The record of ``product``; a folder that somebody put into the store by hand gets one of its own."""
    known = ledger.by_l2a(product.tile, str(product)) or ledger.get(product.tile.name, str(product))
    if known is not None:
        return known
    if is_own(product) and (made_of := attach(product, store=store, ledger=ledger, clock=clock)) is not None:
        return made_of
    l2a = str(product) if product.level is Level.L2A else ""
    return entered(ledger, Record.of(product, State.CORRECTED, l2a=l2a, times={"discover": clock()}))


def _noted(this: Attempt, outcome: Summary | Rejected, product: ProductName) -> None:
    if isinstance(outcome, Rejected):
        this.done(
            State.REJECTED,
            reason=outcome.reason,
            l2a=str(product),
            usable_percent=outcome.usable_percent,
            classified_percent=None,
            results="",
            class_percent={},
            class_km2={},
            albedo_mean=None,
            albedo_sd=None,
            index_mean=None,
            index_sd=None,
            model="",
        )
        return
    this.done(
        State.CLASSIFIED,
        reason=outcome.note,
        l2a=str(product),
        processor=outcome.processor,
        results=str(surface_folder(product)),
        usable_percent=outcome.usable_percent,
        classified_percent=outcome.classified_percent,
        class_percent=outcome.class_percent,
        class_km2=outcome.class_km2,
        albedo_mean=outcome.albedo.mean if outcome.albedo else None,
        albedo_sd=outcome.albedo.sd if outcome.albedo else None,
        index_mean=outcome.index.mean if outcome.index else None,
        index_sd=outcome.index.sd if outcome.index else None,
        model="{name} {version}".format_map(outcome.document["model"]),
    )


class _BlobMembers:
    """The files of a complete L2A folder in the store."""

    def __init__(self, store: ObjectStore, product: ProductName) -> None:
        self._store, self._folder = store, l2a_folder(product)
        if store.info(self._folder / MANIFEST) is None:
            raise NotFound(f"There is no complete L2A folder {self._folder}: its {MANIFEST} is missing.")

    def names(self) -> Iterable[str]:
        skipped = len(self._folder.name) + 1
        return [blob.path.name[skipped:] for blob in self._store.list(self._folder)]

    def read(self, name: str) -> bytes:
        return self._store.read(self._folder / name)
