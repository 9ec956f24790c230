"""reconcile: compares the catalogue's count, the ledger and the blobs of tile-months, and heals what does not agree.

    STAGED without its zip            -> staged again
    CORRECTED without its L2A folder  -> corrected again from the zip, or staged again
    CLASSIFIED without its results,   -> classified again; FAILED where the L2A is gone too, for somebody removed both
    or without one file of them
    an L2A folder without a row       -> classified, which gives it a row, or to the row of what it was made of
    fewer rows than catalogue entries -> searched again
    a successor that is published     -> the older product is superseded
    a staged zip that nobody needs    -> deleted: its product is superseded, or its L2A folder is complete
    a classification asked for        -> its message is sent again, where nothing has become of it for hours

Contract: returns the messages to send; busy storage raises, and the next run goes on. A run looks at a bounded number
of months, chosen by lot from those not looked at for half a day, so that each has its turn however often this runs. It
leaves alone what has changed within the last hours: a step may be at work on it. Each healing is counted as a rescue;
after the last the product is FAILED. What was found is written into the tile-month's row and into the log.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from random import Random

from shared.errors import BadRecord
from shared.messages import (
    CLASSIFICATIONS,
    CORRECTIONS,
    NO_ROW,
    PRODUCTS,
    RESULTS_GONE,
    TILE_MONTHS,
    ClassificationMessage,
    CorrectionMessage,
    TileMonthMessage,
)
from shared.models import (
    L1C,
    L2A,
    Level,
    ProductName,
    State,
    TileMonth,
)
from shared.pipeline.attach import is_own, origin, takes
from shared.pipeline.discover_choice import Known, month_of, name_of, published
from shared.pipeline.outcome import superseded
from shared.pipeline.reclassify import lost
from shared.pipeline.reconcile_blobs import Blobs
from shared.pipeline.watch import MAX_RESCUES, MOST_AT_ONCE, Rescue, product_message
from shared.ports import Clock, Ledger, ObjectStore
from shared.records import MonthRecord, Record, age

MONTHS_PER_RUN = 24
CHECK_EVERY = timedelta(hours=12)
SEARCH_AGAIN = timedelta(days=2)  # schedule looks daily at a month that waits; this is for months nobody watches
QUIET = timedelta(hours=2)  # longer than a step takes from its first write to its last
_UNFINISHED = {State.DISCOVERED, State.OFFLINE, State.STAGED, State.CORRECTED}
_PROVIDERS_TIMES = {"sensing", "published", "deleted"}
_PAST_CORRECT = {State.CORRECTED, State.CLASSIFIED, State.REJECTED}
_WAITS_FOR_SUCCESSOR = {State.STAGED, State.CORRECTED, State.CLASSIFIED}
_log = logging.getLogger("icewatch")


def reconcile(*, ledger: Ledger, store: ObjectStore, clock: Clock, waiting: int | None = 0) -> list[Rescue]:
    """Heal some months and return the messages that this takes.

    ``waiting`` are those in queue classifications; where nobody knows, none of its messages is taken for lost.
    """
    now, records = clock(), list(ledger.records())
    months: dict[TileMonth, dict[str, Record]] = defaultdict(dict)
    for record in records:
        if (month := month_of(record)) is not None:
            months[month][record.name] = record
    for known in months.values():
        _succeed(known, ledger)
    rows = {row.month: row for row in ledger.months()}
    rescues = [] if waiting is None else list(islice(lost(records, ledger, now, waiting=waiting), MOST_AT_ONCE))
    due = (month for month in months.keys() | rows.keys() if _is_due(rows.get(month), now))
    for month in _by_lot(due, now):
        check = _Check(month, months.get(month, {}), Blobs.of(month, store), ledger, store, now)
        rescues += check.heal(rows.get(month))
    return rescues


def _is_due(row: MonthRecord | None, now: datetime) -> bool:
    return row is None or age(row.checked, now) >= CHECK_EVERY


def _by_lot(months: Iterable[TileMonth], now: datetime) -> list[TileMonth]:
    candidates = sorted(months)
    return Random(int(now.timestamp())).sample(candidates, min(MONTHS_PER_RUN, len(candidates)))


def _succeed(known: Known, ledger: Ledger) -> None:
    """Mark the products as superseded whose successors are published by now."""
    for record in known.values():
        if record.successor and record.state in _WAITS_FOR_SUCCESSOR and published(record.successor, known):
            ledger.update(record.partition, record.name, _succeeded)


def _succeeded(old: Record) -> Record:
    return superseded(old, old.successor) if old.successor and old.state in _WAITS_FOR_SUCCESSOR else old


def _is_listed(record: Record) -> bool:
    """True where the catalogue counts the product: it came from there, and was not deleted since."""
    return bool(record.id) and "deleted" not in record.times


@dataclass(frozen=True, slots=True)
class _Heal:
    """How a product goes on of which something is gone."""

    lack: str  # what is gone
    state: State
    rescue: Rescue | None  # None: nothing is left to go on from


@dataclass(frozen=True, slots=True)
class _Check:
    """The comparison of one tile-month."""

    month: TileMonth
    known: Known
    blobs: Blobs
    ledger: Ledger
    store: ObjectStore
    now: datetime

    def heal(self, row: MonthRecord | None) -> list[Rescue]:
        """Heal the month and write down what was found; returns the messages to send."""
        heals = [(record, heal) for record in self.known.values() if (heal := self._heal_of(record))]
        rescues = [rescue for record, heal in heals if (rescue := self._apply(record, heal))]
        rescues += self._without_row()
        self._sweep()
        rescues += self._counted(row or MonthRecord(self.month, searched=None, found=0, closed=False))
        if heals:
            _log.warning(
                "watch: %s lacks %d blobs: %s", self.month, len(heals), "; ".join(heal.lack for _, heal in heals[:5])
            )
        return rescues

    def _heal_of(self, record: Record) -> _Heal | None:
        if self._is_in_work(record):
            return None
        zipped, has_l2a = self.blobs.zips.get(record.name), record.l2a in self.blobs.l2a
        has_zip = zipped is not None and zipped.container == L1C
        match record.state:
            case State.STAGED if not (has_zip or has_l2a):
                return self._fetch_again(record, f"the staged zip of {record.name} is gone")
            case State.CORRECTED if not has_l2a and has_zip:
                again = Rescue(CORRECTIONS, CorrectionMessage(product=record.name))
                return _Heal(f"the L2A folder of {record.name} is gone", State.STAGED, again)
            case State.CORRECTED if not has_l2a:
                return self._fetch_again(record, f"the L2A folder of {record.name} is gone")
            case State.CLASSIFIED if gone := self.blobs.lack(record.l2a, self.store):
                return self._classify_again(
                    record, f"{gone} of {record.name} {'is' if ' in ' in gone else 'are'} gone", has_l2a=has_l2a
                )
        return None

    @staticmethod
    def _classify_again(record: Record, lack: str, *, has_l2a: bool) -> _Heal:
        if not has_l2a:
            return _Heal(f"{lack}, and its L2A too", State.FAILED, None)
        again = ClassificationMessage(product=record.l2a, because=RESULTS_GONE)
        return _Heal(lack, State.CORRECTED, Rescue(CLASSIFICATIONS, again))

    @staticmethod
    def _fetch_again(record: Record, lack: str) -> _Heal:
        if not record.id:
            return _Heal(f"{lack}, and the catalogue is not known to offer it", State.FAILED, None)
        try:
            message = product_message(record, ProductName.parse(record.name))
        except BadRecord as error:
            return _Heal(f"{lack}. {error}", State.FAILED, None)
        return _Heal(lack, State.DISCOVERED, Rescue(PRODUCTS, message))

    def _apply(self, record: Record, heal: _Heal) -> Rescue | None:
        """Write the healing into the ledger; the message to send, None where none is or another was faster."""
        tries = record.attempts.get("watch", 0)
        rescue = heal.rescue if tries < MAX_RESCUES else None

        # Or views would show what is not there; of results that lack a file they show the rest.
        is_lost = record.state is State.CLASSIFIED and record.l2a not in self.blobs.results
        lost = {"results": ""} if is_lost else {}

        def healed(old: Record) -> Record:
            if old.state is not record.state or old.times != record.times:
                return old
            if rescue is None:
                after = f" after {tries} rescues" if heal.rescue else ""
                reason = f"Found{after} that {heal.lack}; 'retry' starts it again from what is left."
                return old.advanced(State.FAILED, step="watch", at=self.now, reason=reason, **lost)
            tried = old.tried("watch", "")
            return tried.advanced(heal.state, step="watch", at=self.now, error=f"Found that {heal.lack}.", **lost)

        wrote = self.ledger.update(record.partition, record.name, healed)
        return rescue if wrote.times.get("watch") == self.now else None

    def _sweep(self) -> None:
        """Delete the staged zips that a step left behind when it was killed, or when its product was superseded."""
        for record in self.known.values():
            zipped = self.blobs.zips.get(record.name)
            if zipped is None or not self._is_past_need(record) or self._is_in_work(record):
                continue
            if self.ledger.get(record.partition, record.name) == record:  # and not begun anew since the run began
                self.store.delete(zipped)
                _log.info("watch: %s is deleted; the product is %s", zipped, record.state)

    def _is_past_need(self, record: Record) -> bool:
        """True where no step reads the product's zip any more, nor a retry: of what was taken off it is kept."""
        if record.state is State.SKIPPED:
            return not record.is_cancelled
        return record.state in _PAST_CORRECT and record.l2a in self.blobs.l2a

    def _is_in_work(self, record: Record) -> bool:
        """True where a step wrote into the row just now; what the provider says of the product is no step's time."""
        steps = [age(at, self.now) for name, at in record.times.items() if name not in _PROVIDERS_TIMES]
        return bool(steps) and min(steps) < QUIET

    def _without_row(self) -> Iterator[Rescue]:
        """Messages for complete L2A folders that the ledger does not know; of several of one product, the newest's."""
        rows = {record.l2a for record in self.known.values()} | self.known.keys()
        nameless = (
            product
            for text, came in self.blobs.l2a.items()
            if text not in rows and self.now - came >= QUIET and (product := name_of(text)) is not None
        )
        seen_to = set[str]()
        for product in sorted(nameless, key=lambda product: product.discriminator, reverse=True):
            made_of = self._made_of(product)
            if product.level is Level.L2A and made_of is not None and made_of not in seen_to:
                seen_to.add(made_of)
                _log.warning("watch: %s lies in %s and the ledger has no row of it", product, L2A)
                yield Rescue(CLASSIFICATIONS, ClassificationMessage(product=str(product), because=NO_ROW))

    def _made_of(self, l2a: ProductName) -> str | None:
        """Whose row is to name ``l2a``: its own, or that of what it was made of; None: it is nobody's any more."""
        if not is_own(l2a):
            return str(l2a)
        if (made_of := origin(l2a, self.known.values, self.store)) is not None:
            row = self.known.get(made_of.l1c)
            return made_of.l1c if row is None or takes(row) else None
        names = (name_of(record.name) for record in self.known.values() if record.state is not State.SKIPPED)
        return None if any(name and name.acquisition == l2a.acquisition for name in names) else str(l2a)

    def _counted(self, row: MonthRecord) -> list[Rescue]:
        """Write down what was found; a message to search again where rows are missing or products wait."""
        states = Counter(record.state for record in self.known.values())
        rows = sum(_is_listed(record) for record in self.known.values())
        missing = max(row.found - rows, 0)
        unfinished, failed = sum(states[state] for state in _UNFINISHED), states[State.FAILED]

        def checked(old: MonthRecord | None) -> MonthRecord:
            return replace(old or row, checked=self.now, missing=missing, unfinished=unfinished, failed=failed)

        self.ledger.update_month(self.month, checked)
        if missing:
            _log.warning("watch: %s has %d products in the catalogue, %d in the ledger", self.month, row.found, rows)
        wait = timedelta(days=1) if missing else SEARCH_AGAIN
        if (missing or states[State.OFFLINE]) and row.age(self.now) >= wait:
            return [Rescue(TILE_MONTHS, TileMonthMessage.of(self.month, backfill=True))]
        return []
