"""discover, the rows: how an entry of the catalogue and a row of the ledger become one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from shared.models import Product, State, TileMonth
from shared.pipeline.discover_choice import STARTED, Entry, month_of
from shared.pipeline.outcome import superseded
from shared.ports import Ledger
from shared.records import CANCEL, Record


def rows_of(month: TileMonth, ledger: Ledger) -> dict[str, Record]:
    """The ledger's rows of products sensed in ``month``, by name."""
    return {record.name: record for record in ledger.records(month.tile.name) if month_of(record) == month}


def listed_again(old: Record, product_id: str) -> Record:
    """``old``, deleted by the provider once, with the identifier under which it is there again."""
    times = {name: at for name, at in old.times.items() if name != "deleted"}
    return replace(old, id=product_id, note="", times=times)


def is_first_offered(record: Record) -> bool:
    """Whether ``record``, in work or done, was not known to be in the catalogue.

    What failed after its correction goes on from there, by retry: its L2A is as good as ever.
    """
    is_corrected = record.state is State.FAILED and bool(record.l2a)
    return not record.id and (record.state in STARTED or is_corrected)


def offered(old: Record, product: Product) -> Record:
    """``old``, dropped by hand or found in the store, as one that the catalogue is known to offer."""
    return replace(
        old,
        id=product.id,
        bytes=old.bytes or product.size,
        checksum=old.checksum or _digests(product),
        times={**old.times, "published": product.published},
    )


def _digests(product: Product) -> str:
    return ";".join(f"{c.algorithm}:{c.value}" for c in product.checksums)


def begins_anew(record: Record, entry: Entry) -> bool:
    """True where the catalogue's entry is to replace what the ledger holds."""
    match record.state:
        case State.OFFLINE:
            return entry.state is not State.OFFLINE
        case State.SKIPPED:  # for its clouds, a successor or a deletion that are no more
            return entry.state is not State.SKIPPED and CANCEL not in record.times
        case State.FAILED:  # published again instead of a broken one, or dropped by hand without success
            return record.id != entry.product.id and entry.state is not State.SKIPPED
        case State.DISCOVERED:  # published again, after a deletion
            return bool(record.id) and record.id != entry.product.id and entry.state is not State.SKIPPED
        case _:
            return False


def first_row(entry: Entry, now: datetime) -> Record:
    """The row of a product that the ledger does not know."""
    product = entry.product
    record = Record.of(
        product.name,
        entry.state,
        reason=entry.reason,
        id=product.id,
        bytes=product.size,
        checksum=_digests(product),
        times={"published": product.published, "discover": now},
    )
    return superseded(record, entry.successor) if entry.successor else record
