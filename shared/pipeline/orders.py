"""orders: what a person asks of the pipeline, by the API or a page.

    backfill      older months of a tile are searched
    retry         a failed product, or all that failed for one reason, goes back to the first step it can start from
    reclassify    a product, or those of a tile (all, or those made by another model), is classified again
    cancel        a product that waits is taken off, until somebody retries it; what failed for good is put away

Contract: an order given twice does no more than one given once. What waits already is left, with a sentence that says
why; what cannot be done at all raises: NotFound, WrongState, BadName. A message goes out after the ledger is written:
where an order dies between, watch finds the product stuck, or asked for in vain, and sends the message; a month can be
asked for again after a quarter of an hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.errors import BadMessage, BadName, NotFound, PermanentError, WrongState
from shared.messages import ASKED_FOR, CLASSIFICATIONS, TILE_MONTHS, ClassificationMessage, TileMonthMessage
from shared.models import MANIFEST, ProductName, State, Tile, TileMonth, l2a_folder
from shared.pipeline.lookup import known
from shared.pipeline.overview_failures import key as reason_key
from shared.pipeline.reclassify import asked, is_awaited
from shared.pipeline.retry import how_to_begin_again, is_retried, retry
from shared.ports import Clock, Ledger, ObjectStore, Queues
from shared.records import CANCEL, DRONE, REFUSED, MonthRecord, Record

MOST_MONTHS = 240  # of one backfill
MOST_AT_ONCE = 1000  # products of one order
_JUST_NOW = timedelta(minutes=15)  # a month is not asked for or searched again so soon
_CANCELLED = {State.DISCOVERED, State.OFFLINE, State.STAGED, State.FAILED}  # cancel takes these
_NEVER = datetime.min.replace(tzinfo=UTC)
_TOO_MANY = "One order takes {} products; give it again."
_OVERTAKEN = "{} is on its way already."
_ASKED_FOR = "{} waits to be classified already."
_IN_WORK = (
    "{} waits to be classified, or is in work with what was in force when that began; for another model or rule, ask "
    "again once it is done."
)
_JUDGED = {State.CLASSIFIED, State.REJECTED}  # what classify came to an end with
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
    model: Callable[[Tile], str]  # name and version of the classifier in force; PermanentError where it is of no use

    def backfill(self, tile: Tile, first: TileMonth, last: TileMonth) -> Ordered:
        """Search the months from ``first`` to ``last`` of ``tile``.

        BadName where they are in no order or too many, or one has not begun. Months that wait in the queue (as far as
        it can be looked into), or were asked for or searched just now, are left; of equal orders at one instant the
        ledger's row of a month lets one through.
        """
        months, now = list(_span(tile, first, last)), self.clock()
        if late := [month.key for month in months if month.start > now]:
            raise BadName(f"{late[0]} has not begun; it is {now:%Y-%m-%d}.")
        waiting, accepted, left = self._asked_for(), [], {}
        for month in months:
            if why := "It waits to be searched already." if month in waiting else self._ask_for(month, now):
                left[str(month)] = why
            else:
                self.queues.send(TILE_MONTHS, TileMonthMessage.of(month, backfill=True).encode())
                accepted.append(str(month))
        sentence = f"Of {tile} will be searched, {first.key} to {last.key}: {len(accepted)} of {len(months)} months."
        return Ordered(sentence, tuple(accepted), left)

    def _ask_for(self, month: TileMonth, now: datetime) -> str:
        """Note that ``month`` is asked for; why it is left, where there is no need, or another order was faster."""
        why = ""

        def asking(old: MonthRecord | None) -> MonthRecord:
            nonlocal why
            row = old or MonthRecord(month, searched=None, found=0, closed=False)
            why = _why_not_searched(row, now)
            return row if why else replace(row, asked=now)

        self.ledger.update_month(month, asking)
        return why

    def _asked_for(self) -> set[TileMonth]:
        """The whole months that wait in the queue."""
        months = set()
        for message in self.queues.peek(TILE_MONTHS):
            try:
                asked = TileMonthMessage.decode(message.text)
            except BadMessage:
                continue  # discover's poison handler writes it down
            if asked.since is None:
                months.add(asked.value())
        return months

    def retry(self, name: str) -> Ordered:
        """Put one product back; WrongState unless it failed, was rejected or cancelled, or waits in the archive."""
        record = self.known(name)
        if record.state in _ON_ITS_WAY:
            return Ordered(_OVERTAKEN.format(record.name), left={record.name: f"It is {record.state}."})
        if not is_retried(record):
            raise WrongState(
                f"{record.name} is {record.state}; only what failed, was rejected or cancelled is retried."
            )
        if not self._put_back(record):
            return Ordered(_OVERTAKEN.format(record.name), left={record.name: "Another order put it back."})
        return Ordered(f"{record.name} is put back.", (record.name,))

    def retry_failed(self, key: str = "", tile: str = "") -> Ordered:
        """Put back all that failed, or those of one kind (`overview_failures`) or one tile."""
        failed = [
            record
            for record in self.ledger.in_state(State.FAILED)
            if (not key or reason_key(record.reason) == key) and (not tile or record.partition == tile)
        ]
        accepted, left = _taken(failed, lambda record: "" if self._put_back(record) else "Another order put it back.")
        return Ordered(f"{len(accepted)} of {len(failed)} that failed are put back.", accepted, left)

    def reclassify(self, name: str) -> Ordered:
        """Classify one product again; NotFound where its L2A folder is gone, WrongState where it never had one."""
        record = self.known(name)
        why = self._why_not_again(record)
        if not why:
            self._model(Tile(record.partition))
            why = self._classify_again(record)
        if why:
            return Ordered(why, left={record.name: why})
        return Ordered(f"{record.name} will be classified again.", (record.name,))

    def reclassify_tile(
        self, tile: Tile, *, only_other_model: bool = False, states: Collection[State] = (State.CLASSIFIED,)
    ) -> Ordered:
        """Classify the products of ``tile`` in ``states`` again, or those that another model made than is in force.

        Of the states CLASSIFIED and REJECTED count; what was rejected names no model. Where they are more than one
        order takes, those begin that were classified the longest time ago, so that the next order goes on with the
        others. WrongState where the model in force cannot be used: the maps that are there would be set aside for
        nothing.
        """
        model = self._model(tile)
        judged = [record for record in self.ledger.records(tile.name) if record.state in _JUDGED]
        rows = [
            record for record in judged if record.state in states and not (only_other_model and record.model == model)
        ]
        rows.sort(key=lambda record: record.times.get("classify", _NEVER))
        accepted, left = _taken(rows, lambda record: self._why_not_again(record) or self._classify_again(record))
        sentence = f"{len(accepted)} products of {tile} will be classified again."
        others = Counter(record.state for record in judged if record.state not in states)
        asides = [f" {count} that are {state} were not asked for." for state, count in sorted(others.items())]
        return Ordered("".join([sentence, *asides]), accepted, left)

    def cancel(self, name: str) -> Ordered:
        """Take a product off that waits, or put away what failed, also what was refused; WrongState for all else.

        Where maps of before are there, a classification that failed since is forgotten: the maps count on.
        """
        record, now = self.known(name), self.clock()
        if record.state is State.SKIPPED:
            return Ordered(f"{record.name} is off already.", left={record.name: record.reason})

        def cancelled(old: Record) -> Record:
            if old.state not in _CANCELLED:
                return old
            if old.state is State.FAILED and old.has_results and old.l2a:
                return replace(old, state=State.CLASSIFIED, reason="", error=f"Put away: {old.reason}", attempts={})
            before = f" Before: {old.reason}" if old.state is State.FAILED else ""
            reason = f"Cancelled by order on {now:%Y-%m-%d %H:%M} UTC{how_to_begin_again(old)}.{before}"
            return old.advanced(State.SKIPPED, step=CANCEL, at=now, reason=reason)

        wrote = self.ledger.update(record.partition, record.name, cancelled)
        if wrote.state is State.CLASSIFIED and record.state is State.FAILED:
            return Ordered(f"{record.name} is classified, as it was before.", (record.name,))
        if wrote.state is not State.SKIPPED:
            raise WrongState(
                f"{record.name} is {wrote.state}; only what failed or waits to be staged or corrected is cancelled."
            )
        return Ordered(f"{record.name} is taken off.", (record.name,))

    def known(self, name: str) -> Record:
        """The row that ``name`` means, as `lookup.known` says; NotFound where there is none."""
        return known(self.ledger, name)

    def _put_back(self, record: Record) -> bool:
        """Whether it was this order that put ``record`` back."""
        rescue = retry(record, store=self.store, ledger=self.ledger, clock=self.clock)
        if rescue is not None:
            self.queues.send(rescue.queue, rescue.message.encode())
        return rescue is not None

    def _why_not_again(self, record: Record) -> str:
        """Why ``record`` need not be classified again, "" where it is to be."""
        if record.partition in {DRONE, REFUSED}:
            raise WrongState(f"{record.name} is no Sentinel-2 product; put the file into the inbox again.")
        if record.state not in {State.CLASSIFIED, State.REJECTED, State.CORRECTED} and not (
            record.state is State.FAILED and record.l2a
        ):
            raise WrongState(f"{record.name} is {record.state}; only what was corrected can be classified again.")
        if not _can_be_asked_for(record, self.clock()):
            return (_IN_WORK if record.state is State.CORRECTED else _ASKED_FOR).format(record.name)
        if self.store.info(l2a_folder(ProductName.parse(record.l2a)) / MANIFEST) is None:
            raise NotFound(f"The L2A folder of {record.name} is gone; it has to be fetched again before.")
        return ""

    def _classify_again(self, record: Record) -> str:
        """Ask for the classification of ``record``; why not, where another order or the pipeline was faster."""
        now, ours = self.clock(), False

        def asking(old: Record) -> Record:
            nonlocal ours
            ours = old.state is record.state and _can_be_asked_for(old, now)
            return asked(old, now) if ours else old

        self.ledger.update(record.partition, record.name, asking)
        if not ours:
            return _ASKED_FOR.format(record.name)
        message = ClassificationMessage(product=record.l2a, because=ASKED_FOR)
        self.queues.send(CLASSIFICATIONS, message.encode())
        return ""

    def _model(self, tile: Tile) -> str:
        try:
            return self.model(tile)
        except PermanentError as error:
            raise WrongState(f"Nothing was begun: the classifier in force for {tile} is of no use. {error}") from error


def _taken(rows: Iterable[Record], order: Callable[[Record], str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The names of those that ``order`` took, as many as one order may, and why each of the others was left.

    Only what was taken counts: what waits already, or cannot be done, would else keep those behind it out for ever.
    """
    accepted, left = list[str](), dict[str, str]()
    for record in rows:
        try:
            why = _TOO_MANY.format(MOST_AT_ONCE) if len(accepted) >= MOST_AT_ONCE else order(record)
        except PermanentError as error:
            why = str(error)
        if why:
            left[record.name] = why
        else:
            accepted.append(record.name)
    return tuple(accepted), left


def _can_be_asked_for(record: Record, now: datetime) -> bool:
    return record.state is not State.CORRECTED and not is_awaited(record, now)


def _why_not_searched(row: MonthRecord, now: datetime) -> str:
    if row.is_awaited(now, _JUST_NOW):
        return "It was asked for within the last 15 minutes."
    if row.age(now) < _JUST_NOW and not row.error:
        return "It was searched within the last 15 minutes."
    return ""


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
