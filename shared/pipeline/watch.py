"""watch: finds what is stuck and sends its message again, and says how the queues stand.

A product that waits in one state longer than that state's limit has lost its message (a step died between
writing the ledger and sending, or a queue was emptied). Its message is made again from the ledger. After
three such rescues the product becomes FAILED: nothing is retried for ever. One run sends a bounded number of
messages; the next goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from pydantic import ValidationError

from shared.errors import BadName, BadRecord, TransientError
from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    PRODUCTS,
    QUEUES,
    STUCK,
    ChecksumText,
    ClassificationMessage,
    CorrectionMessage,
    Message,
    ProductMessage,
    poison_of,
)
from shared.models import ProductName, State, shown
from shared.pipeline.claim import claimed, is_where_it_was
from shared.ports import Clock, Ledger, Queues
from shared.records import Record, age

MAX_RESCUES = 3
MOST_AT_ONCE = 500  # rescues of one run
# Longer than any queue is expected to take: a rescue while the first message still waits would only double it.
LIMITS = {
    State.DISCOVERED: timedelta(hours=24),
    State.STAGED: timedelta(hours=24),
    State.CORRECTED: timedelta(hours=6),
}
_AHEAD = {  # state -> the queue of its next step, and how long one message of it may take
    State.DISCOVERED: (PRODUCTS, timedelta(minutes=25)),
    State.STAGED: (CORRECTIONS, timedelta(minutes=90)),
    State.CORRECTED: (CLASSIFICATIONS, timedelta(minutes=5)),
}
_STEP_BEFORE = {State.DISCOVERED: "discover", State.STAGED: "stage", State.CORRECTED: "correct"}
_SIGNS = ("watch", "waits", "retry")  # a rescue, a message put back to wait, a person's retry
_UNREAD = -1  # in the log, which alarms read as numbers
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class Rescue:
    """One message to send again."""

    queue: str
    message: Message


def stuck(record: Record, now: datetime, limits: Mapping[State, timedelta] = LIMITS) -> bool:
    """True where ``record`` has waited in its state longer than the limit, counted from the last sign of life."""
    limit = limits.get(record.state)
    if limit is None:
        return False
    signs = {_STEP_BEFORE[record.state], *_SIGNS} & record.times.keys()
    return bool(signs) and min(age(record.times[sign], now) for sign in signs) > limit


def rescue_of(record: Record) -> Rescue | None:
    """The message that brings ``record`` on its way again; None where its row does not say enough for one."""
    try:
        name = ProductName.parse(record.name)
        if record.state is State.DISCOVERED and record.id:
            return Rescue(PRODUCTS, product_message(record, name))
    except (BadName, BadRecord):
        return None
    if record.state is State.STAGED:
        return Rescue(CORRECTIONS, CorrectionMessage(product=str(name)))
    if record.state is State.CORRECTED and record.l2a:
        return Rescue(CLASSIFICATIONS, ClassificationMessage(product=record.l2a, because=STUCK))
    return None


def product_message(record: Record, name: ProductName) -> ProductMessage:
    """The message for queue ``products`` made again from the ledger; BadRecord where the row does not allow it."""
    try:
        return ProductMessage(
            product=str(name),
            id=record.id,
            size=record.bytes,
            checksums=tuple(_digests(record.checksum)),
            backfill=record.is_backfill,
        )
    except ValidationError as cause:
        raise BadRecord(f"No message can be made of the ledger's row of {name}: {shown(cause, 300)}") from cause


def _digests(text: str) -> Iterator[ChecksumText]:
    """The digests of "MD5:<hex>;BLAKE3:<hex>"; a piece that a column's limit has cut short is left out."""
    for part in text.split(";"):
        algorithm, _, value = part.partition(":")
        with suppress(ValidationError):
            yield ChecksumText(algorithm=algorithm, value=value)


def watch(
    *, ledger: Ledger, queues: Queues, clock: Clock, unread: Callable[[TransientError], None] | None = None
) -> list[Rescue]:
    """Report the queues' depths and return the messages of products that are stuck.

    A queue that cannot be read is handed to ``unread``; nothing that may wait in it is taken for stuck this time.
    """
    depths = {
        queue: held
        for name in QUEUES
        for queue in (name, poison_of(name))
        if (held := depth(queue, queues, unread)) is not None
    }
    for queue in QUEUES:
        holds, given_up = (depths.get(name, _UNREAD) for name in (queue, poison_of(queue)))
        _log.info("watch: queue %s holds %d, poison %d", queue, holds, given_up)
    limits = {state: limit for state, limit in patience(depths).items() if _AHEAD[state][0] in depths}
    return list(islice(_rescues(ledger.records(), ledger, clock(), limits), MOST_AT_ONCE))


def depth(queue: str, queues: Queues, unread: Callable[[TransientError], None] | None = None) -> int | None:
    """About how many messages ``queue`` holds; None where it cannot be read, which is handed to ``unread``."""
    try:
        return queues.depth(queue)
    except TransientError as error:
        _log.error("watch: queue %s cannot be looked into: %s", queue, error)
        if unread is not None:
            unread(error)
        return None


def patience(depths: Mapping[str, int]) -> dict[State, timedelta]:
    """How long a product may wait in each state, with so many messages in the queues."""
    # Each message ahead in the queue may take a step's time, one after the other on one machine.
    return {state: LIMITS[state] + depths.get(queue, 0) * each for state, (queue, each) in _AHEAD.items()}


def _rescues(
    records: Iterable[Record], ledger: Ledger, now: datetime, limits: Mapping[State, timedelta]
) -> Iterable[Rescue]:
    for record in records:
        if not stuck(record, now, limits):
            continue
        rescue = rescue_of(record)
        tries = record.attempts.get("watch", 0)
        if rescue is None or tries >= MAX_RESCUES:
            _give_up(record, ledger, now, tries)
            continue
        if claimed(ledger, record, partial(_rescued, now=now), still=partial(is_where_it_was, record)):
            yield rescue


def _rescued(old: Record, now: datetime) -> Record:
    return replace(old.tried("watch", old.error), times={**old.times, "watch": now})


def _give_up(record: Record, ledger: Ledger, now: datetime, tries: int) -> None:
    reason = f"Stuck in {record.state} after {tries} rescues: {record.error or 'its message was lost each time'}"
    claimed(
        ledger,
        record,
        lambda old: old.advanced(State.FAILED, step="watch", at=now, reason=reason),
        still=partial(is_where_it_was, record),
    )
