"""Nothing lies in a poison queue that the ledger does not know.

The poison handlers empty these queues within a minute. What lies there longer has a handler that fails or does not
run: watch looks at it without taking it, and enters what the ledger does not say yet. The handler, once it runs again,
finds everything entered and changes nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import partial

from shared.errors import TransientError
from shared.messages import BLOB_TRIGGER_POISON, QUEUES, poison_of
from shared.pipeline.poison import poison, poison_blob
from shared.ports import Clock, Ledger, Queues, Waiting
from shared.records import Record

LEFT_TO_HANDLERS = timedelta(minutes=10)
_log = logging.getLogger("icewatch")


def enter_poison(*, queues: Queues, ledger: Ledger, clock: Clock) -> list[Record]:
    """Enter what lies in the poison queues; returns the rows about it.

    Busy storage raises, and the next run goes on; a queue that cannot be looked into raises when the others are done.
    """
    now, troubles = clock(), list[TransientError]()
    handlers = {poison_of(queue): partial(poison, queue) for queue in QUEUES} | {BLOB_TRIGGER_POISON: poison_blob}
    rows = []
    for queue, handle in handlers.items():
        try:
            lying = _lying(queue, queues, now)
        except TransientError as error:
            troubles.append(error)
            continue
        rows += [handle(each.text.encode(), ledger=ledger, clock=clock, since=each.since) for each in lying]
    if troubles:
        raise troubles[0]
    return rows


def _lying(queue: str, queues: Queues, now: datetime) -> list[Waiting]:
    lying = [waiting for waiting in queues.peek(queue) if now - waiting.since >= LEFT_TO_HANDLERS]
    if lying:
        _log.warning("watch: %d messages lie in %s since %s; does its handler run?", len(lying), queue, lying[0].since)
    return lying
