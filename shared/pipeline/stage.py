"""stage: stream one product from the provider into blob storage.

    L1C   -> l1c/.../<product>.SAFE.zip, then the message for queue ``corrections``
    L2A   -> l2a/.../<product>.SAFE/..., unpacked, manifest.safe last, whose arrival triggers classify

Contract: returns what follows. A product that has to wait (for a slot, for the byte budget, because the provider
asks for it) is put back with a delay; that is no failed try. Trouble that may pass (provider busy, connection cut,
checksum not matching) raises and the queue tries again. A product that is gone becomes FAILED and its month is
searched again; one in the archive becomes OFFLINE; one that is no zip, incomplete or forbidden becomes FAILED with
the reason. `stage_rules` is the table. What was corrected before, and lost its row since, is not fetched again (see
`shared.pipeline.attach`). The blob becomes visible only when length, checksum and the zip's own directory are right.
Memory holds a few blocks and the zip's last megabytes, never the product; nothing touches a disk.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.errors import BadProduct
from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    NO_ROW,
    PRODUCTS,
    TILE_MONTHS,
    ClassificationMessage,
    CorrectionMessage,
    Message,
    ProductMessage,
    TileMonthMessage,
)
from shared.models import MANIFEST, BlobPath, Level, ProductName, State, TileMonth, l2a_folder, parcel, staged_zip
from shared.pipeline.attach import regained
from shared.pipeline.outcome import Attempt, attempt, entered
from shared.pipeline.stage_fetch import Fetched, Intake, Later, Unavailable, fetch
from shared.pipeline.stage_rules import Rule, pause
from shared.pipeline.turn import new_ones_ahead
from shared.pipeline.unfold import unfold
from shared.ports import Catalogue, Clock, Ledger, ObjectStore, Retrieval
from shared.records import Record

_log = logging.getLogger("icewatch")
_STEP, _FETCHED = "stage", "fetched"  # the latter: time at which the zip of an official L2A was there, checked
_DONE = {State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED, State.FAILED}


@dataclass(frozen=True, slots=True)
class Following:
    """A message to send."""

    queue: str
    message: Message
    delay: int = 0  # seconds


@dataclass(frozen=True, slots=True)
class _Outside:
    """What the step works with."""

    catalogue: Catalogue
    store: ObjectStore
    ledger: Ledger
    clock: Clock
    intake: Intake


def stage(
    message: ProductMessage,
    *,
    catalogue: Catalogue,
    store: ObjectStore,
    ledger: Ledger,
    clock: Clock,
    intake: Intake,
    resolution: int | None = None,
    again: bool = False,
) -> list[Following]:
    """Stage the product of ``message`` and return what comes next; nothing where that is done already.

    Args:
        message: the product.
        catalogue: the provider.
        store: where the product goes.
        ledger: read before written.
        clock: the present, UTC.
        intake: slots and byte budget, shared with all other instances.
        resolution: metres at which an L2A product must be complete; None: 20, or 60 where it has only that.
        again: the message was delivered before, so that a try that staged the product may have died before the next
            message went out: then it goes out now.
    """
    outside = _Outside(catalogue, store, ledger, clock, intake)
    name, record = message.name(), _entered(message, ledger, clock)
    if (known := _known(message, record, store, again=again)) is not None:
        return known
    if l2a := regained(record, store=store, ledger=ledger, clock=clock, resolution=resolution):
        return [Following(CLASSIFICATIONS, ClassificationMessage(product=l2a, because=NO_ROW))]
    with attempt(ledger, record, _STEP, clock) as this:
        got = _fetched(message, record, outside, resolution)
        match got:
            case Later():
                return [_waits(this, message, got, intake.limits.pause)]
            case Unavailable():
                return _given_up(this, message, got, catalogue)
            case Fetched() if _is_superseded(record, ledger):
                store.delete(_zip_of(name))
                this.log.info("stage: %s was superseded or taken off while it came", name)
            case Fetched() if name.level is Level.L2A:
                _unfolded(this, name, got, store)
            case Fetched():
                staged = this.done(State.STAGED, bytes=got.bytes, checksum=got.checksum)
                return _corrections(name) if staged.state is State.STAGED else []
    return []


def _entered(message: ProductMessage, ledger: Ledger, clock: Clock) -> Record:
    """The product's record; a message sent by hand may name a product that discover has not seen."""
    name = message.name()
    times = {"discover": clock()}
    return entered(ledger, Record.of(name, State.DISCOVERED, id=message.id, bytes=message.size, times=times))


def _known(message: ProductMessage, record: Record, store: ObjectStore, *, again: bool) -> list[Following] | None:
    """What follows where there is nothing to fetch; None where there is."""
    name = message.name()
    if record.id and record.id != message.id:
        _log.info("stage: %s was published again; the message of its old identifier is dropped", name)
        return []
    if _is_done(record, name, store):
        if name.level is Level.L2A:
            store.delete(parcel(name))  # a try may have died before it did
        return []
    if record.state is State.STAGED and store.info(staged_zip(name)) is not None:
        return _corrections(name) if again else []
    return None


