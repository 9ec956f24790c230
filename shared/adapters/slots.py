"""Download slots: at most so many at a time over all instances, by leases on blobs ``locks/download-slot-<i>``.

A holder whose lease could not be renewed is told by ``check`` before anybody else can have the slot.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from azure.storage.blob import BlobServiceClient

from shared.adapters.leases import LOCKS, Held, Leases


class BlobSlots:
    """Slots of one storage account; makes the container and the blobs when they are first needed."""

    def __init__(
        self,
        service: BlobServiceClient,
        count: int,
        *,
        container: str = LOCKS,
        lease: int = 60,
        renew: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``lease`` and ``renew`` in seconds; ``clock`` counts seconds."""
        self._service, self._count = service, count
        self._leases = Leases(service, container, lease, renew, clock)

    def close(self) -> None:
        """Give the connections back."""
        self._service.close()

    @property
    def count(self) -> int:
        """How many slots there are."""
        return self._count

    def take(self, *, backfill: bool) -> Held | None:
        """A free slot, held until the context is left; None where there is none.

        Slot 0 is never given to ``backfill`` where there are others; new acquisitions take it last, so that the next
        one finds it free.
        """
        least = 1 if backfill and self._count > 1 else 0
        for number in reversed(range(least, self._count)):
            if (held := self._leases.take(f"download-slot-{number}", f"Download slot {number}")) is not None:
                return held
        return None
