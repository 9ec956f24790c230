"""retry: put a failed product back to the first step whose input is still there.

Contract: of several callers at a time one writes the row and gets the message to send; the others get none.
"""

from __future__ import annotations

from shared.errors import BadMessage, BadName, NotFound
from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    PRODUCTS,
    QUEUES,
    RETRIED,
    ClassificationMessage,
    CorrectionMessage,
)
from shared.models import MANIFEST, Level, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.claim import claimed
from shared.pipeline.reclassify import is_awaited
from shared.pipeline.watch import Rescue, product_message
from shared.ports import Clock, Ledger, ObjectStore
from shared.records import DRONE, REFUSED, Record

_PUT_BACK = {State.FAILED, State.REJECTED, State.OFFLINE}


def is_retried(record: Record) -> bool:
    """Whether a person may put ``record`` back: it failed, was rejected, waits in the archive, or was cancelled."""
    return record.state in _PUT_BACK or record.is_cancelled


def can_begin_again(record: Record) -> bool:
    """Whether a retry can lead anywhere, as far as the row says: junk and orthomosaics have to be dropped again."""
    if record.partition == REFUSED:
        return _message(record) is not None
    return record.partition != DRONE and bool(
        record.state is not State.FAILED or record.id or record.bytes or record.processor or "classify" in record.times
    )


def how_to_begin_again(record: Record) -> str:
    """The end of a sentence that says why ``record`` was taken off; empty where a retry can lead nowhere."""
    if not can_begin_again(record):
        return ""
    if record.id or record.partition == REFUSED:
        return "; 'retry' begins it again"
    return "; 'retry' begins it again as long as the store keeps what was dropped"  # nobody else has it


def retry(record: Record, *, store: ObjectStore, ledger: Ledger, clock: Clock) -> Rescue | None:
    """Set ``record`` back and return the message to send; None where the row has moved on since it was read.

    Raises NotFound where nothing is left to start from, BadName where the record is no product.
    """
    if not is_retried(record):
        raise BadName(f"{record.name} is {record.state}; only failed, rejected and offline products are retried.")
    if record.partition == REFUSED:
        return _send_again(record, ledger, clock)
    if record.partition == DRONE:
        raise NotFound(
            f"{record.name} is an orthomosaic: put the file into the inbox again, and it is classified again."
        )
    state, rescue = _restart(record, ProductName.parse(record.name), store)
    now = clock()
    ours = claimed(
        ledger,
        record,
        lambda old: old.begun_again(state, step="retry", at=now),
        still=lambda old: is_retried(old) and not is_awaited(old, now),
    )
    return rescue if ours else None


def _send_again(record: Record, ledger: Ledger, clock: Clock) -> Rescue | None:
    """A message that is no product's, such as a month the catalogue could not be searched for."""
    rescue, now = _message(record), clock()
    if rescue is None:
        raise NotFound(f"{record.name} cannot be sent again: no message of it is left that can be read.")

    ours = claimed(
        ledger,
        record,
        lambda old: old.advanced(State.SKIPPED, step="retry", at=now, reason="Its message was sent again."),
        still=is_retried,
    )
    return rescue if ours else None


def _message(record: Record) -> Rescue | None:
    queue = record.name.partition(":")[0]
    if queue not in QUEUES or not record.message:
        return None
    try:
        return Rescue(queue, QUEUES[queue].decode(record.message))
    except BadMessage:
        return None


def _restart(record: Record, name: ProductName, store: ObjectStore) -> tuple[State, Rescue]:
    if record.l2a and store.info(l2a_folder(ProductName.parse(record.l2a)) / MANIFEST) is not None:
        message = ClassificationMessage(product=record.l2a, because=RETRIED)
        return State.CORRECTED, Rescue(CLASSIFICATIONS, message)
    if name.level is Level.L1C and store.info(staged_zip(name)) is not None:
        return State.STAGED, Rescue(CORRECTIONS, CorrectionMessage(product=str(name)))
    if record.id:
        return State.DISCOVERED, Rescue(PRODUCTS, product_message(record, name))
    raise NotFound(
        f"Nothing of {name} is left to start from, and the catalogue is not known to offer it; drop it again."
    )
