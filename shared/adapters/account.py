"""One Azure storage account: its service clients, and what its errors mean here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.blob import ExponentialRetry as BlobRetry
from azure.storage.queue import ExponentialRetry as QueueRetry
from azure.storage.queue import QueueServiceClient

from shared.errors import BadSetting, NotFound, StorageUnavailable
from shared.models import shown
from shared.settings import STORAGE, Storage

# The emulator's account, key and ports, the same on every machine: no secret.
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite
_EMULATOR = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
_PATIENCE = {"connection_timeout": 10, "read_timeout": 60}  # seconds per try
_TRIES_AGAIN = 4
_WITH_KEY = re.compile(r"(AccountKey|SharedAccessSignature)=[^;]", re.IGNORECASE)
_NO_CONNECTION_STRING = (
    f"{STORAGE} is no connection string of a storage account; expected 'UseDevelopmentStorage=true' or "
    "'DefaultEndpointsProtocol=...;AccountName=...;AccountKey=...'."
)


def expanded(connection_string: str) -> str:
    """``UseDevelopmentStorage=true`` spelled out, which the Python SDK does not know; anything else as it is."""
    if re.fullmatch(r"\s*UseDevelopmentStorage\s*=\s*true\s*;?\s*", connection_string, re.IGNORECASE):
        return _EMULATOR
    return connection_string


class Account:
    """Makes the service clients of one storage account; they share the SDK's retry policy and its timeouts."""

    def __init__(self, storage: Storage, *, retries: int = _TRIES_AGAIN) -> None:
        """``retries``: how often the SDK tries again; waits are 1, 3, 5, 9 s."""
        self._storage = storage
        self._retries = retries

    def blobs(self) -> BlobServiceClient:
        """The blob service; raise BadSetting where the connection string or the address cannot be used."""
        policy = BlobRetry(initial_backoff=1, increment_base=2, retry_total=self._retries)
        client: BlobServiceClient = self._client(BlobServiceClient, self._storage.blob_uri, retry_policy=policy)
        return client

    def queues(self) -> QueueServiceClient:
        """The queue service; raise BadSetting as ``blobs`` does."""
        policy = QueueRetry(initial_backoff=1, increment_base=2, retry_total=self._retries)
        client: QueueServiceClient = self._client(QueueServiceClient, self._storage.queue_uri, retry_policy=policy)
        return client

    def tables(self) -> TableServiceClient:
        """The table service; raise BadSetting as ``blobs`` does."""
        client: TableServiceClient = self._client(
            TableServiceClient, self._storage.table_uri, retry_total=self._retries
        )
        return client

    def _client(self, kind: Any, uri: str, **options: Any) -> Any:
        options |= _PATIENCE
        if not self._storage.connection_string:
            return kind(uri, credential=self._credential(), **options)
        text = expanded(self._storage.connection_string)
        if not _WITH_KEY.search(text):  # the SDK would go on without one
            raise BadSetting(_NO_CONNECTION_STRING)
        try:
            return kind.from_connection_string(text, **options)
        except (ValueError, KeyError):
            # `from None`: the SDK's error may quote the string, and with it the key.
            raise BadSetting(_NO_CONNECTION_STRING) from None

    def _credential(self) -> Any:
        from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

        if self._storage.client_id:
            return ManagedIdentityCredential(client_id=self._storage.client_id)
        return DefaultAzureCredential()


@contextmanager
def storage_errors(thing: str) -> Iterator[None]:
    """Turn the SDK's errors about ``thing`` ("blob l1c/a", "queue products") into ours.

    What is missing is NotFound; everything else is StorageUnavailable, as the SDK has tried again already and
    the queue will once more, after a delay.
    """
    try:
        yield
    except ResourceNotFoundError as cause:
        raise NotFound(f"There is no {shown(thing, 300)}.") from cause
    except AzureError as cause:
        raise StorageUnavailable(
            f"Azure storage refused or failed at {shown(thing, 300)}: {_reason(cause)}."
        ) from cause


def _reason(error: AzureError) -> str:
    first_line = (str(error.message).splitlines() or [""])[0].rstrip(".")
    if isinstance(error, HttpResponseError) and error.status_code:
        code = getattr(error, "error_code", None) or error.reason
        return shown(f"{error.status_code} {getattr(code, 'value', code)}, {first_line}", 300)
    return shown(f"{type(error).__name__}, {first_line}", 300)


def making_container(service: BlobServiceClient, container: str, request: Callable[[], object]) -> None:
    """Run ``request``; where ``container`` is missing, make it and run it again."""
    try:
        request()
    except ResourceNotFoundError as cause:
        if error_code(cause) != "ContainerNotFound":
            raise
        with suppress(ResourceExistsError):  # another writer made it just now
            service.create_container(container)
        request()


def error_code(error: HttpResponseError) -> str:
    """Azure's name for what went wrong, such as ``ContainerNotFound``; "" where it says none."""
    code = getattr(error, "error_code", "") or ""
    return str(getattr(code, "value", code))
