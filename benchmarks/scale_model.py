"""Backfilling many tiles, simulated: the rules of schedule, stage and correct, the provider's quotas, seconds per step.

Deterministic. Time goes in ticks of ten minutes; products are counted, not followed. What is left out: failures, clouds
(every product is corrected and classified), products in the provider's archive, and days on which the provider is down.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.pipeline.schedule import MOST_BACKFILL, PRODUCTS_PER_MONTH

TICK = 600.0  # seconds
DAY = 86_400.0  # seconds
WINDOW = 30  # days over which the provider counts bytes
_MOST_DAYS = 4_000


class Limit(StrEnum):
    """What may keep the system from being faster."""

    ROOM = "room that schedule may fill"
    CONNECTIONS = "the provider's connections"
    BYTES = "the provider's bytes per 30 days"
    CORRECTIONS = "corrections at a time"


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be done, and with what."""

    months: int  # tile-months
    per_month: float = 25.0  # acquisitions of a tile-month
    product_bytes: float = 0.7e9
    new_per_day: float = 0.0  # acquisitions a day that arrive meanwhile and go first
    every: float = 21_600.0  # seconds between two runs of schedule
    room: int = 120  # BACKFILL_ROOM
    slots: int = 4  # connections; one is never given to backfill
    slot_bytes: float = 20e6  # bytes a second and connection
    stage_seconds: float = 50.0  # at least, whatever the connection could do
    budget: float = 10e12  # bytes of 30 days for backfill
    corrections: int = 5  # at a time; 0: official L2A, nothing is corrected
    correct_seconds: float = 1260.0  # with the start of the container


@dataclass(frozen=True, slots=True)
class Result:
    """How it went."""

    days: float
    products: int
    done: tuple[float, ...]  # backfilled products that are through, at the end of each day


class Simulation:
    """The state between two ticks."""

    def __init__(self, case: Case) -> None:
        """Nothing has been asked for yet."""
        self.case = case
        self.months = case.months  # not asked for yet
        self.to_stage = self.to_correct = self.done = 0.0  # backfilled products
        self.new_to_correct = 0.0  # products of now that wait for correction
        self.bytes: deque[float] = deque([0.0], maxlen=WINDOW)  # per day, the last is today

    def schedule(self) -> None:
        """Ask for as many tile-months as shared/pipeline/schedule.py would."""
        waiting = self.to_stage + self.to_correct + self.new_to_correct
        room = min(max(int(self.case.room - waiting) // PRODUCTS_PER_MONTH, 0), MOST_BACKFILL, self.months)
        self.months -= room
        self.to_stage += room * self.case.per_month

    def tick(self) -> None:
        """Let ten minutes go by."""
        new = self.case.new_per_day * TICK / DAY
        self.bytes[-1] += new * self.case.product_bytes
        staged = self._stage(new)
        if self.case.corrections:
            self.to_correct += staged
            self.new_to_correct += new
            self._correct()
        else:
            self.done += staged

    def _stage(self, new: float) -> float:
        case = self.case
        seconds = max(case.stage_seconds, case.product_bytes / case.slot_bytes)
        able = min(max(case.slots - 1, 1) * TICK / seconds, max(case.slots * TICK / seconds - new, 0.0))
        affordable = max(case.budget - sum(self.bytes), 0.0) / case.product_bytes
        staged = min(self.to_stage, able, affordable)
        self.to_stage -= staged
        self.bytes[-1] += staged * case.product_bytes
        return staged

    def _correct(self) -> None:
        able = self.case.corrections * TICK / self.case.correct_seconds
        first = min(self.new_to_correct, able)
        corrected = min(self.to_correct, able - first)
        self.new_to_correct -= first
        self.to_correct -= corrected
        self.done += corrected


def simulate(case: Case) -> Result:
    """Run ``case`` until all of it is done; raises ValueError where it never would be."""
    products = round(case.months * case.per_month)
    state, days = Simulation(case), list[float]()
    for number in range(int(_MOST_DAYS * DAY / TICK)):
        seconds = number * TICK
        if seconds % DAY == 0 and number:
            days.append(state.done)
            state.bytes.append(0.0)
        if seconds % case.every == 0:
            state.schedule()
        state.tick()
        if state.done >= products - 0.5:
            return Result((number + 1) * TICK / DAY, products, (*days, state.done))
    raise ValueError(
        f"{products} products are not through after {_MOST_DAYS} days: new acquisitions take all there is."
    )


def doubled(case: Case, limit: Limit) -> Case:
    """``case`` with twice as much of ``limit``."""
    match limit:
        case Limit.ROOM:
            return replace(case, room=2 * case.room)
        case Limit.CONNECTIONS:
            return replace(case, slots=2 * case.slots)
        case Limit.BYTES:
            return replace(case, budget=2 * case.budget)
        case Limit.CORRECTIONS:
            return replace(case, corrections=2 * case.corrections)


def saved(case: Case) -> dict[Limit, float]:
    """The days that twice as much of each limit alone would save; the largest is what binds."""
    days = simulate(case).days
    return {limit: days - simulate(doubled(case, limit)).days for limit in Limit}
