"""Work measured in a process of its own, so that what one way leaves in memory is not counted against another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

SPAWN = multiprocessing.get_context("spawn")
MEGABYTE = 10**6
T = TypeVar("T")


def in_process(
    work: Callable[[Mapping[str, str], str], T], environment: Mapping[str, str], what: str
) -> tuple[T, float]:
    """What ``work`` returns in a fresh process, and that process's peak memory in MB."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_answer, args=(work, dict(environment), what, there))
    process.start()
    there.close()  # so that the death of the process ends the waiting
    result, peak = here.recv()
    process.join()
    return result, peak


def _answer(
    work: Callable[[Mapping[str, str], str], T], environment: Mapping[str, str], what: str, asked: Connection
) -> None:
    result = work(environment, what)
    asked.send((result, peak_memory()))


def peak_memory() -> float:
    """The most memory this process has held so far, MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / MEGABYTE
