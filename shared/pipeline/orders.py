"""orders: what a person asks of the pipeline, by the API or a page.

    backfill      older months of a tile are searched
    retry         a failed product, or all that failed for one reason, goes back to the first step it can start from
    reclassify    a product, or those of a tile (all, or those made by another model), is classified again
    cancel        a product that waits is taken off, until somebody retries it

Contract: an order given twice does no more than one given once. What waits already is left, with a sentence that says
why; what cannot be done at all raises: NotFound, WrongState, BadName. A message goes out after the ledger is written:
where an order dies between, watch finds the product stuck, or asked for in vain, and sends the message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.errors import BadName, NotFound, PermanentError, WrongState
from shared.messages import CLASSIFICATIONS, TILE_MONTHS, ClassificationMessage, TileMonthMessage
from shared.models import MANIFEST, ProductName, State, Tile, TileMonth, l2a_folder
from shared.pipeline.lookup import known
from shared.pipeline.overview_failures import key as reason_key
from shared.pipeline.reclassify import ASKED, LOST_AFTER, asked, is_waiting
from shared.pipeline.retry import is_retried, retry
from shared.ports import Clock, Ledger, ObjectStore, Queues
from shared.records import CANCEL, Record, age

MOST_MONTHS = 240  # of one backfill
MOST_AT_ONCE = 1000  # products of one order
_WAITING = {State.DISCOVERED, State.OFFLINE, State.STAGED}  # cancel takes these
_ON_ITS_WAY = {State.DISCOVERED, State.STAGED, State.CORRECTED}


@dataclass(frozen=True, slots=True)
class Ordered:
    """What became of an order."""

    sentence: str
    accepted: tuple[str, ...] = ()  # products, or tile-months
    left: Mapping[str, str] = field(default_factory=dict)  # name -> why nothing was done


@dataclass(frozen=True, slots=True)
class Orders:
    """Takes orders; messages go out at once."""

    store: ObjectStore
    ledger: Ledger
    queues: Queues
    clock: Clock

    def backfill(self, tile: Tile, first: TileMonth, last: TileMonth) -> Ordered:
        """Search the months from ``first`` to ``last`` of ``tile``; BadName where they are in no order or too many."""
        months = list(_span(tile, first, last))
        for month in months:
            self.queues.send(TILE_MONTHS, TileMonthMessage.of(month, backfill=True).encode())
        sentence = f"{len(months)} months of {tile} will be searched, {first.key} to {last.key}."
        return Ordered(sentence, tuple(str(month) for month in months))

    def retry(self, name: str) -> Ordered:
        """Put one product back; WrongState unless it failed, was rejected or cancelled, or waits in the archive."""
        record = self.known(name)
        if record.state in _ON_ITS_WAY:
            return Ordered(f"{record.name} is on its way already.", left={record.name: f"It is {record.state}."})
        if not is_retried(record):
            raise WrongState(
                f"{record.name} is {record.state}; only what failed, was rejected or cancelled is retried."
            )
        self._put_back(record)
        return Ordered(f"{record.name} is put back.", (record.name,))

    def retry_failed(self, key: str = "", tile: str = "") -> Ordered:
        """Put back all that failed, or those of one kind (`overview_failures`) or one tile."""
        failed = [
            record
            for record in self.ledger.in_state(State.FAILED)
            if (not key or reason_key(record.reason) == key) and (not tile or record.partition == tile)
        ]
        accepted, left = [], {}
        for record in failed[:MOST_AT_ONCE]:
            try:
                self._put_back(record)
                accepted.append(record.name)
            except PermanentError as error:  # one that cannot be put back keeps no other waiting
                left[record.name] = str(error)
        left |= {record.name: "One order takes 1000 products; give it again." for record in failed[MOST_AT_ONCE:]}
        return Ordered(f"{len(accepted)} of {len(failed)} that failed are put back.", tuple(accepted), left)

    def reclassify(self, name: str) -> Ordered:
        """Classify one product again; NotFound where its L2A folder is gone, WrongState where it never had one."""
        record = self.known(name)
        if why := self._why_not_again(record):
            return Ordered(why, left={record.name: why})
        self._classify_again(record)
        return Ordered(f"{record.name} will be classified again.", (record.name,))

    def reclassify_tile(self, tile: Tile, *, model: str = "") -> Ordered:
        """Classify all classified products of ``tile`` again, or those whose model is not ``model`` (name version)."""
        rows = [
            record
            for record in self.ledger.records(tile.name)
            if record.state is State.CLASSIFIED and not (model and record.model == model)
        ]
        accepted, left = [], {}
        for record in rows[:MOST_AT_ONCE]:
            try:
                why = self._why_not_again(record)
            except PermanentError as error:
                why = str(error)
            if why:
                left[record.name] = why
                continue
            self._classify_again(record)
            accepted.append(record.name)
        left |= {record.name: "One order takes 1000 products; give it again." for record in rows[MOST_AT_ONCE:]}
        return Ordered(f"{len(accepted)} products of {tile} will be classified again.", tuple(accepted), left)

    def cancel(self, name: str) -> Ordered:
        """Take a product off that waits; WrongState where it is past waiting."""
        record, now = self.known(name), self.clock()
        if record.state is State.SKIPPED:
            return Ordered(f"{record.name} is off already.", left={record.name: record.reason})
        reason = f"Cancelled by order on {now:%Y-%m-%d %H:%M} UTC; 'retry' begins it again."

        def cancelled(old: Record) -> Record:
            return old.advanced(State.SKIPPED, step=CANCEL, at=now, reason=reason) if old.state in _WAITING else old

        wrote = self.ledger.update(record.partition, record.name, cancelled)
        if wrote.state is not State.SKIPPED:
            raise WrongState(f"{record.name} is {wrote.state}; only what waits to be staged or corrected is cancelled.")
        return Ordered(f"{record.name} is taken off.", (record.name,))

    def known(self, name: str) -> Record:
        """The row that ``name`` means, as `lookup.known` says; NotFound where there is none."""
        return known(self.ledger, name)

    def _put_back(self, record: Record) -> None:
        rescue = retry(record, store=self.store, ledger=self.ledger, clock=self.clock)
        self.queues.send(rescue.queue, rescue.message.encode())

    def _why_not_again(self, record: Record) -> str:
        """Why ``record`` need not be classified again, "" where it is to be."""
        if record.state not in {State.CLASSIFIED, State.REJECTED, State.CORRECTED} and not (
            record.state is State.FAILED and record.l2a
        ):
            raise WrongState(f"{record.name} is {record.state}; only what was corrected can be classified again.")
        is_asked = is_waiting(record) and age(record.times[ASKED], self.clock()) < LOST_AFTER
        if record.state is State.CORRECTED or is_asked:
            return f"{record.name} waits to be classified already."
        if self.store.info(l2a_folder(ProductName.parse(record.l2a)) / MANIFEST) is None:
            raise NotFound(f"The L2A folder of {record.name} is gone; it has to be fetched again before.")
        return ""

    def _classify_again(self, record: Record) -> None:
        now = self.clock()
        self.ledger.update(record.partition, record.name, lambda old: asked(old, now))
        message = ClassificationMessage(product=record.l2a, because="asked for")
        self.queues.send(CLASSIFICATIONS, message.encode())


def _span(tile: Tile, first: TileMonth, last: TileMonth) -> Iterator[TileMonth]:
    if last < first:
        raise BadName(f"{last.key} lies before {first.key}; name the earlier month first.")
    count = 12 * (last.year - first.year) + last.month - first.month + 1
    if count > MOST_MONTHS:
        raise BadName(f"{first.key} to {last.key} are {count} months; one order takes at most {MOST_MONTHS}.")
    return _months(TileMonth(tile, first.year, first.month), count)


def _months(first: TileMonth, count: int) -> Iterator[TileMonth]:
    month = first
    for _ in range(count):
        yield month
        month = month.next()
