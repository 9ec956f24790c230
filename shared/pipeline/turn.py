"""Whose turn it is: new acquisitions go before backfill in queues that know no order but that of arrival.

A step that finds a backfill message while new acquisitions wait puts the message back. Only those count that wait for
their first try and were not put back themselves, so that nobody waits for another who waits; nor, in corrections, for
one in work elsewhere.
"""

from __future__ import annotations

from shared.models import State
from shared.ports import Ledger
from shared.records import Record

BEGUN = "begun"  # time of a record: when the correct step took the product up


def new_ones_ahead(ledger: Ledger, state: State, step: str, *, but: str) -> int:
    """How many new acquisitions other than ``but`` stand in ``state`` and wait for their first try of ``step``."""
    return sum(record.name != but and _is_next(record, step) for record in ledger.in_state(state))


def _is_next(record: Record, step: str) -> bool:
    if record.state is State.DISCOVERED and not record.id:
        return False  # dropped by hand: it is not fetched
    return not (record.is_backfill or step in record.attempts or {"waits", BEGUN} & record.times.keys())
