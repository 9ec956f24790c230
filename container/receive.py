"""One message of a queue, held while the work on it lasts.

A received message is invisible to others for a while only, so a thread renews that; every renewal gives a new pop
receipt, and only the newest may delete the message. A lease is lost when another worker got the message, or when
it could not be renewed in time: then the work must stop, as another may do it already.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Self

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from shared.adapters.account import error_code, storage_errors
from shared.errors import StorageUnavailable

_log = logging.getLogger("icewatch")


def receive(client: QueueClient, visibility: int) -> Delivery | None:
    """The next message, invisible to others for ``visibility`` seconds; None where none waits or no queue is there."""
    asked = time.monotonic()
    with storage_errors(f"queue {client.queue_name}"):
        try:
            message = client.receive_message(visibility_timeout=visibility)
        except ResourceNotFoundError:  # the first message makes the queue
            return None
    return None if message is None else Delivery(client, message, visibility, asked)


class Delivery:
    """A received message. As a context manager it is renewed until the block ends."""

    def __init__(self, client: QueueClient, message: QueueMessage, visibility: int, asked: float) -> None:
        """``asked`` is the monotonic time at which the message was asked for: the lease counts from there."""
        self._client = client
        self._id = str(message.id)
        self._receipt = str(message.pop_receipt)
        self._visibility = visibility
        self._until = asked + visibility  # monotonic time at which the lease ends
        self._gone = False
        self._over = threading.Event()
        self._heartbeat = threading.Thread(target=self._renew, name="heartbeat", daemon=True)
        self.text = str(message.content)
        self.count = int(message.dequeue_count or 1)  # deliveries so far, this one included

    @property
    def lost(self) -> bool:
        """True where another worker may have the message by now."""
        return self._gone or time.monotonic() > self._until

    def __enter__(self) -> Self:
        self._heartbeat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._heartbeat.join()

    def delete(self) -> None:
        """Be done with the message; nothing happens where another worker has it. Call after the block."""
        try:
            self._client.delete_message(self._id, self._receipt)
        except HttpResponseError as error:
            self._note_lost(error)
        except AzureError as cause:
            raise StorageUnavailable(f"The message could not be deleted: {cause.message}.") from cause

    def release(self, seconds: int) -> None:
        """Make the message visible again after ``seconds``; left to its timeout where that cannot be said."""
        try:
            self._update(seconds)
        except HttpResponseError as error:
            self._note_lost(error)
        except AzureError as error:
            _log.warning("The message comes back by itself in at most %d s: %s", self._visibility, error.message)

    def replace(self, text: str, seconds: int) -> None:
        """Put ``text`` at the queue's end in place of this message, visible after ``seconds``; call before the block.

        A worker killed in between leaves both: a second delivery of the same product does no harm.
        """
        with storage_errors(f"queue {self._client.queue_name}"):
            self._client.send_message(text, visibility_timeout=seconds, time_to_live=-1)
        self.delete()

    def _update(self, seconds: int) -> None:
        updated = self._client.update_message(self._id, self._receipt, visibility_timeout=seconds)
        self._receipt = str(updated.pop_receipt)

    def _renew(self) -> None:
        while not self._over.wait(self._visibility / 3):
            asked = time.monotonic()
            try:
                self._update(self._visibility)
                self._until = asked + self._visibility
            except HttpResponseError as error:
                self._note_lost(error)
            except AzureError as error:  # the next beat may come through
                _log.warning("The message could not be renewed: %s", error.message)
            if self.lost:
                return

    def _note_lost(self, error: HttpResponseError) -> None:
        if error_code(error) in {"MessageNotFound", "PopReceiptMismatch"}:
            self._gone = True
            _log.warning("The message is with another worker by now.")
        else:
            _log.warning("The queue refused: %s", error.message)
