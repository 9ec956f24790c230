"""Queue triggers and outputs of the one-machine host."""

from __future__ import annotations

import base64
import threading
import time
import typing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient

from shared.errors import PermanentError
from tests.adapters.hosting import FAST, STORAGE, eventually, host_of, texts, unique


@pytest.fixture
def name() -> str:
    return unique("work")


@pytest.fixture
def queue(azurite: str, name: str) -> QueueClient:
    return QueueClient.from_connection_string(azurite, name)


def poison_of(azurite: str, name: str) -> QueueClient:
    return QueueClient.from_connection_string(azurite, f"{name}-poison")


def test_a_message_calls_the_function_once_and_is_deleted(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path
) -> None:
    app = func.FunctionApp()
    seen: list[tuple[Any, func.Context]] = []

    @app.queue_trigger("message", name, STORAGE)
    def take(message: func.QueueMessage, context: func.Context) -> None:
        seen.append((message, context))

    queue.create_queue()
    sent = queue.send_message('{"a": 1}')
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    [(message, context)] = seen
    assert message.get_json() == {"a": 1}
    assert message.get_body() == b'{"a": 1}'
    assert (message.id, message.dequeue_count) == (sent.id, 1)
    assert abs(message.insertion_time - datetime.now(UTC)) < timedelta(minutes=1)
    assert message.expiration_time > message.time_next_visible > message.insertion_time
    assert message.pop_receipt
    assert context.function_name == "take"
    assert context.invocation_id
    assert queue.get_queue_properties().approximate_message_count == 0


def test_missing_queues_are_created(azurite: str, queue: QueueClient, name: str, tmp_path: Path) -> None:
    app = func.FunctionApp()

    @app.queue_trigger("message", "%THE_QUEUE%", STORAGE)
    def take(message: func.QueueMessage) -> None: ...

    with host_of(app, azurite, tmp_path, settings={"THE_QUEUE": name}):
        queue.send_message("to a queue that exists")
        assert texts(poison_of(azurite, name)) == []


