"""stage, the rules: what each kind of trouble means for a product. In words: docs/intake.md.

The adapters turn what a provider answers into one of these errors; this table says what becomes of the product.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from hashlib import blake2s

from shared.errors import IceWatchError, NotFound, Offline, PermanentError, ProviderLimits, TransientError
from shared.models import ProductName

MOST_REFUSALS = 200  # for the provider's limits; with the longest pause about two days
_LONGEST_PAUSE = 900.0  # seconds, where nobody says how long to wait
MOST_PAUSE = 12 * 3600.0  # seconds, whoever asks for more: watch takes a message for lost after a day without a sign


class Rule(StrEnum):
    """What becomes of a product."""

    LATER = "put back to wait; no try is counted"
    OFFLINE = "OFFLINE; brought back where the provider can be asked, and its month is looked at every day"
    SEARCH_AGAIN = "FAILED; its month is searched again at once, as a newer product may have replaced it"
    TRY_AGAIN = "raised; the queue delivers again after two minutes, five times in all, then FAILED"
    FAIL = "FAILED at once"


# The first that fits counts.
RULES: Mapping[type[IceWatchError], Rule] = {
    ProviderLimits: Rule.LATER,
    Offline: Rule.OFFLINE,
    NotFound: Rule.SEARCH_AGAIN,
    TransientError: Rule.TRY_AGAIN,
    PermanentError: Rule.FAIL,
}


def rule_of(error: IceWatchError, *, refusals: int = 0) -> Rule:
    """The rule for ``error`` of the provider; whom it put off ``refusals`` times already does not wait for ever."""
    rule = next(rule for kind, rule in RULES.items() if isinstance(error, kind))
    return Rule.TRY_AGAIN if rule is Rule.LATER and refusals >= MOST_REFUSALS else rule


def pause(name: ProductName, *, waits: int, first: float, at_least: float = 0.0) -> int:
    """Seconds to wait the ``waits``-th time: longer each time, and no two products quite the same.

    ``first`` is the first pause, ``at_least`` what the provider asks for.
    """
    usual = min(first * 2 ** min(waits, 10), max(first, _LONGEST_PAUSE))
    spread = blake2s(f"{name} {waits}".encode(), digest_size=1).digest()[0] / 256
    return int(min(max(usual, at_least) + spread * usual / 2, MOST_PAUSE)) + 1
