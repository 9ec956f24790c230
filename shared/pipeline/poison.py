"""Poison: a message the queue gave up on becomes a ledger row that says why; the message is kept there."""

from __future__ import annotations

import hashlib
import json

from shared.errors import BadMessage, BadName
from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    PRODUCTS,
    QUEUES,
    ClassificationMessage,
    CorrectionMessage,
    ProductMessage,
    TileMonthMessage,
)
from shared.models import L2A, BlobPath, Level, ProductName, State, TileMonth, shown
from shared.pipeline.refused import month_row, refuse
from shared.ports import Clock, Ledger
from shared.records import Record

# Where a product waits for the step; in another state the message was a second delivery of work that is done.
_WAITS = {
    "stage": {State.DISCOVERED, State.OFFLINE},
    "correct": {State.DISCOVERED, State.STAGED},
    "classify": {State.DISCOVERED, State.STAGED, State.CORRECTED},
}
_STEPS = {PRODUCTS: "stage", CORRECTIONS: "correct", CLASSIFICATIONS: "classify"}


def poison(queue: str, body: bytes, *, ledger: Ledger, clock: Clock) -> Record:
    """Record that ``queue`` gave up on ``body``: the product becomes FAILED, or a refused row says what was wrong."""
    text = body.decode("utf-8", "replace")
    try:
        message = QUEUES[queue].decode(body)
    except BadMessage as error:
        return _refuse(queue, text, str(error), ledger, clock)
    if isinstance(message, TileMonthMessage):
        return _give_up_month(message.value(), text, ledger, clock)
    if isinstance(message, ProductMessage | CorrectionMessage | ClassificationMessage):
        provider_id = message.id if isinstance(message, ProductMessage) else ""
        return _fail(message.name(), _STEPS[queue], text, ledger, clock, provider_id=provider_id)
    raise TypeError(f"Nobody knows what it means to give up on a {type(message).__name__}.")


def _give_up_month(month: TileMonth, text: str, ledger: Ledger, clock: Clock) -> Record:
    known = ledger.month(month)
    why = known.error if known is not None and known.error else "see the log of discover"
    reason = f"discover gave up on {month}: {why}"
    return refuse(month_row(month), reason, ledger, clock, message=text)


def poison_blob(body: bytes, *, ledger: Ledger, clock: Clock) -> Record:
    """Record that a blob trigger gave up; ``body`` is the host's JSON with ContainerName and BlobName."""
    text = body.decode("utf-8", "replace")
    try:
        told = json.loads(body)
        path = BlobPath(str(told["ContainerName"]), str(told["BlobName"]))
    except (ValueError, KeyError, TypeError, RecursionError, BadName) as cause:
        return _refuse("blobs", text, f"A blob trigger gave up on something unreadable: {shown(cause)}.", ledger, clock)
    for part in reversed(path.name.split("/")):
        try:
            product = ProductName.parse(part)
        except BadName:
            continue
        return _fail(product, _step_at(path, product), text, ledger, clock)
    return _refuse(str(path), text, f"The step for the blob {path} failed on every try; see the log.", ledger, clock)


def _step_at(path: BlobPath, product: ProductName) -> str:
    if path.container == L2A:
        return "classify"
    return "stage" if product.level is Level.L1C else "correct"  # as drop names its tries


def _fail(product: ProductName, step: str, text: str, ledger: Ledger, clock: Clock, *, provider_id: str = "") -> Record:
    tile, name, now = product.tile, str(product), clock()
    known = ledger.get(tile.name, name) or ledger.by_l2a(tile, name)
    if known is None:
        times = {"sensing": product.sensing}
        known = Record(partition=tile.name, name=name, state=State.DISCOVERED, id=provider_id, times=times)
        ledger.add(known)

    def failed(old: Record) -> Record:
        if provider_id and old.id not in {"", provider_id}:
            return old  # published again since: the message of the new identifier is under way
        # A classified product that was to be classified again and noted an error has lost its results.
        lost = step == "classify" and old.state in {State.CLASSIFIED, State.REJECTED} and old.error
        if old.state not in _WAITS[step] and not lost:
            return old
        why = old.error or "see the log"
        tries = old.attempts.get(step, 0)
        return old.advanced(
            State.FAILED, step=step, at=now, reason=f"{step} gave up after {tries} tries: {why}", message=text
        )

    return ledger.update(known.partition, known.name, failed)


def _refuse(source: str, text: str, reason: str, ledger: Ledger, clock: Clock) -> Record:
    return refuse(f"{source}:{hashlib.sha256(text.encode()).hexdigest()[:12]}", reason, ledger, clock, message=text)
