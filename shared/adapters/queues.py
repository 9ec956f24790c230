"""Queue storage: sending plain text and counting. Receiving is the host's and the container step's work."""

from __future__ import annotations

from contextlib import suppress

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from shared.adapters.account import storage_errors
from shared.errors import BadMessage
from shared.messages import MAX_BYTES
from shared.ports import Waiting

_MOST_PEEKED = 32  # in one request, by the service
_FOR_EVER = -1  # Azure drops a message after seven days unless told otherwise: a long backfill waits longer


class AzureQueues:
    """Queues on one storage account; makes a missing queue when something is first sent to it."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service

    def close(self) -> None:
        """Give the connections back."""
        self._service.close()

    def send(self, queue: str, text: str, *, delay_seconds: int = 0) -> None:
        """Append a message as plain text, visible after the delay (at most seven days); it never expires."""
        if (length := len(text.encode())) > MAX_BYTES:
            raise BadMessage(f"A message for {queue} is {length} bytes long; at most {MAX_BYTES} fit.")
        client = self._service.get_queue_client(queue)
        with storage_errors(f"queue {queue}"):
            try:
                client.send_message(text, visibility_timeout=delay_seconds, time_to_live=_FOR_EVER)
            except ResourceNotFoundError:
                with suppress(ResourceExistsError):  # another sender made it just now
                    client.create_queue()
                client.send_message(text, visibility_timeout=delay_seconds, time_to_live=_FOR_EVER)

    def depth(self, queue: str) -> int:
        """About how many messages wait or are in work; 0 where there is no such queue yet."""
        with storage_errors(f"queue {queue}"):
            try:
                return self._service.get_queue_client(queue).get_queue_properties().approximate_message_count or 0
            except ResourceNotFoundError:
                return 0

    def peek(self, queue: str) -> list[Waiting]:
        """The first messages that wait, at most 32, left where they are; none where there is no such queue yet."""
        with storage_errors(f"queue {queue}"):
            try:
                found = self._service.get_queue_client(queue).peek_messages(max_messages=_MOST_PEEKED)
            except ResourceNotFoundError:
                return []
        return [
            Waiting(str(message.content), message.inserted_on, message.dequeue_count or 0)
            for message in found
            if message.inserted_on is not None
        ]
