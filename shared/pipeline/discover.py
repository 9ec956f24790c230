"""discover: catalogue minus ledger is what is new.

Contract: returns one message per product to stage. A catalogue or ledger that is unreachable raises, and the queue
tries again. Run twice, it returns nothing the second time, except where ``again`` says that an earlier run may have
died between writing the ledger and sending its messages.

Which products are wanted is decided in `discover_choice`. A product whose newer version is wanted becomes SKIPPED,
unless it is in work or has results: these stay until the newer ones are published (watch looks after that too).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.errors import BadRecord, IceWatchError
from shared.messages import ProductMessage, TileMonthMessage
from shared.models import Level, Product, ProductName, State, TileMonth, shown
from shared.pipeline.discover_choice import STARTED, Entry, Rules, decide, published
from shared.pipeline.discover_rows import begins_anew, first_row, is_first_offered, listed_again, offered, rows_of
from shared.pipeline.outcome import superseded
from shared.pipeline.refused import month_row, settle
from shared.ports import Catalogue, Clock, Deletion, Ledger, Retrieval, Unsupported
from shared.records import MonthRecord, Record, age

LATE_ARRIVALS = timedelta(days=30)  # a month searched this long after its end is closed for backfill
RETRIEVE_AGAIN = timedelta(days=7)  # a product asked for comes within a day or two, and stays some days
MOST_RETURNS = 10  # times a product may come back from the archive without being handed out
_HAS_RESULTS = {State.STAGED, State.CORRECTED, State.CLASSIFIED}  # or will have, and nothing else is there yet
_log = logging.getLogger("icewatch")


def discover(
    message: TileMonthMessage,
    *,
    catalogue: Catalogue,
    ledger: Ledger,
    clock: Clock,
    rules: Rules | None = None,
    again: bool = False,
) -> list[ProductMessage]:
    """Search one tile-month, write what is found into the ledger and return what is to be staged.

    Args:
        message: the tile-month, and since when only changes matter.
        catalogue: the provider.
        ledger: read before written.
        clock: the present, UTC.
        rules: what the watchlist says about the tile; None: everything is wanted.
        again: the message was delivered before: also return what is still only DISCOVERED.
    """
    rules, month = rules or Rules(), message.value()
    search = _Search(catalogue, ledger, clock(), month, since=None if again else message.since)
    try:
        search.run(rules)
        to_stage = search.found(rules, again=again)
    except Exception as error:
        _note(error, month, ledger, search.now)
        raise
    search.remember()
    settle(month_row(month), "Searched without trouble", ledger, clock)
    _log.info("discover: %s has %d products in the catalogue, %d to stage", month, len(search.listed), len(to_stage))
    return [ProductMessage.of(product, backfill=message.backfill) for product in to_stage]


def _note(error: Exception, month: TileMonth, ledger: Ledger, now: datetime) -> None:
    """Keep why a search failed: if the queue gives up, the reason is told from here."""
    why = str(error) if isinstance(error, IceWatchError) else f"Unforeseen {type(error).__name__}: {shown(error)}"
    fresh = MonthRecord(month, searched=None, found=0, closed=False)
    with suppress(IceWatchError):  # the ledger may be what failed; the error itself passes
        ledger.update_month(month, lambda old: replace(old or fresh, error=why, tried=now))


@dataclass(slots=True)
class _Search:
    """One search of one tile-month and what becomes of it."""

    catalogue: Catalogue
    ledger: Ledger
    now: datetime
    month: TileMonth
    since: datetime | None  # None: everything is listed
    listed: list[Product] = field(default_factory=list)
    known: dict[str, Record] = field(default_factory=dict)  # the ledger's rows of the month, kept up to date
    _names_before: frozenset[str] = frozenset()
    _unsupported: list[Unsupported] = field(default_factory=list)
    _over_quota: bool = False
    _deleted: int = 0  # rows that were counted so far

    def run(self, rules: Rules) -> None:
        """Ask the catalogue, then the ledger, so that no row is older than the list."""
        for level in (Level.L1C, Level.L2A) if rules.official else (Level.L1C,):
            self.listed += self.catalogue.search(
                self.month, level=level, modified_since=self.since, unsupported=self._unsupported.append
            )
        deletions = self._deletions()
        self.known = rows_of(self.month, self.ledger)
        self._names_before = frozenset(self.known)
        listed_ids = {product.id for product in self.listed}
        for deletion in deletions:
            if deletion.id not in listed_ids:
                self._delete(deletion)

    def _deletions(self) -> list[Deletion]:
        try:
            return list(self.catalogue.deleted(self.month))
        except IceWatchError as error:  # new products are no reason to wait for word about old ones
            _log.warning("discover: what the provider has deleted of %s is not known this time: %s", self.month, error)
            return []

    def found(self, rules: Rules, *, again: bool) -> list[Product]:
        """Write what was found into the ledger; the products to stage, in sensing order."""
        decided = decide(self.listed, self.known, rules, self.now, whole=self.since is None)
        to_stage = [entry.product for entry in decided.entries if self._enter(entry, again=again)]
        for older, newer in decided.replaced:
            self._replace(self.known[older], newer)
        for unsupported in self._unsupported:
            self._refuse(unsupported)
        if self.since is None:
            self._miss({Level.L1C, Level.L2A} if rules.official else {Level.L1C})
        return to_stage

    def remember(self) -> None:
        """Write down that the month was searched, last of all."""
        names = {str(product.name) for product in self.listed} | {long.name for long in self._unsupported}
        waiting = sum(record.state is State.OFFLINE for record in self.known.values())

        def searched(old: MonthRecord | None) -> MonthRecord:
            count, closed = len(names), self.now >= self.month.end + LATE_ARRIVALS
            if self.since is not None and old is not None:
                count, closed = old.found + len(names - self._names_before) - self._deleted, old.closed
            known = old or MonthRecord(
                self.month, None, count, closed
            )  # when it was asked for, and checked, is others' to write
            return replace(known, searched=self.now, found=count, closed=closed, waiting=waiting, error="", tried=None)

        self.ledger.update_month(self.month, searched)

    def _update(self, record: Record, change: Callable[[Record], Record]) -> bool:
        """Replace ``record`` by ``change(record)``; False where nothing changes or another writer moved it on."""
        new = change(record)
        if new == record:
            return False
        wrote = self.ledger.update(
            record.partition, record.name, lambda old: change(old) if old.state is record.state else old
        )
        self.known[record.name] = wrote
        return wrote.state is new.state

    def _enter(self, entry: Entry, *, again: bool) -> bool:
        """Write ``entry`` into the ledger; True where it is to be staged now."""
        name = str(entry.product.name)
        record = self.known.get(name)
        if record is None:
            record = first_row(entry, self.now)
            if self.ledger.add(record):
                self.known[name] = record
                self._retrieve(entry)
                return record.state is State.DISCOVERED
            try:
                record = self.ledger.get(record.partition, name) or record
            except BadRecord as error:  # a row that somebody broke keeps no other product waiting
                _log.error("discover: %s is left alone: %s", name, error)
                return False
            self.known[name] = record
        if is_first_offered(record) and entry.product.name.level is Level.L1C:
            self._update(record, lambda old: offered(old, entry.product))
            record = self.known[name]
        if entry.successor:
            self._replace(record, entry.successor)
            return False
        if begins_anew(record, entry):
            return self._return(record, entry)
        if record.state in STARTED and "deleted" in record.times and record.id != entry.product.id:
            self._update(record, lambda old: listed_again(old, entry.product.id))
        self._retrieve(entry)
        return again and record.state is State.DISCOVERED and entry.state is State.DISCOVERED

    def _return(self, record: Record, entry: Entry) -> bool:
        """Put a product that waited, was skipped or had another identifier to where the catalogue has it now."""
        fresh, waited = first_row(entry, self.now), record.state is State.OFFLINE
        returns = record.attempts.get("discover", 0) + 1
        if waited and entry.state is State.DISCOVERED and returns > MOST_RETURNS:
            reason = f"Listed as online {MOST_RETURNS} times, and never handed out; 'retry' asks for it again."
            self._update(record, lambda old: old.advanced(State.FAILED, step="discover", at=self.now, reason=reason))
            return False

        def returned(old: Record) -> Record:
            times = {
                kind: at for kind, at in {**old.times, **fresh.times}.items() if kind not in {"deleted", "fetched"}
            }
            attempts = {**old.attempts, "discover": returns} if waited else {}
            return replace(fresh, times=times, seconds=old.seconds, attempts=attempts)

        return self._update(record, returned) and entry.state is State.DISCOVERED

    def _retrieve(self, entry: Entry) -> None:
        """Ask once for a product in the archive; again only after a week, or where the quota was used up."""
        record = self.known[str(entry.product.name)]
        archived = record.state is State.OFFLINE and entry.state is State.OFFLINE and not entry.product.online
        if not archived or self._over_quota:
            return
        if age(record.times.get("retrieve"), self.now) < RETRIEVE_AGAIN:
            return
        try:
            answer = self.catalogue.retrieve(entry.product.id)
        except IceWatchError as error:  # one wish that fails keeps no other product of the month waiting
            _log.warning("discover: %s could not be asked for: %s", record.name, error)
            return
        self._over_quota = answer is Retrieval.OVER_QUOTA
        times = {} if self._over_quota else {"retrieve": self.now}
        reason = _WORDS[answer].format(self.now)
        self._update(record, lambda old: replace(old, reason=reason, times={**old.times, **times}))

    def _replace(self, record: Record, newer: str) -> None:
        """Mark ``record`` as superseded, unless it is in work or its results are still the only ones."""
        if record.state is State.SKIPPED and record.successor == newer:
            return
        if record.state in _HAS_RESULTS and not published(newer, self.known):
            self._update(record, lambda old: replace(old, successor=newer))
        else:
            self._update(record, lambda old: superseded(old, newer))

    def _delete(self, deletion: Deletion) -> None:
        """Note that the provider deleted a product; one that was not fetched yet never will be."""
        record = next((record for record in self.known.values() if record.id == deletion.id), None)
        if record is None or "deleted" in record.times:
            return
        note = f"Deleted by the provider on {deletion.at:%Y-%m-%d}: {deletion.cause or 'no cause is given'}."
        never = record.state in {State.DISCOVERED, State.OFFLINE}

        def deleted(old: Record) -> Record:
            times = {**old.times, "deleted": deletion.at}
            if never:
                return replace(old, state=State.SKIPPED, reason=note, error="", times=times)
            return replace(old, note=note, times=times)

        self._update(record, deleted)
        self._deleted += 1

    def _refuse(self, long: Unsupported) -> None:
        """Enter a product that cannot be processed with the reason: an old format, or an entry that does not parse."""
        if long.name in self.known:
            return
        times = {"discover": self.now} | ({"sensing": long.sensing} if long.sensing else {})
        record = Record(self.month.tile.name, long.name, State.SKIPPED, reason=long.reason, id=long.id, times=times)
        self.ledger.add(record)

    def _miss(self, levels: set[Level]) -> None:
        """A product in the archive that is listed no more, or asked for no more, is not waited for."""
        listed = {str(product.name) for product in self.listed}
        for record in list(self.known.values()):
            if record.state is not State.OFFLINE or not record.id or record.name in listed:
                continue
            searched = ProductName.parse(record.name).level in levels
            gone, unwanted = "The catalogue lists it no more", "The watchlist asks for official L2A no more"
            self._skip(record, f"{gone if searched else unwanted}, and it had not been fetched.")

    def _skip(self, record: Record, reason: str) -> None:
        self._update(record, lambda old: replace(old, state=State.SKIPPED, reason=reason))


_WORDS: Mapping[Retrieval, str] = {
    Retrieval.ACCEPTED: "In the provider's long-term archive; asked for on {:%Y-%m-%d}, looked at again every day.",
    Retrieval.OVER_QUOTA: "In the provider's long-term archive; our quota of wishes was used up on {:%Y-%m-%d}.",
    Retrieval.UNSUPPORTED: "In the provider's long-term archive, from which nothing can be ordered; "
    "looked at again every day since {:%Y-%m-%d}.",
}
