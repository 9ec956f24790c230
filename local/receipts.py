"""Receipts: which versions of blobs have been handed to a function, kept where the Functions host keeps its own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from local.bindings import Registered

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_MAX_NAME = 1024  # characters of a blob name


class Receipts:
    """Which versions of blobs have been handed to one function; kept in the host's container."""

    def __init__(self, container: ContainerClient, host_id: str, function: Registered) -> None:
        self._container = container
        self._prefix = f"blobreceipts/{host_id}/{function.id}/"
        self._known: set[str] = set()  # names of receipts
        self._blobs: set[str] = set()  # container/name of the blobs they are for
        self._loaded = False

    def __contains__(self, version: tuple[str, str, str]) -> bool:
        self._load()
        return self._name(*version) in self._known

    def knows(self, container: str, name: str) -> bool:
        """True where some version of the blob has been handed over."""
        self._load()
        return f"{container}/{name}" in self._blobs

    def add(self, version: tuple[str, str, str]) -> None:
        """Note that ``(container, name, etag)`` has been handed over."""
        name = self._name(*version)
        self._container.upload_blob(name, b"", overwrite=True)
        self._note(name)

    def _load(self) -> None:
        if not self._loaded:
            for name in self._container.list_blob_names(name_starts_with=self._prefix):
                self._note(name)
            self._loaded = True

    def _note(self, name: str) -> None:
        self._known.add(name)
        self._blobs.add(name.removeprefix(self._prefix).partition("/")[2])  # without the ETag

    def _name(self, container: str, name: str, etag: str) -> str:
        receipt = f"{self._prefix}{etag}/{container}/{name}"
        if len(receipt) <= _MAX_NAME:
            return receipt
        return f"{self._prefix}{etag}/{container}/{hashlib.sha256(name.encode()).hexdigest()}"