def _is_done(record: Record, name: ProductName, store: ObjectStore) -> bool:
    """True where nothing is left to do; a try may have died just before it wrote the manifest of an L2A folder."""
    if record.state is State.CORRECTED and name.level is Level.L2A:
        return store.info(parcel(name)) is None or store.info(l2a_folder(name) / MANIFEST) is not None
    return record.state in _DONE


def _is_superseded(record: Record, ledger: Ledger) -> bool:
    """True where discover has found a newer product of the same acquisition meanwhile."""
    now = ledger.get(record.partition, record.name)
    return now is not None and now.state is State.SKIPPED


def _zip_of(name: ProductName) -> BlobPath:
    return staged_zip(name) if name.level is Level.L1C else parcel(name)


def _corrections(name: ProductName) -> list[Following]:
    return [Following(CORRECTIONS, CorrectionMessage(product=str(name)))]


def _fetched(
    message: ProductMessage, record: Record, outside: _Outside, resolution: int | None
) -> Fetched | Later | Unavailable:
    name = message.name()
    into = _zip_of(name)
    # A parcel became visible whole and checked: a try that died while unpacking need not be paid for again.
    if name.level is Level.L2A and _FETCHED in record.times and outside.store.info(into) is not None:
        return Fetched(record.bytes, record.checksum)
    if message.backfill and (ahead := new_ones_ahead(outside.ledger, State.DISCOVERED, _STEP, but=str(name))):
        return Later(f"Backfill waits for {ahead} new acquisitions.")
    return fetch(
        message,
        into,
        catalogue=outside.catalogue,
        store=outside.store,
        clock=outside.clock,
        intake=outside.intake,
        resolution=resolution,
    )


def _waits(this: Attempt, message: ProductMessage, later: Later, first_pause: float) -> Following:
    """Say in the ledger what the product waits for, and put its message back."""
    at, name = this.clock(), message.name()
    this.ledger.update(
        this.partition, this.name, lambda old: replace(old, error=later.why, times={**old.times, "waits": at})
    )
    delay = pause(name, waits=message.waits, first=first_pause, at_least=later.seconds)
    this.log.info("stage: %s comes again in %d s: %s", name, delay, later.why)
    counts = {"waits": message.waits + 1, "refusals": message.refusals + later.is_providers}
    return Following(PRODUCTS, message.model_copy(update=counts), delay)


def _given_up(this: Attempt, message: ProductMessage, got: Unavailable, catalogue: Catalogue) -> list[Following]:
    """Record that the provider does not hand the product out, and see that its month is searched again."""
    name = message.name()
    month = TileMonth(name.tile, name.sensing.year, name.sensing.month)
    if got.rule is Rule.OFFLINE:
        asked, at = catalogue.retrieve(message.id), this.clock()
        if asked is Retrieval.ACCEPTED:  # so that discover does not ask again at once
            this.write(lambda old: replace(old, times={**old.times, "retrieve": at}))
        wish = "It can only be waited for" if asked is Retrieval.UNSUPPORTED else f"The wish to have it back: {asked}"
        this.done(State.OFFLINE, reason=f"{got.why} {wish}.")
        return []  # schedule looks daily at a month in which products wait
    this.failed(got.why)
    return [Following(TILE_MONTHS, TileMonthMessage.of(month, backfill=message.backfill))]


def _unfolded(this: Attempt, name: ProductName, got: Fetched, store: ObjectStore) -> None:
    """Unpack an official L2A product; the ledger knows it before its manifest is there."""
    at = this.clock()
    facts: dict[str, Any] = {"l2a": str(name), "bytes": got.bytes, "checksum": got.checksum}
    record = this.write(lambda old: replace(old, times={**old.times, _STEP: at, _FETCHED: at}, **facts))
    if _FETCHED not in record.times:
        store.delete(parcel(name))  # it was published anew while it came
        return

    def whole() -> None:
        done, took = this.clock(), this.seconds()
        this.ledger.update(
            this.partition,
            this.name,
            lambda old: _corrected(old, done, seconds={**old.seconds, _STEP: took}, processor="provider"),
        )

    try:
        unfold(parcel(name), name, store=store, whole=whole)
    except BadProduct:
        store.delete(parcel(name))
        raise
    store.delete(parcel(name))
    this.log.info("stage: %s is unpacked after %.1f s", name, this.seconds())


def _corrected(old: Record, at: datetime, **facts: Any) -> Record:
    """``old`` as CORRECTED, unless it was superseded, or classify has seen the folder (this is a repeated try)."""
    if old.state in {State.CLASSIFIED, State.REJECTED, State.SKIPPED}:
        return replace(old, **facts)
    return old.advanced(State.CORRECTED, step="correct", at=at, **facts)
