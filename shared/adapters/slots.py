"""Download slots: at most so many at a time over all instances, by leases on blobs ``locks/download-slot-<i>``.

A lease ends by itself 60 s after its last renewal, so that a killed holder gives its slot back. A thread renews it
while the slot is held; a holder whose renewals fail is told by ``check`` before anybody else can have the slot.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient

from shared.adapters.account import error_code, storage_errors
from shared.errors import StorageUnavailable

_log = logging.getLogger("icewatch")
LOCKS = "locks"
_LEASE = 60  # seconds; Azure allows 15 to 60
_RENEW = 15.0  # seconds between renewals: three may fail before the lease ends
_MARGIN = 5.0  # seconds before its end at which a lease counts as lost
_TAKEN = {"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"}


class BlobSlots:
    """Slots of one storage account; makes the container and the blobs when they are first needed."""

    def __init__(
        self,
        service: BlobServiceClient,
        count: int,
        *,
        container: str = LOCKS,
        lease: int = _LEASE,
        renew: float = _RENEW,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``lease`` and ``renew`` in seconds; ``clock`` counts seconds."""
        self._service, self._count, self._container = service, count, container
        self._lease, self._renew, self._clock = lease, renew, clock

    def close(self) -> None:
        """Give the connections back."""
        self._service.close()

    @property
    def count(self) -> int:
        """How many slots there are."""
        return self._count

    def take(self, *, backfill: bool) -> AbstractContextManager[HeldSlot] | None:
        """A free slot, held until the context is left; None where there is none.

        Slot 0 is never given to ``backfill`` where there are others; new acquisitions take it last, so that the next
        one finds it free.
        """
        least = 1 if backfill and self._count > 1 else 0
        for number in reversed(range(least, self._count)):
            asked = self._clock()
            client = self._service.get_blob_client(self._container, f"download-slot-{number}")
            with storage_errors(f"download slot {number}"):
                lease = self._acquired(client)
            if lease is not None:
                return _held(HeldSlot(number, lease, lasts=self._lease - _MARGIN, since=asked, clock=self._clock), self)
        return None

    @property
    def renewal(self) -> float:
        """Seconds between two renewals."""
        return self._renew

    def _acquired(self, client: BlobClient) -> BlobLeaseClient | None:
        """A lease on the slot's blob, which is made where it is missing; None where somebody holds it."""
        try:
            return _acquire(client, self._lease)
        except ResourceNotFoundError as cause:
            if error_code(cause) == "ContainerNotFound":
                with suppress(ResourceExistsError):  # another instance made it just now
                    self._service.create_container(self._container)
            with suppress(ResourceExistsError):
                client.upload_blob(b"", overwrite=False)
            return _acquire(client, self._lease)


class HeldSlot:
    """A slot held by a lease."""

    def __init__(
        self, number: int, lease: BlobLeaseClient, *, lasts: float, since: float, clock: Callable[[], float]
    ) -> None:
        """The lease was asked for at ``since`` on ``clock`` and is good for ``lasts`` seconds."""
        self.number = number
        self._lease, self._lasts, self._clock = lease, lasts, clock
        self._until = since + lasts
        self._over = threading.Event()

    def check(self) -> None:
        """Raise StorageUnavailable where the slot was lost: someone else may hold it by now."""
        if self._clock() > self._until:
            raise StorageUnavailable(f"Download slot {self.number} was lost: its lease could not be renewed.")

    def keep(self, every: float) -> None:
        """Renew the lease every so many seconds until ``release``; for a thread of its own."""
        while not self._over.wait(every):
            asked = self._clock()
            try:
                self._lease.renew()
            except HttpResponseError as error:
                _log.warning("Download slot %d is not renewed: %s", self.number, error_code(error))
                if error.status_code in {404, 409, 412}:  # the lease is another's, or the blob is gone
                    self._until = asked
                    return
            except AzureError as error:
                _log.warning("Download slot %d is not renewed: %s", self.number, type(error).__name__)
            else:
                self._until = asked + self._lasts

    def release(self) -> None:
        """Give the slot back; where that fails, its lease ends by itself."""
        self._over.set()
        try:
            self._lease.release()
        except AzureError as error:
            _log.warning("Download slot %d ends by itself: %s", self.number, type(error).__name__)


@contextmanager
def _held(slot: HeldSlot, slots: BlobSlots) -> Iterator[HeldSlot]:
    keeper = threading.Thread(target=slot.keep, args=(slots.renewal,), name=f"slot {slot.number}", daemon=True)
    keeper.start()
    try:
        yield slot
    finally:
        slot.release()
        keeper.join()


def _acquire(client: BlobClient, seconds: int) -> BlobLeaseClient | None:
    try:
        return client.acquire_lease(lease_duration=seconds)
    except HttpResponseError as error:
        if error_code(error) in _TAKEN:
            return None
        raise
