"""Work that several threads do ahead of who takes its results: by so much and no more, as results fill the memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

_Input = TypeVar("_Input")
_Tools = TypeVar("_Tools")
_Result = TypeVar("_Result")


def as_done(
    plan: Iterable[_Input], tools: list[_Tools], work: Callable[[_Tools, _Input], _Result]
) -> Iterator[tuple[_Input, _Result]]:
    """Run ``work`` on as many threads as there are ``tools``, each used by one at a time; yield what is done as soon.

    In the order of ``plan`` slow work would let the other threads wait, as few results may be kept.
    """
    free: SimpleQueue[_Tools] = SimpleQueue()
    for tool in tools:
        free.put(tool)

    def one(given: _Input) -> _Result:
        tool = free.get()
        try:
            return work(tool, given)
        finally:
            free.put(tool)

    pending: dict[Future[_Result], _Input] = {}
    pool = ThreadPoolExecutor(len(tools), thread_name_prefix="windows")
    try:
        for given in plan:
            pending[pool.submit(one, given)] = given
            if len(pending) > len(tools) + 1:  # one waits while each thread works: bounded memory
                yield from _done(pending)
        while pending:
            yield from _done(pending)
    finally:
        pool.shutdown(cancel_futures=True)


def _done(pending: dict[Future[_Result], _Input]) -> Iterator[tuple[_Input, _Result]]:
    """Wait for one of ``pending`` at least, and take out what is done."""
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        yield pending.pop(future), future.result()


@contextmanager
def in_turn(makers: Mapping[str, Callable[[], _Result]], threads: int) -> Iterator[Callable[[str], _Result]]:
    """What waits for the result of a name and gives it up, while ``threads`` threads make those that follow.

    Names are asked for in the order of ``makers``, each once. Of as many results as there are threads, and of two at
    least, one is what was asked for last, and the others are being made or wait.
    """
    most, todo = max(threads, 2), deque(makers)
    begun: dict[str, Future[_Result]] = {}
    pool = ThreadPoolExecutor(threads, thread_name_prefix="layers")

    def begin() -> None:
        while todo and len(begun) < most:
            name = todo.popleft()
            begun[name] = pool.submit(makers[name])

    def taken(name: str) -> _Result:
        begin()
        return begun.pop(name).result()

    try:
        begin()
        yield taken
    finally:
        pool.shutdown(cancel_futures=True)
