"""Work ahead of who takes its results: nothing is lost, and few results wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from shared.pipeline.ahead import as_done, in_turn


def noted(begun: list[int]) -> Iterator[int]:
    """Twenty numbers; ``begun`` holds those that were asked for."""
    for number in range(20):
        begun.append(number)
        yield number


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_no_more_than_one_result_waits_while_each_thread_works(threads: int) -> None:
    begun: list[int] = []
    for taken, (given, result) in enumerate(as_done(noted(begun), [10] * threads, lambda tool, given: tool * given)):
        assert result == 10 * given
        assert len(begun) - taken <= threads + 2  # with the one that is looked at here
    assert len(begun) == taken + 1 == 20


def test_each_tool_is_used_by_one_thread_at_a_time() -> None:
    locks = [threading.Lock(), threading.Lock()]

    def work(lock: threading.Lock, given: int) -> int:
        assert lock.acquire(blocking=False)
        lock.release()
        return given

    assert sorted(given for given, _ in as_done(range(50), locks, work)) == list(range(50))


def test_work_that_fails_fails_for_who_takes_the_results() -> None:
    with pytest.raises(ZeroDivisionError):
        list(as_done(range(5), [1], lambda tool, given: tool / given))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_are_made_by_so_much_ahead_and_no_more(threads: int) -> None:
    begun = {name: threading.Event() for name in "abcdefgh"}

    def maker(name: str) -> Callable[[], str]:
        def make() -> str:
            begun[name].set()
            return name.upper()

        return make

    most = max(threads, 2)
    with in_turn({name: maker(name) for name in begun}, threads) as take:
        for at, name in enumerate(begun):
            assert take(name) == name.upper()
            ahead = [begun[other] for other in list(begun)[at + 1 : at + most]]
            assert all(event.wait(60) for event in ahead)  # made meanwhile
            assert not any(event.wait(0.02) for event in list(begun.values())[at + most :])


class Result:
    gone = 0

    def __del__(self) -> None:
        Result.gone += 1


def test_a_result_that_was_taken_is_kept_nowhere() -> None:
    with in_turn(dict.fromkeys("abc", Result), 1) as take:
        for at, name in enumerate("abc"):
            take(name)
            assert Result.gone == at + 1


def test_what_cannot_be_made_fails_for_who_asks_for_it_and_the_rest_is_not_begun() -> None:
    def fail() -> int:
        raise ValueError("no room")

    never = threading.Event()
    with in_turn({"a": fail, "b": lambda: 1, "c": never.set}, 1) as take, pytest.raises(ValueError, match="no room"):
        take("a")
    assert not never.is_set()
