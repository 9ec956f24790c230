"""Classifications that a person asked for: what the ledger knows of them, and how a lost message is sent again.

An order writes the time `ASKED` into the product's row before it sends the message. Whatever becomes of the message,
the row gets a later time: classified again, failed, put back. Where none comes for long, the message was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from shared.messages import (
    ASKED_FOR,
    CLASSIFICATIONS,
    COMPLETE,
    LATE_FILES,
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
_FROM_CORRECTED = {RETRIED, STUCK, RESULTS_GONE, NO_ROW}
_PUT_BACK = ("retry", "watch")  # times at which the row was brought there
_OF_FILES = {LATE_FILES, COMPLETE}  # why a message is sent that tells of files in the product's folder
_MARGIN = timedelta(seconds=10)  # by which the clocks of storage and of an instance may differ
_NOT_OURS = {"sensing", "published", "deleted"}  # times that say what the provider did


def is_waiting(record: Record) -> bool:
    """True where a classification was asked for and nothing has become of it yet."""
    asked = record.times.get(ASKED)
    if asked is None or record.state not in _DONE or not record.l2a:
        return False
    ours = {name: at for name, at in record.times.items() if name not in _NOT_OURS | {"classify"}}
    begun = last_begun(record)
    return asked == max(ours.values()) and (begun is None or begun <= asked)


def last_begun(record: Record) -> datetime | None:
    """When the last classification that ended had begun: it knows of nothing that came later. None: there was none."""
    ended = record.times.get("classify")
    return None if ended is None else ended - timedelta(seconds=record.seconds.get("classify", 0.0))


def is_awaited(record: Record, now: datetime) -> bool:
    """True where it was asked for so lately that its message is taken to be under way."""
    return is_waiting(record) and age(record.times[ASKED], now) < LOST_AFTER


def is_due(record: Record, because: str, changed: Callable[[], datetime | None] = lambda: None) -> bool:
    """Whether a message that says ``because`` still has to be worked on.

    Messages may come twice, or late: what one asks for may have been done since, by a classification that began after
    it. ``changed`` tells when a file of the product's folder was last written. A reason that neither can answer, such
    as what a person writes, is always one.
    """
    if record.state is State.SKIPPED:
        return because not in _FROM_CORRECTED | {ASKED_FOR, COMPLETE}
    if because == ASKED_FOR:
        return record.state not in _ENDED or is_waiting(record)
    begun = last_begun(record)
    if begun is None or record.state not in {State.CLASSIFIED, State.REJECTED}:
        return True
    if because in _OF_FILES:
        newest = changed()
        return newest is None or newest > begun - _MARGIN
    return because not in _FROM_CORRECTED or any(
        record.times[name] > begun for name in _PUT_BACK if name in record.times
    )


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
