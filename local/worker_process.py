"""Workers that take one message each and exit, started as KEDA starts the runs of a Container Apps job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from local.invocation import Activity, log
from shared.models import shown

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

_FIRST_REST, _LONGEST_REST = 1.0, 60.0  # seconds without new workers after one failed; doubles
_MAX_LOG = 10_000_000  # bytes of the log before it is put aside


class _Worker:
    """One process and what must happen when it has ended."""

    def __init__(self, process: subprocess.Popen[bytes], counted: AbstractContextManager[None]) -> None:
        self.process, self._counted = process, counted
        counted.__enter__()

    def ended(self) -> int | None:
        """The exit code once the process has ended, else None."""
        return self.process.poll()

    def close(self) -> None:
        """End what the process left behind in its group, and count it no more."""
        with suppress(ProcessLookupError, PermissionError):  # mostly nothing is left
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._counted.__exit__(None, None, None)


class WorkerPool:
    """Starts up to ``most`` workers while the queue holds visible messages."""

    def __init__(
        self,
        queue: QueueClient,
        *,
        module: str,
        most: int,
        environment: Mapping[str, str],
        folder: Path,
        log_file: Path,
        interval: float,
        activity: Activity,
    ) -> None:
        """``module`` is run as ``python -m`` in ``folder``; its output goes to the end of ``log_file``."""
        self.queue, self._module, self._most = queue, module, most
        self._environment, self._folder, self._log_file = dict(environment), folder, log_file
        self._interval, self._activity = interval, activity
        self._workers: list[_Worker] = []
        self._rest, self._not_before = 0.0, 0.0
        self._bell, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"workers {module}", daemon=True)

    def start(self) -> None:
        """Begin to watch the queue."""
        self._activity.on_ring(self._bell.set)
        self._thread.start()

    def stop(self) -> None:
        """Start no more workers and ask those that run to end."""
        self._stopping.set()
        self._bell.set()

    def join(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for the workers to end, then kill them with all they started."""
        self._thread.join()
        for worker in self._workers:
            worker.process.send_signal(signal.SIGTERM)  # only to the worker: it ends its own children in order
        for worker in self._workers:
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("Worker %d does not end in time and is killed.", worker.process.pid)
                os.killpg(worker.process.pid, signal.SIGKILL)
                worker.process.wait()
            worker.close()
        self._workers.clear()

    def waiting(self) -> int:
        """How many messages the queue holds, invisible ones included."""
        return self.queue.get_queue_properties().approximate_message_count or 0

    def _loop(self) -> None:
        from azure.core.exceptions import AzureError

        while not self._stopping.is_set():
            try:
                self._look()
            except AzureError as error:
                log.warning("Queue %s cannot be read: %s", self.queue.queue_name, shown(error))
            except OSError as error:
                log.error("A worker cannot be started: %s", shown(error))
                self._tire()
            self._bell.wait(self._interval)
            self._bell.clear()

    def _look(self) -> None:
        self._reap()
        if len(self._workers) >= self._most or time.monotonic() < self._not_before:
            return
        # An invisible message is somebody's work in progress, or rests until its next try: nothing to start for.
        if not self.queue.peek_messages(max_messages=1):
            return
        # A worker that has just begun has not taken its message yet; counting all messages allows for it.
        for _ in range(min(self._most, self.waiting()) - len(self._workers)):
            self._workers.append(self._begin())

    def _reap(self) -> None:
        for worker in list(self._workers):
            code = worker.ended()
            if code is None:
                continue
            self._workers.remove(worker)
            worker.close()
            if code == 0:
                self._rest = 0.0
                log.info("Worker %d is done", worker.process.pid)
            else:
                self._tire()
                log.error(
                    "Worker %d ended with code %d; %s says why. The next may start in %g s.",
                    worker.process.pid,
                    code,
                    self._log_file,
                    self._rest,
                )

    def _tire(self) -> None:
        """Rest for longer and longer: a worker that fails before it takes its message would be started for ever."""
        self._rest = min(_LONGEST_REST, 2 * self._rest or _FIRST_REST)
        self._not_before = time.monotonic() + self._rest

    def _begin(self) -> _Worker:
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        if self._log_file.exists() and self._log_file.stat().st_size > _MAX_LOG:
            self._log_file.replace(self._log_file.with_suffix(".old.log"))
        with self._log_file.open("ab") as output:
            process = subprocess.Popen(
                self._command(),
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.PIPE,  # its closing tells the worker that we are gone
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        log.info("Worker %d begins: %s", process.pid, self._module)
        threading.Thread(target=self._await, args=(process,), name=f"worker {process.pid}", daemon=True).start()
        return _Worker(process, self._activity.running(f"worker {self._module}"))

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._bell.set()

    def _command(self) -> Sequence[str]:
        return [sys.executable, "-m", "local.attached", self._module]
