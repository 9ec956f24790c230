"""The Functions host on one machine: runs an azure-functions app against storage, with the real host's semantics.

    with Host(app, settings, folder=Path(".icewatch")) as host:
        host.wait_until_idle(60)

Timers, queue and blob triggers and HTTP are listeners of one kind: ``start``, ``stop`` (begin nothing new),
``join`` (wait for what runs). Beside them the workers of the container step run as processes. Where the
settings name no storage account, the host brings Azurite with it. It stops what it started, and only that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Self

from local.azurite import Azurite
from local.bindings import BlobTrigger, Registered, registered
from local.blob_listener import BlobScanner
from local.connections import Connections
from local.endpoints import Endpoints, alone, endpoints_of, published
from local.host_config import HostConfig
from local.http_server import HttpServer
from local.invocation import Activity, Invoker, log
from local.listeners import Listener, Listeners, Pace
from local.queue_listener import QueueListener
from local.timers import TimerListener
from local.worker_process import WorkerPool
from shared.errors import BadSetting
from shared.messages import CORRECTIONS
from shared.settings import DEVELOPMENT, STORAGE

__all__ = ["Endpoints", "Host", "Pace", "endpoints_of"]

ROOT = Path(__file__).resolve().parents[1]


class Host:
    """One function app, run on this machine; a context manager."""

    def __init__(
        self,
        app: Any = None,
        settings: Mapping[str, str] | None = None,
        *,
        folder: Path,
        workers: int = 1,
        http_port: int = 0,
        blob_endings: Mapping[str, str] | None = None,
        host_json: Path = ROOT / "host.json",
        worker_module: str = "container.run",
        pace: Pace | None = None,
    ) -> None:
        """Prepare; nothing runs before ``start``.

        ``app`` is a FunctionApp or AsgiFunctionApp, by default the project's; ``settings`` are its app settings.
        ``workers`` is how many corrections run at once, 0 for none; ``blob_endings`` filters the blobs of a
        function by the end of their names, as Event Grid does in Azure: function name -> ending. ``http_port``
        0 takes a free port. Raises BadSetting where host.json cannot be used or a name of ``blob_endings`` is none.
        """
        self.folder = folder
        self._given = dict(settings or {})
        self.settings = dict(self._given)  # with the storage that the host brings, once it runs
        self.http_address = ""
        self._app, self._workers, self._worker_module = app, workers, worker_module
        self._port, self._endings, self._pace = http_port, dict(blob_endings or {}), pace or Pace()
        self._config = HostConfig.read(host_json, {**os.environ, **self.settings})
        self._stack: ExitStack | None = None
        self._activity = Activity()
        self._timers: list[TimerListener] = []
        self._queues: list[QueueListener] = []
        self._scanner: BlobScanner | None = None
        self._pool: WorkerPool | None = None

    def start(self) -> Self:
        """Start everything; what has been started is stopped again where something fails.

        Raises BadSetting (a setting, binding or port that cannot be used, a second host on the folder), NotFound
        (no Node.js) or StorageUnavailable (Azurite does not come up).
        """
        if self._stack is not None:
            return self
        self.settings, self._activity = dict(self._given), Activity()
        with ExitStack() as stack:
            stack.enter_context(alone(self.folder))
            functions = self._functions()
            if self._brings_storage():
                azurite = stack.enter_context(Azurite(self.folder / "azurite"))
                self.settings[STORAGE] = azurite.connection_string
            stack.enter_context(_environment(self.settings | _no_proxy(os.environ)))
            self._open(stack, functions)
            endpoints = Endpoints(os.getpid(), self.http_address, self.settings.get(STORAGE, ""))
            stack.enter_context(published(self.folder, endpoints))
            self._stack = stack.pop_all()
        log.info("The host runs %d functions at %s", len(functions), self.http_address)
        return self

    def stop(self) -> None:
        """Stop everything this host started: first what begins work, then, after a grace time, what runs."""
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()
            log.info("The host has stopped")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run_forever(self) -> None:
        """Run until SIGINT or SIGTERM, then stop; a start before is fine. Call it in the main thread."""
        asked = threading.Event()

        def ask(_number: int, _frame: FrameType | None) -> None:
            asked.set()

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            with self:
                while not asked.wait(1.0):  # a wait without end would not let the signal in on every system
                    pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def run_timer(self, name: str) -> bool:
        """Run the timer function ``name`` now and wait for its end; True where it ended well."""
        for timer in self._timers:
            if timer.function.name == name:
                return timer.run()
        raise BadSetting(f"There is no timer function {name}.")

    def wait_until_idle(self, timeout: float) -> bool:
        """Wait until nothing is left to do: True; or False after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.outstanding():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def outstanding(self) -> list[str]:
        """What is left to do: running functions and workers, messages in watched queues, blobs not seen yet.

        Messages that are invisible until their next try count; timers that are not due do not.
        """
        begun = self._activity.begun
        if left := self._running_or_queued():
            return left
        if self._scanner is not None and (count := self._scanner.scan()):
            return [f"{count} new blobs"]
        # A scan makes messages, what runs makes blobs: idle is only what stayed so around the scan.
        left = self._running_or_queued()
        if not left and begun != self._activity.begun:
            left.append("something began meanwhile")
        return left

    def _running_or_queued(self) -> list[str]:
        left = [f"{count} x {name} running" for name, count in self._activity.now().items()]
        watched: list[QueueListener | WorkerPool] = [*self._queues, *([self._pool] if self._pool else [])]
        left += [f"{count} messages in {each.queue.queue_name}" for each in watched if (count := each.waiting())]
        return left

    def _functions(self) -> tuple[Registered, ...]:
        if self._app is None:
            import function_app

            self._app = function_app.app
        functions = registered(self._app, self.settings)
        blobs = {function.name for function in functions if isinstance(function.trigger, BlobTrigger)}
        if unknown := sorted(set(self._endings) - blobs):
            raise BadSetting(f"blob_endings names {', '.join(unknown)}, which is no blob-triggered function.")
        return functions

    def _brings_storage(self) -> bool:
        by_identity = any(name.startswith(f"{STORAGE}__") for name in self.settings)
        text = self.settings.get(STORAGE, "").strip().rstrip(";")
        return text == DEVELOPMENT or not (text or by_identity)

    def _worker_pool(self, connections: Connections) -> WorkerPool:
        return WorkerPool(
            connections.queue(STORAGE, CORRECTIONS),
            module=self._worker_module,
            most=self._workers,
            environment=os.environ,
            folder=ROOT,
            log_file=self.folder.absolute() / "workers.log",
            interval=self._pace.workers,
            activity=self._activity,
        )

    def _open(self, stack: ExitStack, functions: tuple[Registered, ...]) -> None:
        connections = Connections(self.settings)
        stack.callback(connections.close)
        encoding, timeout = self._config.extensions.queues.message_encoding, self._config.function_timeout
        invoker = Invoker(connections, self._activity, encoding, timeout)
        stack.callback(invoker.close)
        stack.callback(_end_lifespan, self._app, invoker)
        http = HttpServer(functions, self._config.extensions.http.route_prefix, invoker, port=self._port)
        listeners = Listeners(functions, self._config, self._pace, self._endings, connections, invoker)
        self._timers, self._queues = listeners.timers(), listeners.queues()
        self._scanner = None
        if (blobs := listeners.blobs()) is not None:
            self._scanner = blobs[0]
            self._queues.append(blobs[1])
        self._pool = self._worker_pool(connections) if self._workers else None
        listening: list[Listener | None] = [http, *self._queues, self._scanner, self._pool, *self._timers]
        started: list[Listener] = []
        stack.callback(self._end, started)
        for listener in filter(None, listening):
            listener.start()
            started.append(listener)
        self.http_address = http.address

    def _end(self, started: list[Listener]) -> None:
        deadline = time.monotonic() + self._pace.grace
        for listener in started:
            listener.stop()
        for listener in reversed(started):
            listener.join(deadline)


def _end_lifespan(app: Any, invoker: Invoker) -> None:
    """Tell an ASGI app that the server ends, on the loop where it began; the library would use a loop of its own."""
    if getattr(app, "startup_task_done", False):
        try:
            asyncio.run_coroutine_threadsafe(app.middleware.notify_shutdown(), invoker.loop).result(timeout=5)
        except Exception as error:  # noqa: BLE001  # whatever the app does at its end, the host goes on ending
            log.warning("The web application did not shut down in order: %s", error)
        app.startup_task_done = False
        for name in ("lifespan_receive_queue", "lifespan_startup_event", "lifespan_shutdown_event"):
            setattr(app.middleware, name, None)


def _no_proxy(env: Mapping[str, str]) -> dict[str, str]:
    """The environment that keeps a proxy, where one is set, from being asked for what is on this machine."""
    known = env.get("no_proxy") or env.get("NO_PROXY") or ""
    names = ",".join([*filter(None, [known]), "127.0.0.1", "localhost"])
    return {"no_proxy": names, "NO_PROXY": names}


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Have ``settings`` in the environment, where the app reads them, and afterwards what was there before."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
