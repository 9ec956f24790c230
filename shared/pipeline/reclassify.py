"""Classifications that a person asked for: what the ledger knows of them, and how a lost message is sent again.

An order writes the time `ASKED` into the product's row before it sends the message. Whatever becomes of the message,
the row gets a later time: classified again, failed, put back. Where none comes for long, the message was lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from shared.messages import (
    ASKED_FOR,
    CLASSIFICATIONS,
    COMPLETE,
    NO_ROW,
    RESULTS_GONE,
    RETRIED,
    STUCK,
    ClassificationMessage,
)
from shared.models import State
from shared.pipeline.claim import claimed, is_where_it_was
from shared.pipeline.watch import MAX_RESCUES, Rescue
from shared.ports import Ledger
from shared.records import Record, age

ASKED = "reclassify"  # a time of a record: when its classification was last asked for
_EACH = timedelta(minutes=5)  # that one message ahead in the queue may take
LOST_AFTER = timedelta(hours=6)  # a person may ask again then; watch waits longer where many stand before it
_DONE = {State.CLASSIFIED, State.REJECTED, State.FAILED}
_ENDED = _DONE | {State.SKIPPED}
# Why a message is sent that begins with the row: it stands at CORRECTED before the message goes out.
_FROM_CORRECTED = {RETRIED, STUCK, RESULTS_GONE, NO_ROW, COMPLETE}
_NOT_OURS = {"sensing", "published", "deleted"}  # times that say what the provider did


def is_waiting(record: Record) -> bool:
    """True where a classification was asked for and nothing has become of it yet."""
    asked = record.times.get(ASKED)
    if asked is None or record.state not in _DONE or not record.l2a:
        return False
    begun = timedelta(seconds=record.seconds.get("classify", 0.0))  # what was at work when it was asked does not count
    ours = {name: at for name, at in record.times.items() if name not in _NOT_OURS}
    return asked == max(at - begun if name == "classify" else at for name, at in ours.items())


def is_awaited(record: Record, now: datetime) -> bool:
    """True where it was asked for so lately that its message is taken to be under way."""
    return is_waiting(record) and age(record.times[ASKED], now) < LOST_AFTER


def is_due(record: Record, because: str) -> bool:
    """Whether a message that says ``because`` still has to be worked on.

    Messages may come twice, or late: what one asks for may have been done since. A reason that the row cannot answer,
    such as late files, is always one.
    """
    if because == ASKED_FOR:
        return record.state not in _ENDED or is_waiting(record)
    if because in _FROM_CORRECTED:  # what failed since, watch gave up on perhaps while the message waited
        return record.state not in _ENDED - {State.FAILED}
    return True


def lost(records: Iterable[Record], ledger: Ledger, now: datetime, *, waiting: int) -> Iterator[Rescue]:
    """The messages to send again; counted as rescues, and after the last the row says that it came to nothing.

    ``waiting`` messages in the queue may come before that of a product, so that no message is doubled.
    """
    for record in records:
        if not is_waiting(record) or age(record.times[ASKED], now) <= LOST_AFTER + waiting * _EACH:
            continue
        still = partial(is_where_it_was, record)
        if record.attempts.get(ASKED, 0) >= MAX_RESCUES:
            claimed(ledger, record, _given_up, still=still)
        elif claimed(ledger, record, partial(_asked_again, now=now), still=still):
            yield Rescue(CLASSIFICATIONS, ClassificationMessage(product=record.l2a, because=ASKED_FOR))


def asked(record: Record, now: datetime) -> Record:
    """``record`` as a person asks for its classification."""
    attempts = {step: count for step, count in record.attempts.items() if step != ASKED}
    return replace(record, times={**record.times, ASKED: now}, attempts=attempts, error="")


def _asked_again(old: Record, now: datetime) -> Record:
    return replace(old.tried(ASKED, old.error), times={**old.times, ASKED: now})


def _given_up(old: Record) -> Record:
    times = {name: at for name, at in old.times.items() if name != ASKED}
    said = f"It was to be classified again, and its message was lost {MAX_RESCUES + 1} times; ask for it again."
    return replace(old, times=times, error=said)
