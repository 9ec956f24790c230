"""Leases on small blobs: the right to do something, which ends by itself when its holder dies.

A lease ends 60 s after its last renewal, so that a killed holder gives its right back. A thread renews it while it
is held; a holder whose renewals fail is told by ``check`` before anybody else can have the lease.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobLeaseClient, BlobServiceClient

from shared.adapters.account import error_code, storage_errors
from shared.errors import StorageUnavailable
from shared.models import ProductName

_log = logging.getLogger("icewatch")
LOCKS = "locks"
_MARGIN = 5.0  # seconds before its end at which a lease counts as lost
_LOOK = 1.0  # seconds between two looks at a lock that another has
_TRIES = 3  # a blob that goes with its lease may vanish between two requests
_TAKEN = {"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"}


@dataclass(frozen=True, slots=True)
class Leases:
    """Leases in one container of one account; the container and the blobs are made when they are first needed."""

    service: BlobServiceClient
    container: str = LOCKS
    lasts: int = 60  # seconds; Azure allows 15 to 60
    renew: float = 15.0  # seconds between renewals: three may fail before the lease ends
    clock: Callable[[], float] = time.monotonic  # counts seconds

    def take(self, blob: str, what: str, *, passing: bool = False) -> Held | None:
        """A lease on ``blob``, which ``what`` names in errors; None where somebody holds it.

        The blob stays for the next holder, unless it is ``passing``: then it goes when the lease is given back.
        """
        asked = self.clock()
        client = self.service.get_blob_client(self.container, blob)
        with storage_errors(f"{self.container}/{blob}"):
            lease = self._acquired(client)
        return None if lease is None else Held(client, lease, what, asked, self, passing=passing)

    def _acquired(self, client: BlobClient) -> BlobLeaseClient | None:
        for left in reversed(range(_TRIES)):
            try:
                return _acquire(client, self.lasts)
            except ResourceNotFoundError as cause:
                if left:  # who makes the blob asks for it, too: one that nobody asks for would stay for ever
                    self._make(client, cause)
        return None  # made and taken away by others each time

    def _make(self, client: BlobClient, cause: ResourceNotFoundError) -> None:
        if error_code(cause) == "ContainerNotFound":
            with suppress(ResourceExistsError):  # another instance made it just now
                self.service.create_container(self.container)
        with suppress(ResourceExistsError):
            client.upload_blob(b"", overwrite=False)


class Held:
    """A lease that was acquired. As a context manager it is renewed until the block ends, then given back."""

    def __init__(
        self, client: BlobClient, lease: BlobLeaseClient, what: str, asked: float, leases: Leases, *, passing: bool
    ) -> None:
        """``asked``: when the lease was asked for, on the clock of ``leases``; it counts from there."""
        self._client, self._lease, self._what, self._leases = client, lease, what, leases
        self._passing = passing
        self._until = asked + leases.lasts - _MARGIN
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"lease of {what}", daemon=True)

    def check(self) -> None:
        """Raise StorageUnavailable where the lease was lost: someone else may hold it by now."""
        if self._leases.clock() > self._until:
            raise StorageUnavailable(f"{self._what} was lost: its lease could not be renewed.")

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._give_back()
        self._keeper.join()

    def _give_back(self) -> None:
        """Give the lease back; where that fails, it ends by itself."""
        try:
            if self._passing:
                self._client.delete_blob(lease=self._lease)
            else:
                self._lease.release()
        except AzureError as error:
            _log.warning("%s ends by itself: %s", self._what, type(error).__name__)

    def _keep(self) -> None:
        while not self._over.wait(self._leases.renew):
            asked = self._leases.clock()
            try:
                self._lease.renew()
            except HttpResponseError as error:
                _log.warning("%s is not renewed: %s", self._what, error_code(error))
                if error.status_code in {404, 409, 412}:  # the lease is another's, or the blob is gone
                    self._until = asked
                    return
            except AzureError as error:
                _log.warning("%s is not renewed: %s", self._what, type(error).__name__)
            else:
                self._until = asked + self._leases.lasts - _MARGIN


class ProductLocks:
    """At most one run of ``step`` at a time on one product: a lease on ``locks/<step>-<product>``.

    The blob goes with its lease.
    """

    def __init__(self, leases: Leases, step: str = "correct") -> None:
        self._leases, self._step = leases, step

    def close(self) -> None:
        """Give the connections back."""
        self._leases.service.close()

    def take(self, product: ProductName | str, *, patience: float = 0.0) -> Held | None:
        """The lock of ``product``, or of an orthomosaic's name, held until the context is left.

        None where another worker has it, and keeps it for ``patience`` seconds: with as many as a lease lasts, the
        lock of a dead worker is got.
        """
        until = time.monotonic() + patience
        while (held := self._leases.take(f"{self._step}-{product}", f"The lock of {product}", passing=True)) is None:
            if time.monotonic() >= until:
                return None
            time.sleep(_LOOK)
        return held


def _acquire(client: BlobClient, seconds: int) -> BlobLeaseClient | None:
    try:
        return client.acquire_lease(lease_duration=seconds)
    except HttpResponseError as error:
        if error_code(error) in _TAKEN:
            return None
        raise
