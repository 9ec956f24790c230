"""Backfill lets new acquisitions go first: its message goes to the queue's end while they wait."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from container.receive import Delivery
from shared.errors import PermanentError
from shared.messages import CorrectionMessage
from shared.models import State
from shared.pipeline.turn import new_ones_ahead
from shared.ports import Clock, Ledger

PAUSE: Final = 120  # seconds until the message is seen again
MOST_WAITS: Final = 60  # times; a new acquisition whose message was lost must not hold the old ones up for ever
_log = logging.getLogger("icewatch")


def puts_back(message: CorrectionMessage, delivery: Delivery, ledger: Ledger, clock: Clock) -> bool:
    """Put the message of a backfill product back while new acquisitions wait; what was tried before has its turn."""
    if delivery.count > 1 or message.waits >= MOST_WAITS:
        return False
    name = message.name()
    try:
        record = ledger.get(name.tile.name, str(name))
    except PermanentError:  # a row that somebody broke: the step says so
        return False
    if record is None or record.state is not State.STAGED or not record.is_backfill:
        return False
    ahead = new_ones_ahead(ledger, State.STAGED, "correct", but=record.name)
    if not ahead:
        return False
    at, why = clock(), f"Backfill waits for {ahead} new acquisitions."
    ledger.update(record.partition, record.name, lambda old: replace(old, error=why, times={**old.times, "waits": at}))
    delivery.replace(message.model_copy(update={"waits": message.waits + 1}).encode(), PAUSE)
    _log.info("%s: %s", record.name, why)
    return True
