"""Blob triggers by scanning, with receipts: each version of a blob calls a function once, also across restarts.

As in the Functions host, a scan finds blobs whose ETag has no receipt, puts a message into the host's own
queue and writes the receipt; the message then calls the function, so that tries, their count and the poison
queue are those of queues. Azurite has no Event Grid, hence functions with ``source=EventGrid`` are served the
same way. In Azure the Event Grid subscription filters by the end of the name; here ``Watched.suffix`` does.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import azure.functions as func
from azure.functions.blob import InputStream
from azurefunctions.extensions.base import (
    Datum,
    SdkType,
    get_binding_registry,
)

from local.bindings import BlobTrigger, Registered
from local.connections import Connections, encode
from local.host_config import Encoding
from local.invocation import Activity, Invoker, log
from local.receipts import Receipts
from shared.adapters.timers import HOSTS
from shared.errors import BadMessage, BadSetting
from shared.models import shown

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobProperties
    from azure.storage.queue import QueueClient

POISON_QUEUE = "webjobs-blobtrigger-poison"
_SHARE = 5  # a scan may take at most one part in so many of the time
_EXACT_SHARE = 20  # the same for scans that ask for every blob's ETag, which cost eight times those of names only


class LazyInputStream(InputStream):
    """A blob as the trigger gives it; its body is downloaded only if somebody reads it."""

    def __init__(self, blob: BlobClient, properties: BlobProperties) -> None:
        super().__init__(
            data=b"",
            name=f"{properties.container}/{properties.name}",
            uri=blob.url,
            length=properties.size,
            blob_properties={"ContentLength": properties.size, "ETag": properties.etag},
            metadata=dict(properties.metadata or {}),
        )
        self._blob: BlobClient | None = blob

    def read(self, size: int | None = -1) -> bytes:
        """Read up to ``size`` bytes, all where it is negative or None."""
        if self._blob is not None:
            self._io, self._blob = io.BytesIO(self._blob.download_blob().readall()), None
        return self._io.read(size)

    read1 = read


@dataclass(frozen=True, slots=True)
class Watched:
    """One function and the blobs that call it."""

    function: Registered
    trigger: BlobTrigger
    suffix: str  # only names with this end, as an Event Grid subscription filters; empty: all

    def __post_init__(self) -> None:
        if self.function.takes not in {None, func.InputStream} and not self.takes_reference:
            raise BadSetting(
                f"Function {self.function.name} takes a blob as {shown(self.function.takes)}; "
                "expected func.InputStream or an SDK type."
            )

    @property
    def takes_reference(self) -> bool:
        """True where the function takes one of the SDK types, which get a reference to the blob, not its body."""
        return isinstance(self.function.takes, type) and issubclass(self.function.takes, SdkType)

    def wants(self, name: str) -> bool:
        """True where a blob of this name calls the function."""
        return name.endswith(self.suffix) and self.trigger.pattern.fullmatch(name) is not None


class BlobScanner:
    """Looks for new blobs of all watched functions and puts one message for each into ``queue``."""

    def __init__(
        self,
        watched: tuple[Watched, ...],
        queue: QueueClient,
        connections: Connections,
        *,
        storage: str,
        host_id: str,
        encoding: Encoding,
        interval: float,
        activity: Activity,
    ) -> None:
        """``storage`` names the connection that keeps the receipts; ``interval`` is the seconds between scans."""
        self._queue, self._connections, self._encoding = queue, connections, encoding
        self._interval, self._activity = interval, activity
        state = connections.container(storage, HOSTS)
        self._watched = [(entry, Receipts(state, host_id, entry.function)) for entry in watched]
        self._scanning = threading.Lock()
        self._took = 0.0  # seconds of the last scan
        self._bell, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="blob scan", daemon=True)

    def start(self) -> None:
        """Begin to scan."""
        self._activity.on_ring(self._bell.set)
        self._thread.start()

    def stop(self) -> None:
        """Scan no more."""
        self._stopping.set()
        self._bell.set()

    def join(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for a scan under way."""
        self._thread.join(max(0.1, deadline - time.monotonic()))

    def scan(self, *, exact: bool = True) -> int:
        """Look once; return how many new blobs were found and put into the queue. Raises AzureError.

        Where not ``exact``, replaced blobs of functions that a name's end filters are left for the next exact scan.
        """
        with self._scanning:
            began = time.monotonic()
            try:
                return sum(self._scan(entry, receipts, exact=exact) for entry, receipts in self._watched)
            finally:
                self._took = time.monotonic() - began

    def _scan(self, entry: Watched, receipts: Receipts, *, exact: bool) -> int:
        found = 0
        for blob in self._candidates(entry, receipts, exact=exact or not entry.suffix):
            version = (entry.trigger.container, blob.name, _bare(blob.etag))
            if self._stopping.is_set():
                break
            if version not in receipts:
                # Message first: killed in between, the blob comes twice, which every step bears; never not at all.
                self._queue.send_message(encode(_message(entry.function, blob, version), self._encoding))
                receipts.add(version)
                found += 1
        return found

    def _candidates(self, entry: Watched, receipts: Receipts, *, exact: bool) -> Iterator[BlobProperties]:
        """Blobs that the function wants: all of them, or only those of which no version is known."""
        from azure.core.exceptions import ResourceNotFoundError

        trigger = entry.trigger
        container = self._connections.container(trigger.connection, trigger.container)
        if exact:
            blobs = container.list_blobs(name_starts_with=trigger.prefix or None, results_per_page=5000)
            yield from (blob for blob in blobs if entry.wants(blob.name))
            return
        for name in container.list_blob_names(name_starts_with=trigger.prefix or None, results_per_page=5000):
            if entry.wants(name) and not receipts.knows(trigger.container, name):
                with suppress(ResourceNotFoundError):  # deleted since it was listed
                    yield container.get_blob_client(name).get_blob_properties()

    def _loop(self) -> None:
        from azure.core.exceptions import AzureError

        exact_from = 0.0
        while not self._stopping.is_set():
            found, exact = 0, time.monotonic() >= exact_from
            try:
                found = self.scan(exact=exact)
            except AzureError as error:
                log.warning("Blobs cannot be listed: %s", shown(error))
            if exact:
                exact_from = time.monotonic() + _EXACT_SHARE * self._took
            if found:
                self._activity.ring()
            self._stopping.wait(max(0.05, self._took if exact else (_SHARE - 1) * self._took))
            self._bell.wait(self._interval)
            self._bell.clear()


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')  # storage states ETags with quotation marks in some places only


