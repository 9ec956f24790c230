"""Builds the listeners of an app's functions from host.json: who looks where, how often, how many at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter

from local.bindings import BlobTrigger, QueueTrigger, Registered, TimerTrigger
from local.blob_listener import POISON_QUEUE, BlobCaller, BlobScanner, Watched
from local.connections import Connections
from local.host_config import HostConfig
from local.invocation import Invoker
from local.queue_listener import POISON, QueueListener, Reading
from local.timers import StatusBlob, TimerListener
from shared.adapters.timers import HOSTS
from shared.settings import STORAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.storage.queue import QueueClient, QueueMessage

HOST_ID = "icewatch"  # names the host's own queue, receipts and timer states; one app, one id
_MOST_AT_ONCE = 32  # messages that storage gives in one request


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the host looks and how long it waits; seconds. Tests shorten it."""

    longest_pause: float = 2.0  # between looks into an empty queue; host.json may only shorten it
    scan: float = 1.0  # between two scans for new blobs
    workers: float = 1.0  # between two looks for the workers
    longest_delay: float = 86_400.0  # before a failed message is tried again; host.json may only shorten it
    invisibility: int = 600  # of a received message; the real host's figure
    grace: float = 10.0  # for what runs when the host stops


class Listener(Protocol):
    """What begins work when something happens."""

    def start(self) -> None:
        """Begin to look."""

    def stop(self) -> None:
        """Begin nothing new; what runs goes on."""

    def join(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for what runs, then let go of it."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners of ``functions``; building them raises BadSetting where a setting cannot be used."""

    functions: tuple[Registered, ...]
    config: HostConfig
    pace: Pace
    endings: Mapping[str, str]  # function name -> end of the blob names that call it
    connections: Connections
    invoker: Invoker

    def timers(self) -> list[TimerListener]:
        """One per timer function."""
        return [
            TimerListener(function, function.trigger, self.invoker, self._status_of(function))
            for function in self.functions
            if isinstance(function.trigger, TimerTrigger)
        ]

    def queues(self) -> list[QueueListener]:
        """One per queue function."""
        settings = self.config.extensions.queues
        reading = self._reading(settings.batch_size, settings.threshold, settings.max_dequeue_count)
        return [
            self._queue(function, function.trigger, reading)
            for function in self.functions
            if isinstance(function.trigger, QueueTrigger)
        ]

    def blobs(self) -> tuple[BlobScanner, QueueListener] | None:
        """What finds new blobs and what calls their functions; None where no function wants any."""
        watched = tuple(
            Watched(function, function.trigger, self.endings.get(function.name, ""))
            for function in self.functions
            if isinstance(function.trigger, BlobTrigger)
        )
        if not watched:
            return None
        queue = self.connections.queue(STORAGE, f"azure-webjobs-blobtrigger-{HOST_ID}")
        return self._scanner(watched, queue), self._blob_queue(watched, queue)

    def _status_of(self, function: Registered) -> StatusBlob:
        return StatusBlob(self.connections.container(STORAGE, HOSTS), HOST_ID, function)

    def _queue(self, function: Registered, trigger: QueueTrigger, reading: Reading) -> QueueListener:
        # As in the real host, a poison queue has no poison queue of its own.
        has_poison = not trigger.queue.endswith(POISON)
        return QueueListener(
            self.connections.queue(trigger.connection, trigger.queue),
            self.connections.queue(trigger.connection, trigger.queue + POISON) if has_poison else None,
            partial(_call_with_message, self.invoker, function),
            reading=reading,
            activity=self.invoker.activity,
        )

    def _scanner(self, watched: tuple[Watched, ...], queue: QueueClient) -> BlobScanner:
        return BlobScanner(
            watched,
            queue,
            self.connections,
            storage=STORAGE,
            host_id=HOST_ID,
            encoding=self.config.extensions.queues.message_encoding,
            interval=self.pace.scan,
            activity=self.invoker.activity,
        )

    def _blob_queue(self, watched: tuple[Watched, ...], queue: QueueClient) -> QueueListener:
        settings = self.config.extensions.blobs
        # Blobs wait for no delay after a failure: visibilityTimeout belongs to extensions.queues.
        reading = self._reading(settings.max_degree_of_parallelism, 0, settings.poison_blob_threshold, delay=0)
        return QueueListener(
            queue,
            self.connections.queue(STORAGE, POISON_QUEUE),
            BlobCaller(watched, self.connections, self.invoker),
            reading=reading,
            activity=self.invoker.activity,
        )

    def _reading(self, batch: int, threshold: int, tries: int, *, delay: float | None = None) -> Reading:
        queues = self.config.extensions.queues
        return Reading(
            batch_size=min(batch, _MOST_AT_ONCE),
            threshold=threshold,
            max_dequeue_count=tries,
            retry_delay=int(min(queues.visibility_timeout if delay is None else delay, self.pace.longest_delay)),
            encoding=queues.message_encoding,
            max_pause=min(queues.max_polling_interval, self.pace.longest_pause),
            invisibility=self.pace.invisibility,
            timeout=self.config.function_timeout,
        )


def _call_with_message(invoker: Invoker, function: Registered, body: str, message: QueueMessage) -> None:
    times = {
        "InsertionTime": message.inserted_on,
        "ExpirationTime": message.expires_on,
        "NextVisibleTime": message.next_visible_on,
    }
    metadata = {
        "Id": Datum(message.id, "string"),
        "PopReceipt": Datum(message.pop_receipt, "string"),
        "DequeueCount": Datum(message.dequeue_count, "int"),
        **{name: Datum(moment.isoformat(), "string") for name, moment in times.items() if moment is not None},
    }
    value = QueueMessageInConverter.decode(Datum(body, "string"), trigger_metadata=metadata)
    invoker.run(function, value, f"message {message.id}, try {message.dequeue_count}")
