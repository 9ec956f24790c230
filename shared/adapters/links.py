"""Shared access signatures: addresses of single blobs that work for a short time without any key.

With a managed identity they are signed with a user delegation key, which Azure gives to who may read the blobs; with
a connection string, with the account's key.
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

from azure.storage.blob import BlobSasPermissions, BlobServiceClient, UserDelegationKey, generate_blob_sas

from shared.adapters.account import making_container, storage_errors
from shared.models import BlobPath
from shared.ports import Clock

_CLOCKS_DIFFER = timedelta(minutes=15)
_DELEGATION = timedelta(hours=24)  # how long a user delegation key is used; Azure allows seven days


class AzureLinks:
    """Links on one storage account."""

    def __init__(self, service: BlobServiceClient, clock: Clock) -> None:
        self._service, self._clock = service, clock
        self._lock = threading.Lock()
        self._delegated: tuple[UserDelegationKey, datetime] | None = None  # the key, and until when

    def close(self) -> None:
        """Give the connections back."""
        self._service.close()

    def read(self, path: BlobPath, *, until: datetime) -> str:
        """An address from which the blob can be read until then."""
        return self._signed(path, BlobSasPermissions(read=True), until)

    def upload(self, path: BlobPath, *, until: datetime) -> str:
        """An address to which that one blob can be written until then; its container is there."""
        container = self._service.get_container_client(path.container)
        with storage_errors(f"container {path.container}"):
            making_container(self._service, path.container, container.get_container_properties)
        return self._signed(path, BlobSasPermissions(create=True, write=True), until)

    def _signed(self, path: BlobPath, permission: BlobSasPermissions, until: datetime) -> str:
        client = self._service.get_blob_client(path.container, path.name)
        text = generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=path.container,
            blob_name=path.name,
            permission=permission,
            start=self._clock() - _CLOCKS_DIFFER,
            expiry=until,
            **self._key(until),
        )
        return f"{client.url}?{text}"

    def _key(self, until: datetime) -> dict[str, Any]:
        key = getattr(self._service.credential, "account_key", None)
        if key:
            return {"account_key": key}
        with self._lock:
            if self._delegated is None or self._delegated[1] <= until:
                self._delegated = self._delegate(max(self._clock() + _DELEGATION, until + _CLOCKS_DIFFER))
            return {"user_delegation_key": self._delegated[0]}

    def _delegate(self, until: datetime) -> tuple[UserDelegationKey, datetime]:
        with storage_errors("key for signing links"):
            return self._service.get_user_delegation_key(self._clock() - _CLOCKS_DIFFER, until), until
