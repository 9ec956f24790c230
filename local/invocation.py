"""Calling a function: its arguments in azure-functions' own types, its outputs sent once it ended well."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions.queue import QueueMessageOutConverter

from local.annotations import RETURN
from local.bindings import QueueOutput, Registered
from local.connections import Connections, encode
from local.host_config import Encoding
from shared.errors import IceWatchError, TransientError
from shared.models import shown

log = logging.getLogger("icewatch.host")


class FunctionTimedOut(TransientError):
    """A function ran longer than host.json's functionTimeout."""


class Activity:
    """What runs at the moment, and a bell for those who wait for work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self.begun = 0  # invocations and worker processes since the start
        self._bells: list[Callable[[], None]] = []

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Count ``name`` as running; afterwards ring, because its end may have made work for others."""
        with self._lock:
            self._running[name] += 1
            self.begun += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[name] -= 1
            self.ring()

    def now(self) -> dict[str, int]:
        """How many of what run now."""
        with self._lock:
            return {name: count for name, count in self._running.items() if count}

    def on_ring(self, bell: Callable[[], None]) -> None:
        """Have ``bell`` called whenever something ended."""
        self._bells.append(bell)

    def ring(self) -> None:
        """Wake those who wait for work."""
        for bell in self._bells:
            bell()


class Out(func.Out[Any]):
    """What a function sets its output with."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Keep ``val`` until the function has ended."""
        self._value = val

    def get(self) -> Any:
        """What was set last, or None."""
        return self._value


@dataclass(frozen=True, slots=True)
class _Trace:
    trace_parent: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Retry:
    retry_count: int = 0
    max_retry_count: int = 0
    exception: None = None


class Context(func.Context):
    """The ``context`` argument."""

    def __init__(self, name: str, invocation: str, directory: str) -> None:
        self._name, self._invocation, self._directory = name, invocation, directory
        self._local = threading.local()
        self._local.invocation_id = invocation

    @property
    def invocation_id(self) -> str:
        """Unique per call."""
        return self._invocation

    @property
    def thread_local_storage(self) -> Any:
        """Carries ``invocation_id``, as in the real worker."""
        return self._local

    @property
    def function_name(self) -> str:
        """Name of the function."""
        return self._name

    @property
    def function_directory(self) -> str:
        """The project's folder."""
        return self._directory

    @property
    def trace_context(self) -> Any:
        """Empty: there is no distributed tracing on one machine."""
        return _Trace()

    @property
    def retry_context(self) -> Any:
        """Empty: queues own the retries."""
        return _Retry()


class Invoker:
    """Calls functions; the async ones on one event loop, as the real worker does."""

    def __init__(self, connections: Connections, activity: Activity, encoding: Encoding, timeout: float | None) -> None:
        """``timeout``: seconds a function may run, None without limit."""
        self._connections, self.activity, self._encoding, self.timeout = connections, activity, encoding, timeout
        self._directory = str(Path.cwd())
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="async functions", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the event loop; what still runs on it is cancelled."""

        async def cancel() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        try:
            asyncio.run_coroutine_threadsafe(cancel(), self.loop).result(timeout=5)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            log.warning("An async function does not end; it is left behind.")
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)
        if not self.loop.is_running():
            self.loop.close()

    def run(self, function: Registered, value: Any, cause: str) -> Any:
        """Call ``function`` with ``value`` in this thread, send its outputs, return its result.

        ``cause`` says in the log why it runs. Raises whatever the function raises, after a log entry, and
        FunctionTimedOut where it ran too long.
        """
        invocation = str(uuid.uuid4())
        outs = {output.argument: Out() for output in function.outputs if output.argument != RETURN}
        arguments: dict[str, Any] = {function.trigger.argument: value, **outs}
        if function.wants_context:
            arguments["context"] = Context(function.name, invocation, self._directory)
        started = time.monotonic()
        log.info("%s: begins (%s)", function.name, cause, extra={"invocation": invocation})
        with self.activity.running(function.name):
            try:
                result = self._call(function, arguments)
                self._check_time(function, started)
                self._send(function, outs, result)
            except Exception as error:
                _log_failure(function, error, started)
                raise
        log.info("%s: done in %.2f s", function.name, time.monotonic() - started, extra={"invocation": invocation})
        return result

    def _call(self, function: Registered, arguments: dict[str, Any]) -> Any:
        if not function.is_async:
            try:
                return function.call(**arguments)
            except SystemExit as cause:  # would end the thread without a word
                raise RuntimeError(f"Function {function.name} asked to exit ({cause.code}).") from cause
        future = asyncio.run_coroutine_threadsafe(function.call(**arguments), self.loop)
        try:
            return future.result(self.timeout)
        except concurrent.futures.TimeoutError as cause:
            if future.cancel():
                raise self._timed_out(function) from cause
            raise

    def _check_time(self, function: Registered, started: float) -> None:
        # A thread cannot be ended from outside; a result that comes too late does not count, as in Azure.
        if self.timeout is not None and time.monotonic() - started > self.timeout:
            raise self._timed_out(function)

    def _timed_out(self, function: Registered) -> FunctionTimedOut:
        return FunctionTimedOut(f"Function {function.name} ran longer than functionTimeout, {self.timeout:g} s.")

    def _send(self, function: Registered, outs: dict[str, Out], result: Any) -> None:
        for output in function.outputs:
            value = result if output.argument == RETURN else outs[output.argument].get()
            for body in _bodies(value, function, output):
                queue = self._connections.queue(output.connection, output.queue)
                queue.send_message(encode(body, self._encoding))


def _bodies(value: Any, function: Registered, output: QueueOutput) -> list[str]:
    """The messages that the library's own converter makes of an output value."""
    if value is None:
        return []
    try:
        datum = QueueMessageOutConverter.encode(value, expected_type=None)
    except NotImplementedError as cause:
        raise TypeError(f"{function.name} gave {type(value).__name__} to queue {output.queue}.") from cause
    if datum.type == "json":
        parsed = json.loads(datum.value)
        items = parsed if isinstance(parsed, list) else [parsed]
        return [item if isinstance(item, str) else item["body"] for item in items]
    return [datum.value.decode() if isinstance(datum.value, bytes) else datum.value]


def _log_failure(function: Registered, error: Exception, started: float) -> None:
    foreseen = isinstance(error, IceWatchError)
    sentence = shown(error, 500) if foreseen else f"{type(error).__name__}: {shown(error, 500)}"
    log.error("%s: failed after %.2f s: %s", function.name, time.monotonic() - started, sentence)
    log.log(logging.DEBUG if foreseen else logging.ERROR, "%s: where it failed", function.name, exc_info=error)
