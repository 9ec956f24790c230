"""The rows of the ledger: what is known about each product and each tile-month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from shared.errors import BadName
from shared.models import ProductName, State, TileMonth

_OLD = timedelta(days=62)  # schedule asks for the current and the previous month; what was older then is backfill
_CLOCKS_DIFFER = timedelta(hours=1)  # instances agree within seconds; an hour is a clock that jumped
_KEEPS_RESULTS = {State.CLASSIFIED, State.CORRECTED, State.FAILED}
CANCEL = "cancel"  # a time of a record: when a person took the product off; it is not begun again by itself
REFUSED = "refused"  # ledger partition of what has no tile: unreadable messages and names
DRONE = "drone"  # ledger partition of orthomosaics


def age(at: datetime | None, now: datetime) -> timedelta:
    """How long ago ``at`` was; `timedelta.max` for never, and for the future: a clock was ahead when it was noted."""
    return timedelta.max if at is None or at - now > _CLOCKS_DIFFER else now - at


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the ledger: everything known about one product (or one refused thing)."""

    partition: str  # tile name, DRONE or REFUSED
    name: str  # product name without .SAFE, name of an orthomosaic, or the name of what was refused
    state: State
    reason: str = ""  # a sentence; for the happy states empty, but where a map is all but empty
    id: str = ""  # the provider's identifier; of an orthomosaic, where it lies in the inbox
    bytes: int = 0  # size of the L1C zip
    checksum: str = ""  # "MD5:<hex>"; of an orthomosaic "ETag:<etag>"
    baseline: str = ""
    orbit: int = 0
    l2a: str = ""  # name of the L2A product made from it, without .SAFE
    processor: str = ""  # what corrected it: "Sen2Cor 02.12.03", "approximate 1", "provider"
    dem: str = ""  # elevation model of the correction, "flat" for none; empty where it is not known
    peak_memory: int = 0  # bytes that the correction held at most; 0: not measured
    peak_disk: int = 0  # bytes on the disk of the correction at most; 0: not measured
    progress: float | None = None  # percent done of the correction in work; none: nothing is in work
    progress_at: datetime | None = None  # when that was so
    results: str = ""  # path of the result folder: "surface/22WEV/2019/07/....SAFE"
    message: str = ""  # the queue message that is to be put back on retry
    error: str = ""  # the last transient error, a sentence
    successor: str = ""  # the product of the same acquisition that replaces this one, at once or when it is published
    note: str = ""  # what the provider did to it after it was processed, a sentence
    times: Mapping[str, datetime] = field(default_factory=dict)  # "sensing", "published", "deleted", one per step ...
    seconds: Mapping[str, float] = field(default_factory=dict)  # duration per step
    attempts: Mapping[str, int] = field(default_factory=dict)  # tries per step
    usable_percent: float | None = None  # of the whole tile
    classified_percent: float | None = None  # of the whole tile
    class_percent: Mapping[str, float] = field(default_factory=dict)  # class short name -> % of classified
    class_km2: Mapping[str, float] = field(default_factory=dict)  # class short name -> km2
    albedo_mean: float | None = None  # broadband, 0-1
    albedo_sd: float | None = None
    index_mean: float | None = None  # 2DBA over clean ice, light and heavy algae
    index_sd: float | None = None
    model: str = ""  # the classifier: "ice_surface 1.0.0"

    @classmethod
    def of(cls, product: ProductName, state: State, *, times: Mapping[str, datetime], **facts: Any) -> Record:
        """The first record of ``product``, with what its name says; ``facts`` are further fields."""
        return cls(
            partition=product.tile.name,
            name=str(product),
            state=state,
            baseline=product.baseline,
            orbit=product.orbit,
            times={"sensing": product.sensing, **times},
            **facts,
        )

    @property
    def came_late(self) -> bool:
        """True for an acquisition that was already old when it was found or dropped."""
        try:
            sensing = ProductName.parse(self.name).sensing
        except BadName:
            return False
        came = self.times.get("discover")
        return came is not None and came - sensing > _OLD

    @property
    def is_backfill(self) -> bool:
        """True for what came late and nobody waits for: new acquisitions go before it."""
        is_asked_for = not self.id or bool({"retry", "drop"} & self.times.keys())
        return self.came_late and not is_asked_for

    @property
    def is_cancelled(self) -> bool:
        """Whether a person took it off: it begins again when it is retried or dropped anew, and not by itself."""
        return self.state is State.SKIPPED and CANCEL in self.times

    @property
    def has_results(self) -> bool:
        """Whether maps and numbers are there; also those of before, where classifying again waits or failed."""
        return bool(self.results) and self.state in _KEEPS_RESULTS

    def begun_again(self, state: State, *, step: str, at: datetime) -> Record:
        """A copy in ``state`` as a person puts it back: no longer cancelled, and with all its tries ahead."""
        times = {name: time for name, time in self.times.items() if name != CANCEL}
        return replace(self, times=times).advanced(state, step=step, at=at, attempts={}, message="")

    def advanced(self, state: State, *, step: str, at: datetime, **changes: Any) -> Record:
        """A copy in ``state``, with the step's time set and reason, error and progress cleared unless given."""
        changes = {"reason": "", "error": "", "progress": None, "progress_at": None} | changes
        times = {name: time for name, time in self.times.items() if name != "waits"}  # it waits no more
        return replace(self, state=state, times={**times, step: at}, **changes)

    def tried(self, step: str, error: str) -> Record:
        """A copy with one more attempt counted for ``step`` and its transient error noted."""
        attempts = {**self.attempts, step: self.attempts.get(step, 0) + 1}
        return replace(self.idle(), attempts=attempts, error=error)

    def idle(self) -> Record:
        """A copy that says nothing of work in progress."""
        return replace(self, progress=None, progress_at=None)


@dataclass(frozen=True, slots=True)
class MonthRecord:
    """One row of the ledger's tile-months: when it was last looked at, and what the catalogue held."""

    month: TileMonth
    searched: datetime | None  # when discover last finished it; None: never
    found: int  # products in the catalogue then
    closed: bool  # searched after its end plus the time late arrivals take: backfill is done with it
    waiting: int = 0  # products in the provider's archive then, or whose official L2A was not there yet
    checked: datetime | None = None  # when watch last compared it with the ledger and the blobs
    missing: int = 0  # products in the catalogue without a row in the ledger, when checked
    unfinished: int = 0  # rows of products on their way, when checked
    failed: int = 0  # rows of products that failed, when checked
    error: str = ""  # why the last search failed, a sentence; empty after one that did not
    tried: datetime | None = None  # when it failed
    asked: datetime | None = None  # when a person last asked for it

    def age(self, now: datetime) -> timedelta:
        """How old the last search is, as `age` says."""
        return age(self.searched, now)

    def is_awaited(self, now: datetime, patience: timedelta) -> bool:
        """Whether a person asked for it less than ``patience`` ago, and no search has ended since, well or not."""
        ended = [at for at in (self.searched, self.tried) if at is not None]
        return (
            self.asked is not None and age(self.asked, now) < patience and max(ended, default=self.asked) <= self.asked
        )
