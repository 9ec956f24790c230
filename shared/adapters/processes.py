"""Runs one program with everything it starts, and sees to it that nothing of that outlives the run.

All processes of a run carry its folder in the environment variable `MARKER`. That is how they are found for
measuring and for ending: a process group loses the child that calls setsid, a parent loses the one that forks twice,
and a cgroup of our own is not to be had in every container, while an environment is inherited by all of them. A
worker that is killed itself takes the direct child along (PR_SET_PDEATHSIG, set by util-linux' setpriv, so that no
Python runs between fork and exec); what that child leaves behind is ended by `end_orphans` when the next run begins.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from shared.adapters.heard import Heard
from shared.adapters.measuring import Peaks
from shared.adapters.verdict import Ended
from shared.errors import TransientError

MARKER = "ICEWATCH_RUN"
_PROC = Path("/proc")
_CGROUP_EVENTS = Path("/sys/fs/cgroup/memory.events")
_POLL = 0.1  # seconds between two looks at the process
_LINE_LIMIT = 64 * 1024  # characters
_ROUNDS = 20  # of ending what is still there: a process may start another while we look
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a run may take."""

    seconds: float
    silence: float = 0.0  # seconds without output and processor time that count as hung; 0: any
    grace: float = 10.0  # seconds between SIGTERM and SIGKILL
    heartbeat: float = 30.0  # seconds between two signs of life where the percentage stays


@dataclass(frozen=True, slots=True)
class Run:
    """One program to run."""

    arguments: Sequence[str]
    folder: Path  # marks its processes; absolute
    directory: Path  # that it starts in
    variables: Mapping[str, str]  # its whole environment, the marker apart
    measured: Sequence[Path] = ()  # folders whose size on disk is followed

    def to_end(self, limits: Limits, *, on_progress: Callable[[float], None], checkpoint: Callable[[], None]) -> Ended:
        """Run until it ends, or is ended by a limit or by what ``checkpoint`` raises; no process of it is left then.

        TransientError where the program cannot be started.
        """
        kills, started, heard = _memory_kills(), time.monotonic(), Heard()
        peaks = Peaks(lambda: _marked(self.folder), self.measured)
        process = self._start()
        listener = threading.Thread(target=_listen, args=(process.stdout, heard), daemon=True)
        waiting = _Waiting(process, heard, peaks, limits, started + limits.seconds)
        try:
            listener.start()
            waiting.wait(on_progress, checkpoint)
        finally:
            self._end(process, listener, limits.grace)
        peaks.measure_disk()
        return Ended(
            process.returncode,
            time.monotonic() - started,
            waiting.timed_out,
            heard,
            _memory_kills() > kills,
            silent=waiting.silent,
            peak_memory=peaks.memory,
            peak_disk=peaks.disk,
        )

    def _start(self) -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(  # noqa: S603  # a list of arguments, no shell; the program is the operator's choice
                [*_leash(), *self.arguments],
                cwd=self.directory,
                env={**self.variables, MARKER: str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a signal for the worker's group is the worker's to handle
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as cause:
            # Not the product's fault, so no product may fail for good by it.
            raise TransientError(f"'{self.arguments[0]}' cannot be run: {cause.strerror}.") from cause

    def _end(self, process: subprocess.Popen[str], listener: threading.Thread, grace: float) -> None:
        """End all processes of the run, those that outlived their parent too, and hear the last words."""
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            _signal_all(self.folder, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        if process.poll() is None or not _PROC.is_dir():  # else its number may be another's by now
            _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        end_orphans(self.folder)
        listener.join(5.0)  # where processes cannot be found, one that left the group may hold the pipe open for ever
        if process.stdout is not None and not listener.is_alive():
            process.stdout.close()


class _Waiting:
    """Follows a process until it ends by itself or a limit is reached."""

    def __init__(
        self, process: subprocess.Popen[str], heard: Heard, peaks: Peaks, limits: Limits, deadline: float
    ) -> None:
        self._process, self._heard, self._peaks = process, heard, peaks
        self._limits, self._deadline = limits, deadline
        self.timed_out = False
        self.silent = 0.0  # seconds, where that was why it had to end

    def wait(self, on_progress: Callable[[float], None], checkpoint: Callable[[], None]) -> None:
        told, told_at = 0.0, time.monotonic()
        while self._process.poll() is None:
            checkpoint()
            self._peaks.sample()
            now = time.monotonic()
            if self._heard.percent > told or now - told_at > self._limits.heartbeat:
                told, told_at = self._heard.percent, now
                on_progress(told)
            if self._is_over(now):
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL)

    def _is_over(self, now: float) -> bool:
        self.timed_out = now > self._deadline
        quiet = now - max(self._heard.at, self._peaks.active_at)
        if self._limits.silence and quiet > self._limits.silence and self._peaks.sees:
            self.silent = quiet
        return self.timed_out or self.silent > 0


def end_orphans(folder: Path) -> int:
    """End every process that a run in ``folder``, or below it, has left; returns how many there were.

    For the folder of a run that is dead: those of a living run would go too. Where there is no /proc, none is found.
    """
    ended: set[int] = set()
    for attempt in range(_ROUNDS):
        found = _signal_all(folder, signal.SIGKILL)
        if not found:
            break
        ended |= found
        time.sleep(0.01 * attempt)
    if ended:
        _log.info("Ended %d processes that a run in %s had left.", len(ended), folder)
    return len(ended)


def _signal_all(folder: Path, number: signal.Signals) -> set[int]:
    found = set(_marked(folder))
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return found


def _marked(folder: Path) -> Iterator[int]:
    """The living processes of runs in ``folder`` or below it; a zombie has no environment any more."""
    exact = f"{MARKER}={folder}".encode()
    for process in _PROC.iterdir() if _PROC.is_dir() else ():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):  # it has ended meanwhile, or is somebody else's
            environment = (process / "environ").read_bytes()
            if any(one == exact or one.startswith(exact + b"/") for one in environment.split(b"\0")):
                yield int(process.name)


def _leash() -> list[str]:
    """What lets the kernel end the program when this process dies; nothing where setpriv is not installed."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig", "KILL", "--"] if program else []


def _listen(stream: IO[str], heard: Heard) -> None:
    while line := stream.readline(_LINE_LIMIT):
        heard.hear(line)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left; macOS says EPERM for zombies
        os.killpg(group, number)


def _memory_kills() -> int:
    """How often the kernel ended a process of this container because memory ran out; 0 where it does not say."""
    try:
        text = _CGROUP_EVENTS.read_text(encoding="ascii")
    except OSError:
        return 0
    match = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(match[1]) if match else 0
