"""What the answers of a provider of products mean, and how long its bytes are waited for; for all of them alike.

``RULES`` is the one table of HTTP statuses. A 401 comes here only after a fresh login was refused as well.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.errors import AccessDenied, IceWatchError, NotFound, ProviderLimits, ProviderUnavailable


class BeyondLimit(ProviderUnavailable):
    """The request reaches beyond the provider's paging limit; a narrower one may not."""


RULES: Mapping[int, tuple[type[IceWatchError], str]] = {
    401: (ProviderUnavailable, "it refuses the login, a fresh one too"),
    403: (AccessDenied, "the account lacks the permission, or its quota is used up"),
    404: (NotFound, "it is not there (any more): deleted, or replaced by a reprocessing"),
    410: (NotFound, "it is not there any more: deleted, or replaced by a reprocessing"),
    422: (BeyondLimit, "it cannot process the request, which may reach beyond its paging limit"),
    429: (ProviderLimits, "it limits the number of connections or requests"),
}
_SERVER_TROUBLE = (ProviderUnavailable, "it is in trouble itself, or under maintenance")
_ANY_OTHER = (ProviderUnavailable, "expected 200")
_LONGEST_PAUSE = 24 * 3600.0  # seconds; a provider that asks for more is asked again after this


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a provider's answer is waited for."""

    connect: float = 15.0  # seconds
    read: float = 60.0  # seconds without a single byte
    slowest: float = (
        100_000.0  # bytes per second, over each window; the throttled rate after the quota is ten times that
    )
    window: float = 60.0  # seconds of waiting for bytes; the reader's own time does not count


def failure(who: str, what: str, status: int, retry_after: str | None = None) -> IceWatchError:
    """The error for an answer that is no success.

    ``retry_after`` is that header's text; with it, an answer that may pass is one that asks for a pause.
    """
    kind, meaning = RULES.get(status, _SERVER_TROUBLE if status >= 500 else _ANY_OTHER)
    sentence = f"{who} answers {what} with {status}: {meaning}."
    seconds = pause(retry_after)
    if kind is ProviderLimits or (seconds and issubclass(kind, ProviderUnavailable)):
        return ProviderLimits(sentence, seconds=seconds)
    return kind(sentence)


def pause(text: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
    """Seconds that a Retry-After header asks for, given as a number or as a date; 0 where it says nothing that parses.

    Source: RFC 9110, 10.2.3.
    """
    if not text:
        return 0.0
    if re.fullmatch(r"[0-9]{1,9}", text.strip()):
        return min(float(text), _LONGEST_PAUSE)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if until.tzinfo is None:  # the header's zone "-0000"
        until = until.replace(tzinfo=UTC)
    return min(max((until - now()).total_seconds(), 0.0), _LONGEST_PAUSE)


def announced(text: str | None) -> int | None:
    """The length in bytes that a Content-Length header states, None where it states none."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


def received(
    chunks: Iterator[bytes],
    *,
    size: int | None,
    who: str,
    what: str,
    patience: Patience,
    broken: tuple[type[Exception], ...],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bytes]:
    """Pass ``chunks`` on; raise ProviderUnavailable where they break off, crawl, or are not ``size`` bytes.

    ``broken`` are the errors of the HTTP library that mean a broken connection; ``clock`` counts seconds.
    """
    total, expected = 0, "an unknown number of" if size is None else str(size)
    pace = _Pace(patience, clock)
    try:
        while (chunk := pace.next(chunks)) is not None:
            total += len(chunk)
            if pace.too_slow:
                raise ProviderUnavailable(
                    f"{who} sends {what} slower than {patience.slowest:g} bytes per second: "
                    f"{total} of {expected} bytes came."
                )
            yield chunk
    except broken as cause:
        raise ProviderUnavailable(
            f"{who} broke off {what} after {total} of {expected} bytes: {type(cause).__name__}."
        ) from cause
    if size is not None and total != size:
        raise ProviderUnavailable(f"{who} ended {what} after {total} of {size} bytes.")


class _Pace:
    """Measures how fast chunks come, in windows of waiting time."""

    def __init__(self, patience: Patience, clock: Callable[[], float]) -> None:
        self.too_slow = False
        self._patience = patience
        self._clock = clock
        self._waited = 0.0  # seconds in this window
        self._came = 0  # bytes in this window

    def next(self, chunks: Iterator[bytes]) -> bytes | None:
        asked = self._clock()
        chunk = next(chunks, None)
        self._waited += self._clock() - asked
        self._came += len(chunk or b"")
        if self._waited >= self._patience.window:
            self.too_slow = self._came < self._patience.slowest * self._waited
            self._waited, self._came = 0.0, 0
        return chunk
