"""The contract of Queues, on the fake and on real queue storage (Azurite)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from azure.storage.queue import QueueServiceClient

from shared.adapters.account import Account
from shared.adapters.queues import AzureQueues
from shared.errors import BadMessage, StorageUnavailable
from shared.messages import MAX_BYTES, ClassificationMessage
from shared.ports import Queues
from shared.settings import Storage
from tests.fakes import FakeQueues

L2A = "S2B_MSIL2A_20240716T151809_N0510_R068_T22WEV_20240716T184612"


@pytest.fixture(scope="module")
def service(azurite: str) -> Iterator[QueueServiceClient]:
    with Account(Storage(azurite)).queues() as client:
        yield client


@pytest.fixture(params=["fake", "azurite"])
def queues(request: pytest.FixtureRequest) -> Queues:
    return FakeQueues() if request.param == "fake" else AzureQueues(request.getfixturevalue("service"))


@pytest.fixture
def name() -> str:
    """A queue that does not exist yet."""
    return f"q{uuid4().hex}"


def test_a_queue_that_does_not_exist_yet_is_empty_and_is_made_by_sending(queues: Queues, name: str) -> None:
    assert queues.depth(name) == 0
    queues.send(name, "one")
    queues.send(name, "two", delay_seconds=60)
    assert queues.depth(name) == 2


def test_a_message_longer_than_azure_takes_is_refused(queues: Queues, name: str) -> None:
    queues.send(name, "x" * MAX_BYTES)
    with pytest.raises(BadMessage, match="65538"):
        queues.send(name, "é" * (MAX_BYTES // 2 + 1))
    assert queues.depth(name) == 1


def test_the_text_travels_plain_and_never_expires(service: QueueServiceClient, name: str) -> None:
    text = ClassificationMessage(product=L2A, because='late <files> & "more" é').encode()
    AzureQueues(service).send(name, text)
    [message] = service.get_queue_client(name).receive_messages()
    assert message.content == text
    assert message.expires_on
    assert message.inserted_on
    assert message.expires_on - message.inserted_on > timedelta(days=3650)


def test_a_delayed_message_is_not_there_at_once(service: QueueServiceClient, name: str) -> None:
    AzureQueues(service).send(name, "later", delay_seconds=100)
    assert list(service.get_queue_client(name).receive_messages()) == []


def test_storage_that_does_not_answer_is_unavailable() -> None:
    nobody = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;QueueEndpoint=http://127.0.0.1:9/a;"
    with Account(Storage(nobody), retries=0).queues() as service:
        with pytest.raises(StorageUnavailable, match="queue products"):
            AzureQueues(service).send("products", "text")
        with pytest.raises(StorageUnavailable, match="queue products"):
            AzureQueues(service).depth("products")


def test_looking_at_what_waits_takes_nothing_and_leaves_out_what_is_put_off(queues: Queues, name: str) -> None:
    assert queues.peek(name) == []
    for text in ("first é", "second"):
        queues.send(name, text)
    queues.send(name, "later", delay_seconds=60)
    for _ in range(2):
        assert [(waiting.text, waiting.deliveries) for waiting in queues.peek(name)] == [("first é", 0), ("second", 0)]
    assert all(waiting.since.tzinfo for waiting in queues.peek(name))
    assert queues.depth(name) == 3


def test_at_most_32_messages_are_looked_at(queues: Queues, name: str) -> None:
    for number in range(34):
        queues.send(name, str(number))
    assert len(queues.peek(name)) == 32
