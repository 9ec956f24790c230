"""Work measured in a process of its own, so that what one way leaves in memory is not counted against another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

SPAWN = multiprocessing.get_context("spawn")
MEGABYTE = 10**6  # decimal, as GB are everywhere here
P = ParamSpec("P")
T = TypeVar("T")


def in_process(work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> tuple[T, float]:
    """What ``work`` returns in a fresh process, and that process's peak memory in MB; RuntimeError where it dies."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_answer, args=(there, work, arguments, named))
    process.start()
    there.close()  # so that the death of the process ends the waiting
    try:
        result, peak = here.recv()
    except EOFError as cause:
        raise RuntimeError(f"The process for {work.__name__} ended without a result.") from cause
    process.join()
    return result, peak


def _answer(asked: Connection, work: Callable[..., object], arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    result = work(*arguments, **named)
    asked.send((result, peak_memory()))


def peak_memory() -> float:
    """The most memory this process has held so far, MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / MEGABYTE
