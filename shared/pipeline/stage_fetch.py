"""stage, one download: within the slots and the budget, checked, into a blob that appears whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime

from shared.errors import (
    BadSetting,
    IceWatchError,
    NotFound,
    Offline,
    ProviderLimits,
    ProviderUnavailable,
    TransientError,
)
from shared.limits import Slot, Slots, Tally
from shared.messages import ProductMessage
from shared.models import BlobPath, Product
from shared.pipeline.stage_budget import UNKNOWN_SIZE, WINDOW, reserve, settle
from shared.pipeline.stage_checks import Checks
from shared.pipeline.stage_rules import Rule, rule_of
from shared.ports import Catalogue, Clock, Entries, ObjectStore
from shared.settings import Downloads

_BUDGET_PAUSE = 3600.0  # seconds; the budget frees once a day
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class Intake:
    """What all instances share when they download."""

    slots: Slots
    tally: Tally
    limits: Downloads


@dataclass(frozen=True, slots=True)
class Fetched:
    """A product's zip is in the store."""

    bytes: int
    checksum: str  # the digest, and whether there was anything to compare it with


@dataclass(frozen=True, slots=True)
class Later:
    """The download cannot begin now."""

    why: str  # a sentence
    seconds: float = 0.0  # to wait at least
    is_providers: bool = False  # the provider asks for it; otherwise our own slots and budget


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The provider does not hand the product out."""

    rule: Rule  # OFFLINE or SEARCH_AGAIN
    why: str  # a sentence


def fetch(
    message: ProductMessage,
    into: BlobPath,
    *,
    catalogue: Catalogue,
    store: ObjectStore,
    clock: Clock,
    intake: Intake,
    resolution: int | None,
) -> Fetched | Later | Unavailable:
    """Stream the product of ``message`` into the blob ``into``.

    Raises what `Checks.passed` raises, AccessDenied where the provider forbids it, StorageUnavailable where the slot
    was lost on the way. Nothing is visible then.
    """
    slot_or_none = intake.slots.take(backfill=message.backfill)
    if slot_or_none is None:
        return Later(f"Waits for one of {intake.slots.count} download slots.")
    with slot_or_none as slot:
        today, reserved = clock().date(), message.size or UNKNOWN_SIZE
        most = intake.limits.backfill_bytes if message.backfill else intake.limits.most_bytes
        if 0 < most < message.size:
            raise BadSetting(
                f"{message.product} has {message.size} bytes; the byte budget of {WINDOW.days} days is {most}, so it "
                "would wait for ever."
            )
        if (used := reserve(intake.tally, reserved, most=most, today=today)) is not None:
            return Later(_budget_words(reserved, used, most, message.backfill), _BUDGET_PAUSE)
        checks = Checks(
            message,
            entry=lambda: _entry(catalogue, message.id),
            alive=_alive(message, slot, clock, intake.limits.time_limit),
            resolution=resolution,
        )
        with _settled(intake.tally, reserved, today, checks):
            return _streamed(message, into, catalogue, store, checks)


def _streamed(
    message: ProductMessage, into: BlobPath, catalogue: Catalogue, store: ObjectStore, checks: Checks
) -> Fetched | Later | Unavailable:
    with ExitStack() as opened:
        try:
            download = opened.enter_context(catalogue.download(message.id))
        except IceWatchError as error:  # only what opening raises: a NotFound of the store is another matter
            rule = rule_of(error, refusals=message.refusals)
            if rule is Rule.LATER:
                asked = error.seconds if isinstance(error, ProviderLimits) else 0.0
                return Later(f"Waits: {error}", asked, is_providers=True)
            if rule in {Rule.OFFLINE, Rule.SEARCH_AGAIN}:
                return _unavailable(message, catalogue, error)
            raise
        size = store.stream(into, checks.passed(download), content_type="application/zip")
    return Fetched(size, checks.made)


def _unavailable(message: ProductMessage, catalogue: Catalogue, error: IceWatchError) -> Unavailable:
    """Whether a product that was not found is gone or only in the archive: some providers answer 404 to both."""
    if isinstance(error, Offline):
        return Unavailable(Rule.OFFLINE, str(error))
    entry = _entry(catalogue, message.id)
    if entry is None:
        return Unavailable(Rule.SEARCH_AGAIN, f"{error} Its month is searched again.")
    if not entry.online:
        return Unavailable(Rule.OFFLINE, f"{entry.name} is in the provider's archive.")
    raise ProviderUnavailable(f"{error} But the catalogue still lists it as online.") from error


def _entry(catalogue: Catalogue, product_id: str) -> Product | None:
    if not isinstance(catalogue, Entries):
        return None
    try:
        return catalogue.entry(product_id)
    except NotFound:
        return None


def _alive(message: ProductMessage, slot: Slot, clock: Clock, limit: float) -> Callable[[int], None]:
    """Ends a download that lost its slot, or is too slow to end before the host ends the function."""
    began: datetime = clock()

    def check(arrived: int) -> None:
        slot.check()
        if (clock() - began).total_seconds() > limit:
            raise ProviderUnavailable(
                f"The download of {message.product} is too slow: {arrived} of {message.size or 'an unknown number of'} "
                f"bytes in {limit:g} s."
            )

    return check


@contextmanager
def _settled(tally: Tally, reserved: int, today: date, checks: Checks) -> Iterator[None]:
    """Put the budget right at the end, however it ends. A budget that cannot be written fails no product."""
    try:
        yield
    finally:
        try:
            settle(tally, reserved=reserved, arrived=checks.arrived, day=today)
        except TransientError as error:
            _log.warning("stage: the byte budget keeps %d bytes for %d: %s", reserved, checks.arrived, error)


def _budget_words(needed: int, used: int, most: int, backfill: bool) -> str:
    who = "Backfill waits" if backfill else "Waits"
    return (
        f"{who} for the byte budget: {needed} more are needed, {used} of {most} bytes of {WINDOW.days} days are used."
    )
