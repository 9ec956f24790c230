"""claim: of several who want to move a product on, one does, and knows that it was the one."""

from __future__ import annotations

from collections.abc import Callable

from shared.ports import Ledger
from shared.records import Record


def claimed(
    ledger: Ledger, record: Record, change: Callable[[Record], Record], *, still: Callable[[Record], bool]
) -> bool:
    """Write ``change`` where ``still`` holds for the row as it is by now; whether this caller did so.

    Only who gets True sends the message that follows: it would double the work of whoever was faster.
    """
    ours = False

    def decided(old: Record) -> Record:
        nonlocal ours
        ours = still(old)
        return change(old) if ours else old

    ledger.update(record.partition, record.name, decided)
    return ours


def is_where_it_was(seen: Record, now: Record) -> bool:
    """Whether no step and no person has moved the product on since it was ``seen``."""
    return now.state is seen.state and now.times == seen.times