def _message(function: Registered, blob: BlobProperties, version: tuple[str, str, str]) -> str:
    container, name, etag = version
    return json.dumps(
        {
            "Type": "BlobTrigger",
            "FunctionId": function.id,
            "BlobType": str(getattr(blob.blob_type, "value", blob.blob_type)),
            "ContainerName": container,
            "BlobName": name,
            "ETag": f'"{etag}"',
        }
    )


@dataclass(frozen=True, slots=True)
class _ModelBindingData:
    """What the real host sends for SDK types: where the blob is, as JSON."""

    content: bytes
    version: str = "1.0"
    source: str = "AzureStorageBlobs"
    content_type: str = "application/json"


def _reference(entry: Watched, name: str) -> Any:
    where = {
        "Connection": entry.trigger.connection,
        "ContainerName": entry.trigger.container,
        "BlobName": name,
    }
    datum = Datum(_ModelBindingData(json.dumps(where).encode()), "model_binding_data")
    converter = get_binding_registry().get("blobTrigger")
    return converter.decode(datum, trigger_metadata={}, pytype=entry.function.takes)


class BlobCaller:
    """Calls the function that a message of the host's blob queue names."""

    def __init__(self, watched: tuple[Watched, ...], connections: Connections, invoker: Invoker) -> None:
        self._watched = {entry.function.id: entry for entry in watched}
        self._connections, self._invoker = connections, invoker

    def __call__(self, body: str, _message: Any) -> None:
        """Run the function; return quietly where the blob is gone or has been replaced, which is its own event."""
        from azure.core.exceptions import ResourceNotFoundError

        entry, name, etag = self._parse(body)
        container = self._connections.container(entry.trigger.connection, entry.trigger.container)
        blob = container.get_blob_client(name)
        try:
            properties = blob.get_blob_properties()
        except ResourceNotFoundError:
            log.info("%s: %s/%s is gone meanwhile", entry.function.name, blob.container_name, shown(name))
            return
        if _bare(properties.etag) != etag:
            log.info("%s: %s/%s has been replaced meanwhile", entry.function.name, blob.container_name, shown(name))
            return
        value = _reference(entry, name) if entry.takes_reference else LazyInputStream(blob, properties)
        self._invoker.run(entry.function, value, f"blob {blob.container_name}/{shown(name)}")

    def _parse(self, body: str) -> tuple[Watched, str, str]:
        try:
            fields: Mapping[str, str] = json.loads(body)
            return self._watched[fields["FunctionId"]], fields["BlobName"], _bare(fields["ETag"])
        except (ValueError, KeyError, TypeError) as cause:
            log.error("A message of the host's blob queue names no function of this app: %s", shown(body))
            raise BadMessage(f"'{shown(body)}' names no blob and function of this app.") from cause
