"""What every step does with success and trouble, written once.

    with attempt(ledger, record, "stage", clock) as this:
        ...
        this.done(State.STAGED, bytes=size)

- PermanentError: the record becomes FAILED with the sentence as its reason; nothing is raised.
- TransientError, and anything unforeseen: the try and the error are noted; raised, so that the queue retries.
- One log line at the start and one at the end, with the product's name and the seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any

from shared.errors import PermanentError, TransientError
from shared.logs import Bound
from shared.models import Level, ProductName, State, shown
from shared.ports import Clock, Ledger
from shared.records import Record

# Where a product stands once a step is done with it. Found there by a try that fails, another instance has brought it
# there meanwhile, and this try's failure says nothing about it any more.
_BEYOND = {
    "stage": {State.STAGED, State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED},
    "correct": {State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED},
    "classify": {State.CLASSIFIED, State.REJECTED, State.SKIPPED},
}
_log = logging.getLogger("icewatch")


def entered(ledger: Ledger, fresh: Record) -> Record:
    """The ledger's record of that name: ``fresh``, or the one that was there before."""
    return fresh if ledger.add(fresh) else ledger.get(fresh.partition, fresh.name) or fresh


@dataclass(slots=True)
class Attempt:
    """One try of one step on one product."""

    ledger: Ledger
    partition: str
    name: str
    step: str  # the step's verb: "discover", "stage", "correct", "classify"
    clock: Clock
    log: Bound
    began: Record  # the product before
    _started: float = field(default_factory=perf_counter)

    def seconds(self) -> float:
        """Seconds since the try began."""
        return round(perf_counter() - self._started, 3)

    def done(self, state: State, **facts: Any) -> Record:
        """Write the step's result into the ledger: the new state, when, how long, and ``facts`` (Record fields).

        Nothing is written where `write` would not; the row as it is then comes back.
        """
        at, took = self.clock(), self.seconds()

        record = self.write(
            lambda old: old.advanced(state, step=self.step, at=at, seconds={**old.seconds, self.step: took}, **facts)
        )
        why = f": {record.reason}" if record.reason else ""
        said = {"state": str(record.state), "seconds": took}
        self.log.info("%s: %s is %s after %.1f s%s", self.step, self.name, record.state, took, why, extra=said)
        return record

    def write(self, change: Callable[[Record], Record]) -> Record:
        """Change the row, unless the product was superseded, published anew, or brought further by another instance.

        Who classifies is alone with the product's results, by their lock, and writes the row as they are.
        """

        def changed(old: Record) -> Record:
            rewrites = self.step == "classify" and old.state is not State.SKIPPED
            return change(old) if rewrites or not self._is_overtaken(old) else old

        return self.ledger.update(self.partition, self.name, changed)

    def note(self, error: str) -> None:
        """Count this try and keep its error; the state stays."""
        self.ledger.update(
            self.partition, self.name, lambda old: old if self._is_overtaken(old) else old.tried(self.step, error)
        )

    def failed(self, reason: str) -> None:
        """Write down that the product failed for good, and count the try."""
        at = self.clock()

        def changed(old: Record) -> Record:
            if self._is_overtaken(old):
                return old
            return old.tried(self.step, "").advanced(
                State.FAILED, step=self.step, at=at, reason=reason, seconds={**old.seconds, self.step: self.seconds()}
            )

        record = self.ledger.update(self.partition, self.name, changed)
        if record.state is State.FAILED:
            said = {"state": "FAILED", "seconds": self.seconds()}
            self.log.info(
                "%s: %s is FAILED after %.1f s: %s", self.step, self.name, said["seconds"], reason, extra=said
            )
        else:
            self.log.warning("%s: %s is %s by another instance; here: %s", self.step, self.name, record.state, reason)

    def _is_overtaken(self, now: Record) -> bool:
        """True where another instance brought the product further, or the provider has published it anew meanwhile."""
        is_further = now.state is not self.began.state and now.state in _BEYOND.get(self.step, ())
        return is_further or (self.step == "stage" and bool(self.began.id) and now.id != self.began.id)


@contextmanager
def attempt(ledger: Ledger, record: Record, step: str, clock: Clock) -> Iterator[Attempt]:
    """Run the body of ``step`` for ``record``, which must be in the ledger; see the module's text for the contract."""
    log = Bound(_log, {"product": record.name, "step": step})
    this = Attempt(ledger, record.partition, record.name, step, clock, log, record)
    log.info("%s: %s begins", step, record.name)
    try:
        yield this
    except PermanentError as error:
        this.failed(str(error))
    except TransientError as error:
        this.note(str(error))
        log.warning("%s: %s will be tried again: %s", step, record.name, error)
        raise
    except Exception as error:
        this.note(f"Unforeseen {type(error).__name__}: {shown(error)}")
        log.exception("%s: %s failed unforeseen", step, record.name)
        raise


def superseded(record: Record, by: str) -> Record:
    """``record`` as SKIPPED because the product ``by`` of the same acquisition is processed in its place."""
    newer = f"Superseded by {by}, which has a newer processing baseline."
    official = f"The provider's own correction of this acquisition, {by}, is used."
    reason = official if ProductName.parse(by).level is Level.L2A and "_MSIL1C_" in record.name else newer
    return replace(record, state=State.SKIPPED, reason=reason, successor=by)