def test_a_failing_message_goes_to_poison_after_the_last_try(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app, tries = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def fail(message: func.QueueMessage) -> None:
        tries.append(message.dequeue_count)
        raise PermanentError("The tile 99XXX is none.")

    queue.create_queue()
    queue.send_message("doomed")
    with host_of(app, azurite, tmp_path, config={"queues": {"maxDequeueCount": 3}}) as host:
        assert host.wait_until_idle(60)
    assert tries == [1, 2, 3]
    assert texts(poison_of(azurite, name)) == ["doomed"]
    failures = [record for record in caplog.records if "The tile 99XXX is none." in record.getMessage()]
    assert len(failures) == 3
    assert all(record.exc_info is None for record in failures)


def test_an_unforeseen_failure_shows_its_traceback(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = func.FunctionApp()

    @app.queue_trigger("message", name, STORAGE)
    def crash(message: func.QueueMessage) -> None:
        raise ZeroDivisionError("by nothing")

    queue.create_queue()
    queue.send_message("x")
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    assert "ZeroDivisionError: by nothing" in caplog.text
    assert "in crash" in caplog.text


def test_a_message_delivered_too_often_goes_to_poison_without_a_call(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path
) -> None:
    app, tries = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def take(message: func.QueueMessage) -> None:
        tries.append(message.dequeue_count)

    queue.create_queue()
    queue.send_message("killed its worker each time")
    for _ in range(2):
        [held] = queue.receive_messages(visibility_timeout=30)
        queue.update_message(held, visibility_timeout=0)
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    assert tries == []
    assert texts(poison_of(azurite, name)) == ["killed its worker each time"]


def test_a_message_that_fails_in_a_poison_queue_stays_there(azurite: str, tmp_path: Path) -> None:
    name = unique("work") + "-poison"
    queue = QueueClient.from_connection_string(azurite, name)
    app, tries = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def fail(message: func.QueueMessage) -> None:
        tries.append(message.dequeue_count)
        raise PermanentError("The ledger does not answer.")

    queue.create_queue()
    queue.send_message("evidence")
    with host_of(app, azurite, tmp_path):
        assert eventually(lambda: tries)
    assert queue.get_queue_properties().approximate_message_count == 1
    with pytest.raises(ResourceNotFoundError):
        texts(poison_of(azurite, name))


def test_the_delay_before_the_next_try_is_kept(azurite: str, queue: QueueClient, name: str, tmp_path: Path) -> None:
    app, times = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def fail_once(message: func.QueueMessage) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise PermanentError("Not yet.")

    queue.create_queue()
    queue.send_message("x")
    with host_of(app, azurite, tmp_path, config={"queues": {"visibilityTimeout": "00:00:02"}}) as host:
        assert host.wait_until_idle(60)
    assert len(times) == 2
    assert 1.0 <= times[1] - times[0] < 5  # storage counts in whole seconds


def test_pace_shortens_the_delay_of_host_json(azurite: str, queue: QueueClient, name: str, tmp_path: Path) -> None:
    app, tries = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def fail(message: func.QueueMessage) -> None:
        tries.append(message.dequeue_count)
        raise PermanentError("No.")

    queue.create_queue()
    queue.send_message("x")
    config = {"queues": {"visibilityTimeout": "00:10:00"}}
    with host_of(app, azurite, tmp_path, config=config, pace=replace(FAST, longest_delay=0)) as host:
        assert host.wait_until_idle(60)
    assert tries == [1, 2]


def test_a_long_run_keeps_its_message_invisible(azurite: str, queue: QueueClient, name: str, tmp_path: Path) -> None:
    app, calls = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def slow(message: func.QueueMessage) -> None:
        calls.append(message.dequeue_count)
        time.sleep(2.5 * FAST.invisibility)

    queue.create_queue()
    queue.send_message("x")
    with host_of(app, azurite, tmp_path, config={"queues": {"maxDequeueCount": 5}}) as host:
        assert host.wait_until_idle(60)
    assert calls == [1]
    assert queue.get_queue_properties().approximate_message_count == 0


def test_no_more_run_at_once_than_host_json_allows(azurite: str, queue: QueueClient, name: str, tmp_path: Path) -> None:
    app, lock, running, most = func.FunctionApp(), threading.Lock(), [0], [0]

    @app.queue_trigger("message", name, STORAGE)
    def count(message: func.QueueMessage) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.1)
        with lock:
            running[0] -= 1

    queue.create_queue()
    for number in range(12):
        queue.send_message(str(number))
    sizes = {"batchSize": 2, "newBatchThreshold": 1}
    with host_of(app, azurite, tmp_path, config={"queues": sizes}) as host:
        assert host.wait_until_idle(60)
    assert 2 <= most[0] <= 3


@pytest.mark.parametrize(
    ("encoding", "written"), [("none", "höhe"), ("base64", base64.b64encode("höhe".encode()).decode())]
)
def test_bodies_are_encoded_as_host_json_says(azurite: str, tmp_path: Path, encoding: str, written: str) -> None:
    first, second = unique("first"), unique("second")
    app, seen = func.FunctionApp(), []

    @app.queue_trigger("message", first, STORAGE)
    @app.queue_output("$return", second, STORAGE)
    def pass_on(message: func.QueueMessage) -> str:
        seen.append(message.get_body().decode())
        return seen[-1]

    queue = QueueClient.from_connection_string(azurite, first)
    queue.create_queue()
    queue.send_message(written)
    with host_of(app, azurite, tmp_path, config={"queues": {"messageEncoding": encoding}}) as host:
        assert host.wait_until_idle(60)
    assert seen == ["höhe"]
    assert texts(QueueClient.from_connection_string(azurite, second)) == [written]


def test_a_message_that_is_no_base64_goes_to_poison(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path
) -> None:
    app, seen = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def take(message: func.QueueMessage) -> None:
        seen.append(message)

    queue.create_queue()
    queue.send_message('{"plain": true}')
    with host_of(app, azurite, tmp_path, config={"queues": {"messageEncoding": "base64"}}) as host:
        assert host.wait_until_idle(60)
    assert seen == []
    assert texts(poison_of(azurite, name)) == ['{"plain": true}']


def test_outputs_are_sent_after_success_only(azurite: str, queue: QueueClient, name: str, tmp_path: Path) -> None:
    one, many, back = unique("one"), unique("many"), unique("back")
    app = func.FunctionApp()

    @app.queue_trigger("message", name, STORAGE)
    @app.queue_output("single", one, STORAGE)
    @app.queue_output("several", many, STORAGE)
    @app.queue_output("$return", back, STORAGE)
    def produce(message: func.QueueMessage, single: func.Out[str], several: func.Out[typing.List[str]]):  # noqa: UP006
        single.set('{"number": 1}')
        several.set(["a", "b"])
        if message.get_body() == b"fail":
            raise PermanentError("After the outputs were set.")
        return ["c", "d"] if message.get_body() == b"go" else None

    queue.create_queue()
    for text in ("fail", "go", "nothing back"):
        queue.send_message(text)
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    client = {each: QueueClient.from_connection_string(azurite, each) for each in (one, many, back)}
    assert texts(client[one]) == ['{"number": 1}'] * 2
    assert sorted(texts(client[many])) == ["a", "a", "b", "b"]
    assert sorted(texts(client[back])) == ["c", "d"]


def test_an_output_that_is_no_message_counts_as_failure(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path
) -> None:
    app, target = func.FunctionApp(), unique("target")

    @app.queue_trigger("message", name, STORAGE)
    @app.queue_output("$return", target, STORAGE)
    def wrong(message: func.QueueMessage):
        return 1.5

    queue.create_queue()
    queue.send_message("x")
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    assert texts(poison_of(azurite, name)) == ["x"]


def test_async_functions_are_awaited(azurite: str, queue: QueueClient, name: str, tmp_path: Path) -> None:
    import asyncio

    app, seen = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    async def take(message: func.QueueMessage) -> None:
        await asyncio.sleep(0.01)
        seen.append(message.get_body())

    queue.create_queue()
    queue.send_message("x")
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    assert seen == [b"x"]


def test_a_function_that_outlasts_function_timeout_has_failed(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app, tries = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def slow(message: func.QueueMessage) -> None:
        tries.append(message.dequeue_count)
        time.sleep(1.2)

    queue.create_queue()
    queue.send_message("x")
    config = {"timeout": "00:00:01", "queues": {"maxDequeueCount": 1}}
    with host_of(app, azurite, tmp_path, config=config) as host:
        assert host.wait_until_idle(60)
    assert tries == [1]
    assert "Function slow ran longer than functionTimeout, 1 s." in caplog.text
    assert texts(poison_of(azurite, name)) == ["x"]


def test_a_message_whose_function_does_not_end_in_time_comes_back_when_the_host_stops(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path
) -> None:
    app, began, let_go = func.FunctionApp(), threading.Event(), threading.Event()

    @app.queue_trigger("message", name, STORAGE)
    def hang(message: func.QueueMessage) -> None:
        began.set()
        let_go.wait(20)

    queue.create_queue()
    queue.send_message("x")
    host = host_of(app, azurite, tmp_path, pace=replace(FAST, grace=0.3))
    with host:
        assert began.wait(60)
    try:
        assert texts(queue) == ["x"]
    finally:
        let_go.set()
    assert eventually(lambda: not host._activity.now())
    assert texts(queue) == ["x"]  # the late end does not delete what is ours no longer


def test_a_queue_that_somebody_deletes_is_made_again(
    azurite: str, queue: QueueClient, name: str, tmp_path: Path
) -> None:
    app, seen = func.FunctionApp(), []

    @app.queue_trigger("message", name, STORAGE)
    def take(message: func.QueueMessage) -> None:
        seen.append(message.get_body())

    def send() -> bool:
        try:
            queue.send_message("after")
        except ResourceNotFoundError:
            return False
        return True

    with host_of(app, azurite, tmp_path) as host:
        queue.delete_queue()
        assert eventually(send)
        assert host.wait_until_idle(60)
    assert seen == [b"after"]
