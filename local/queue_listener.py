"""One queue, read as the Functions host reads it: batches, visibility renewal, dequeue counts, poison queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.connections import decode
from local.host_config import Encoding
from local.invocation import Activity, log
from shared.errors import BadMessage
from shared.models import shown

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueMessage

POISON = "-poison"
_FIRST_PAUSE = 0.1  # seconds; doubles while the queue stays empty


@dataclass(frozen=True, slots=True)
class Reading:
    """How a queue is read; times in seconds."""

    batch_size: int  # messages fetched at once
    threshold: int  # fetch again when at most so many run
    max_dequeue_count: int  # deliveries before the poison queue
    retry_delay: int  # pause before a failed message is delivered again
    encoding: Encoding
    max_pause: float  # longest pause between looks into an empty queue
    invisibility: int  # how long a received message stays invisible; renewed at half time
    timeout: float | None  # longest run of a function; renewal ends there


class Held:
    """A received message that stays invisible to others while we hold it."""

    def __init__(self, queue: QueueClient, message: QueueMessage, reading: Reading) -> None:
        self._queue, self._reading = queue, reading
        self.message = message
        self.receipt = message.pop_receipt or ""  # every renewal gives a new one; only the newest is valid
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._deadline = None if reading.timeout is None else time.monotonic() + reading.timeout
        self.released = False
        self._thread = threading.Thread(target=self._renew, name=f"renew {queue.queue_name}", daemon=True)
        self._thread.start()

    def settle(self) -> bool:
        """End the renewal; True where the message is still ours to delete or to give back."""
        self._done.set()
        with self._lock:
            return not self.released

    def hide(self, seconds: int) -> None:
        """Make the message visible to others in ``seconds``; raise AzureError where it is ours no longer."""
        self._done.set()
        with self._lock:
            self._update(seconds)
            self.released = True

    def _update(self, seconds: int) -> None:
        updated = self._queue.update_message(self.message.id, self.receipt, visibility_timeout=seconds)
        self.receipt = updated.pop_receipt or self.receipt

    def _renew(self) -> None:
        from azure.core.exceptions import AzureError

        while not self._done.wait(self._reading.invisibility / 2):
            if self._deadline is not None and time.monotonic() > self._deadline:
                log.error("A function on queue %s ran into functionTimeout; its message will come again.", self._name)
                return
            with self._lock:
                if self._done.is_set():
                    return
                try:
                    self._update(self._reading.invisibility)
                except AzureError as error:
                    log.warning("A message of queue %s could not be renewed: %s", self._name, shown(error))

    @property
    def _name(self) -> str:
        return self._queue.queue_name


class QueueListener:
    """Polls one queue and hands each message, decoded, to ``process``; a raise there means: try again."""

    def __init__(
        self,
        queue: QueueClient,
        poison: QueueClient | None,
        process: Callable[[str, QueueMessage], Any],
        *,
        reading: Reading,
        activity: Activity,
    ) -> None:
        """``poison`` is None for poison queues themselves: a message that fails there stays invisible for a while."""
        self.queue, self._poison, self._process = queue, poison, process
        self._reading, self._activity = reading, activity
        self._change = threading.Condition()
        self._held: dict[str, Held] = {}
        self._running = 0
        self._rung = self._stopping = False
        self._thread = threading.Thread(target=self._poll, name=f"queue {queue.queue_name}", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._activity.on_ring(self.wake)
        self._thread.start()

    def wake(self) -> None:
        """Look into the queue now."""
        with self._change:
            self._rung = True
            self._change.notify_all()

    def stop(self) -> None:
        """Fetch no more messages; what runs goes on."""
        with self._change:
            self._stopping = True
            self._change.notify_all()

    def join(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for what runs, then give its messages back to the queue."""
        from azure.core.exceptions import AzureError

        self._thread.join(max(0.1, deadline - time.monotonic()))
        with self._change:
            self._change.wait_for(lambda: self._running == 0, max(0.0, deadline - time.monotonic()))
            left = list(self._held.values())
        for held in left:
            try:
                held.hide(0)
            except AzureError as error:
                log.warning("A message of queue %s comes again later only: %s", self.queue.queue_name, shown(error))
            else:
                log.warning("A function on queue %s did not end in time; its message is back.", self.queue.queue_name)

    def waiting(self) -> int:
        """How many messages the queue holds, invisible ones included."""
        return self.queue.get_queue_properties().approximate_message_count or 0

    def _poll(self) -> None:
        pause = _FIRST_PAUSE
        while self._room():
            messages = self._receive()
            pause = _FIRST_PAUSE if messages else min(2 * pause, self._reading.max_pause)
            for message in messages:
                if self._stopping:
                    self._return(message)
                else:
                    self._dispatch(message)
            if not messages:
                self._sleep(pause)

    def _room(self) -> bool:
        with self._change:
            self._change.wait_for(lambda: self._stopping or self._running <= self._reading.threshold)
            return not self._stopping

    def _sleep(self, seconds: float) -> None:
        with self._change:
            self._change.wait_for(lambda: self._rung or self._stopping, seconds)
            self._rung = False

    def _receive(self) -> list[QueueMessage]:
        from azure.core.exceptions import AzureError, ResourceNotFoundError

        size, hidden = self._reading.batch_size, self._reading.invisibility
        try:
            # One page is one request; iterating over the messages would ask until the queue is empty.
            pages = self.queue.receive_messages(messages_per_page=size, visibility_timeout=hidden).by_page()
            return list(next(pages, ()))
        except ResourceNotFoundError:
            self.queue.create_queue()
        except AzureError as error:
            log.warning("Queue %s cannot be read: %s", self.queue.queue_name, shown(error))
        return []

    def _return(self, message: QueueMessage) -> None:
        from azure.core.exceptions import AzureError

        try:
            self.queue.update_message(message.id, message.pop_receipt, visibility_timeout=0)
        except AzureError as error:
            log.warning("A message of queue %s comes again later only: %s", self.queue.queue_name, shown(error))

    def _dispatch(self, message: QueueMessage) -> None:
        with self._change:
            self._running += 1
        threading.Thread(target=self._attend, args=(message,), name=f"run {message.id}", daemon=True).start()

    def _attend(self, message: QueueMessage) -> None:
        from azure.core.exceptions import AzureError

        held = Held(self.queue, message, self._reading)
        with self._change:
            self._held[message.id] = held
        try:
            self._deliver(held)
        except AzureError as error:
            log.warning("A message of queue %s is not settled: %s", self.queue.queue_name, shown(error))
        finally:
            held.settle()
            with self._change:
                self._held.pop(message.id, None)
                self._running -= 1
                self._change.notify_all()

    def _deliver(self, held: Held) -> None:
        count = held.message.dequeue_count or 1
        if count > self._reading.max_dequeue_count:
            self._bury(held, f"it was delivered {count} times")
            return
        try:
            body = decode(held.message.content, self._reading.encoding)
        except BadMessage as error:
            self._bury(held, str(error))
            return
        try:
            self._process(body, held.message)
        except Exception:  # noqa: BLE001  # logged where it was called; here only the message matters
            self._failed(held, count)
        else:
            if held.settle():
                self.queue.delete_message(held.message.id, held.receipt)

    def _failed(self, held: Held, count: int) -> None:
        if not held.settle() or self._poison is None:
            return
        if count >= self._reading.max_dequeue_count:
            self._bury(held, f"try {count} of {self._reading.max_dequeue_count} failed")
            return
        delay = self._reading.retry_delay
        name, most = self.queue.queue_name, self._reading.max_dequeue_count
        log.warning("%s: try %d of %d failed; the next one follows in %d s", name, count, most, delay)
        held.hide(delay)

    def _bury(self, held: Held, why: str) -> None:
        if self._poison is None or not held.settle():
            return
        log.error("%s: a message goes to %s: %s", self.queue.queue_name, self._poison.queue_name, why)
        self._poison.send_message(held.message.content)
        self.queue.delete_message(held.message.id, held.receipt)
