"""Poison: a message the queue gave up on becomes a ledger row that says why; the message is kept there.

Contract: the same message may come any number of times and changes nothing after the first. A message that was put in
before a person retried its product, or put it away, says nothing about what came then, and changes nothing either.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shared.errors import BadMessage, BadName, BadRecord
from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    PRODUCTS,
    QUEUES,
    ClassificationMessage,
    CorrectionMessage,
    ProductMessage,
    TileMonthMessage,
)
from shared.models import L2A, BlobPath, Level, ProductName, State, TileMonth, shown
from shared.pipeline.refused import month_row, refuse
from shared.ports import Clock, Ledger
from shared.records import CANCEL, REFUSED, Record

# Where a product waits for the step; in another state the message was a second delivery of work that is done.
_WAITS = {
    "stage": {State.DISCOVERED, State.OFFLINE},
    "correct": {State.DISCOVERED, State.STAGED},
    "classify": {State.DISCOVERED, State.STAGED, State.CORRECTED},
}
_STEPS = {PRODUCTS: "stage", CORRECTIONS: "correct", CLASSIFICATIONS: "classify"}
_SILENT = "no try lived long enough to say why, most likely for lack of memory or time; see the log"
_log = logging.getLogger("icewatch")


def poison(queue: str, body: bytes, *, ledger: Ledger, clock: Clock, since: datetime | None = None) -> Record:
    """Record that ``queue`` gave up on ``body``: the product becomes FAILED, or a refused row says what was wrong.

    ``since`` is when the message was put into the poison queue, where that is known.
    """
    given_up = _GivenUp(body.decode("utf-8", "replace"), since, ledger, clock)
    try:
        message = QUEUES[queue].decode(body)
        if isinstance(message, TileMonthMessage):
            return given_up.month(message.value())
        if isinstance(message, ProductMessage | CorrectionMessage | ClassificationMessage):
            provider_id = message.id if isinstance(message, ProductMessage) else ""
            return given_up.product(message.name(), _STEPS[queue], provider_id=provider_id)
    except (BadMessage, BadRecord) as error:  # also where somebody broke the product's row
        return given_up.refused_text(queue, str(error))
    raise TypeError(f"Nobody knows what it means to give up on a {type(message).__name__}.")


def poison_blob(body: bytes, *, ledger: Ledger, clock: Clock, since: datetime | None = None) -> Record:
    """Record that a blob trigger gave up; ``body`` is the host's JSON with ContainerName and BlobName."""
    text = _plain(body)
    given_up = _GivenUp(text, since, ledger, clock)
    try:
        told = json.loads(text)
        path = BlobPath(str(told["ContainerName"]), str(told["BlobName"]))
    except (ValueError, KeyError, TypeError, RecursionError, BadName) as cause:
        return given_up.refused_text("blobs", f"A blob trigger gave up on something unreadable: {shown(cause)}.")
    for part in reversed(path.name.split("/")):
        try:
            product = ProductName.parse(part)
        except BadName:
            continue
        try:
            return given_up.product(product, _step_at(path, product))
        except BadRecord as error:
            return given_up.refused_text(str(path), str(error))
    return given_up.refused_text(str(path), f"The step for the blob {path} failed on every try; see the log.")


def _plain(body: bytes) -> str:
    """The text of a message in the host's own queue: JSON as it is, or as base64."""
    with suppress(binascii.Error):
        decoded = base64.b64decode(body, validate=True)
        if decoded.startswith(b"{"):
            body = decoded
    return body.decode("utf-8", "replace")


def _step_at(path: BlobPath, product: ProductName) -> str:
    if path.container == L2A:
        return "classify"
    return "stage" if product.level is Level.L1C else "correct"  # as drop names its tries


@dataclass(frozen=True, slots=True)
class _GivenUp:
    """A message from a poison queue, and where it is written down."""

    text: str
    since: datetime | None  # when it was put there
    ledger: Ledger
    clock: Clock

    def product(self, product: ProductName, step: str, *, provider_id: str = "") -> Record:
        """The product's row says that it failed, unless it has got beyond the step or was retried meanwhile."""
        tile, name, now = product.tile, str(product), self.clock()
        known = self.ledger.get(tile.name, name) or self.ledger.by_l2a(tile, name)
        if known is None:
            times = {"sensing": product.sensing}
            known = Record(partition=tile.name, name=name, state=State.DISCOVERED, id=provider_id, times=times)
            self.ledger.add(known)

        def failed(old: Record) -> Record:
            if provider_id and old.id not in {"", provider_id}:
                return old  # published again since: the message of the new identifier is under way
            # A classified product that was to be classified again and noted a try that failed did not come through.
            has_tried = step == "classify" and step in old.attempts and bool(old.error)
            lost = has_tried and old.state in {State.CLASSIFIED, State.REJECTED}
            if (old.state not in _WAITS[step] and not lost) or self._is_older_than_order(old):
                return old
            tries = old.attempts.get(step, 0)
            after = f" after {tries} tries" if tries else ""
            reason = f"{step} gave up{after}: {old.error or _SILENT}"
            took = {name: took for name, took in old.seconds.items() if name != step}  # those were of an earlier try
            return old.advanced(State.FAILED, step=step, at=now, reason=reason, message=self.text, seconds=took)

        record = self.ledger.update(known.partition, known.name, failed)
        if record.state is not State.FAILED:
            _log.info("poison: %s is %s; a late message of %s changes nothing", record.name, record.state, step)
        return record

    def month(self, month: TileMonth) -> Record:
        """A refused row says that the month could not be searched."""
        known = self.ledger.month(month)
        why = known.error if known is not None and known.error else "see the log of discover"
        return self._refused(month_row(month), f"discover gave up on {month}: {why}")

    def refused_text(self, source: str, reason: str) -> Record:
        """A refused row of its own for each text from ``source``."""
        return self._refused(f"{source}:{hashlib.sha256(self.text.encode()).hexdigest()[:12]}", reason)

    def _refused(self, name: str, reason: str) -> Record:
        known = self.ledger.get(REFUSED, name)
        if known is not None:
            is_said = (known.state, known.reason, known.message) == (State.FAILED, reason, self.text)
            if is_said or self._is_older_than_order(known):
                return known
        return refuse(name, reason, self.ledger, self.clock, message=self.text)

    def _is_older_than_order(self, record: Record) -> bool:
        """Whether a person has retried it, or put it away, since the message came into the poison queue."""
        since = self.since
        return since is not None and any(record.times.get(order, since) > since for order in ("retry", CANCEL))
