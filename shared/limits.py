"""What all instances of the app share a limit of: rights that one at a time has, and the bytes of a day.

Small Protocols as in `shared.ports`. Every method may raise TransientError when the storage behind it is busy or
unreachable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date
from typing import Protocol


class Slot(Protocol):
    """A right, such as that to one connection to the provider, held while its context is open."""

    def check(self) -> None:
        """Raise StorageUnavailable where it was lost: someone else may hold it by now."""
        ...


class Slots(Protocol):
    """At most so many downloads at a time, over all instances of the app."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    def take(self, *, backfill: bool) -> AbstractContextManager[Slot] | None:
        """A free slot, held until the context is left; None where there is none.

        Where there are several, one is never given to ``backfill``, so that new acquisitions find it free.
        """
        ...


class Locks(Protocol):
    """The right to be alone at work on something, by name, over all instances of the app."""

    def take(self, name: str, /, *, patience: float = 0.0) -> AbstractContextManager[Slot] | None:
        """The lock, held until the context is left; None where another has it and keeps it for ``patience`` s."""
        ...


class Tally(Protocol):
    """Bytes per day (UTC), counted by all instances of the app together."""

    def update(self, change: Callable[[Mapping[date, int]], Mapping[date, int]]) -> None:
        """Replace the tally by ``change(tally)`` atomically, again with the newest where a writer was faster.

        ``change`` must be pure: it may be called more than once. If it raises, nothing changes and the error passes.
        """
        ...
