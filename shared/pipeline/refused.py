"""The ledger's rows of what is no product: refused names, messages and watchlists, and months that were given up."""

from __future__ import annotations

from dataclasses import replace

from shared.messages import TILE_MONTHS
from shared.models import State, TileMonth
from shared.ports import Clock, Ledger
from shared.records import REFUSED, Record


def refuse(name: str, reason: str, ledger: Ledger, clock: Clock, *, message: str = "") -> Record:
    """Write down something from outside that is no product, once per name."""
    record = Record(
        partition=REFUSED, name=name, state=State.FAILED, reason=reason, message=message, times={"refused": clock()}
    )
    return record if ledger.add(record) else ledger.update(REFUSED, name, lambda _: record)


def settle(name: str, how: str, ledger: Ledger, clock: Clock) -> None:
    """The row of a refusal, if there is one, says from now on that it is over: ``how``, as in "Mended"."""
    known = ledger.get(REFUSED, name)
    if known is None or known.state is not State.FAILED:
        return
    at = clock()

    def settled(old: Record) -> Record:
        reason = f"{how} on {at:%Y-%m-%d %H:%M} UTC. Before: {old.reason}"
        return replace(old, state=State.SKIPPED, reason=reason, times={**old.times, "accepted": at})

    ledger.update(REFUSED, name, settled)


def month_row(month: TileMonth) -> str:
    """The name of the row about a month that could not be searched; `retry` reads the queue's name off it."""
    return f"{TILE_MONTHS}:{month}"
