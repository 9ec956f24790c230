"""Storage clients by the name of a connection setting, built once each and closed together."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from local.host_config import Encoding
from shared.errors import BadMessage, BadSetting, StorageUnavailable
from shared.models import shown

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, ContainerClient
    from azure.storage.queue import QueueClient, QueueServiceClient

_CONNECTIONS = 64  # kept open per service


class Connections:
    """Clients for the storage accounts that the settings name; safe to use from several threads."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._opened = ExitStack()
        self._services: dict[tuple[str, str], Any] = {}
        self._created: set[tuple[str, str, str]] = set()

    def queues(self, connection: str) -> QueueServiceClient:
        """The queue service of ``connection``; raise BadSetting where it is not configured."""
        from azure.storage.queue import ExponentialRetry, QueueServiceClient

        return self._service("queue", connection, QueueServiceClient, ExponentialRetry)  # type: ignore[no-any-return]

    def blobs(self, connection: str) -> BlobServiceClient:
        """The blob service of ``connection``; raise BadSetting where it is not configured."""
        from azure.storage.blob import BlobServiceClient, ExponentialRetry

        return self._service("blob", connection, BlobServiceClient, ExponentialRetry)  # type: ignore[no-any-return]

    def queue(self, connection: str, name: str) -> QueueClient:
        """The queue ``name``, created when missing."""
        client = self.queues(connection).get_queue_client(name)
        self._create(("queue", connection, name), client.create_queue)
        return client

    def container(self, connection: str, name: str) -> ContainerClient:
        """The blob container ``name``, created when missing."""
        client = self.blobs(connection).get_container_client(name)
        self._create(("blob", connection, name), client.create_container)
        return client

    def close(self) -> None:
        """Close all clients."""
        self._opened.close()

    def _create(self, key: tuple[str, str, str], create: Any) -> None:
        from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceExistsError

        with self._lock:
            if key in self._created:
                return
            try:
                with suppress(ResourceExistsError):
                    create()
            except ClientAuthenticationError as cause:
                raise BadSetting(f"The storage account refuses the credentials in {key[1]}.") from cause
            except AzureError as cause:
                raise StorageUnavailable(f"The storage account in {key[1]} does not answer: {shown(cause)}.") from cause
            self._created.add(key)

    def _service(self, kind: str, connection: str, service: Any, retry: Any) -> Any:
        with self._lock:
            if (kind, connection) not in self._services:
                # The storage SDK waits 15 s before its first retry, which suits a distant service only.
                options = {"retry_policy": retry(initial_backoff=0.5, increment_base=2, retry_total=4)}
                client = self._connect(kind, connection, service, options | {"transport": _transport()})
                self._services[kind, connection] = self._opened.enter_context(client)
            return self._services[kind, connection]

    def _connect(self, kind: str, connection: str, service: Any, options: dict[str, Any]) -> Any:
        for name in (connection, f"AzureWebJobs{connection}"):  # the real host looks for both
            if text := self._settings.get(name, ""):
                try:
                    return service.from_connection_string(text, **options)
                except ValueError as cause:
                    raise BadSetting(f"The app setting {name} is no connection string: {cause}.") from cause
            if uri := self._settings.get(f"{name}__{kind}ServiceUri", ""):
                from azure.identity import DefaultAzureCredential

                identity = self._settings.get(f"{name}__clientId") or None
                credential = self._opened.enter_context(DefaultAzureCredential(managed_identity_client_id=identity))
                return service(uri, credential=credential, **options)
        raise BadSetting(f"The connection {connection} is not configured: set it, or {connection}__{kind}ServiceUri.")


def _transport() -> Any:
    """An HTTP transport with a connection for each listener; the SDK's own keeps ten."""
    import requests
    from azure.core.pipeline.transport import RequestsTransport

    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return RequestsTransport(session=session)


def encode(body: str, encoding: Encoding) -> str:
    """``body`` as it is written into a queue."""
    return base64.b64encode(body.encode()).decode("ascii") if encoding is Encoding.BASE64 else body


def decode(content: str, encoding: Encoding) -> str:
    """The body of a message as it was read from a queue; raise BadMessage where it is no base64."""
    if encoding is Encoding.NONE:
        return content
    try:
        return base64.b64decode(content, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError) as cause:
        raise BadMessage("The message is no base64 text, which host.json (messageEncoding) asks for.") from cause
