"""Answers that were made from the snapshot, kept as bytes while it stays: who asks the same again costs no work."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime

_MOST_BYTES = 24 * 1024 * 1024  # of all bodies together
_MOST_ANSWERS = 2000
_MOST_AGE = 10.0  # seconds; ages, queue depths and the watchlist move on though no row of the ledger changes


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it was sent, and what it was made from."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    version: int  # of the snapshot's rows
    seen: datetime  # when the ledger was read
    made: float  # monotonic seconds


class Kept:
    """The answers of one ledger, the least asked for given up first; used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self._bytes = 0
        self.turn = 0  # how often all were given up

    def get(self, key: Hashable, version: int, now: float, not_before: datetime | None) -> Answer | None:
        """The answer under ``key`` where it was made from the same rows, lately and not before that instant."""
        with self._lock:
            found = self._answers.get(key)
            if found is None:
                return None
            if (
                found.version != version
                or now - found.made > _MOST_AGE
                or (not_before is not None and found.seen < not_before)
            ):
                self._give_up(key)
                return None
            self._answers.move_to_end(key)
            return found

    def put(self, key: Hashable, answer: Answer, turn: int) -> None:
        """Keep ``answer``, unless all were given up since ``turn``: it may be from before what changed then."""
        with self._lock:
            if turn != self.turn or len(answer.body) > _MOST_BYTES // 8:
                return
            self._give_up(key)
            self._answers[key] = answer
            self._bytes += len(answer.body)
            while self._bytes > _MOST_BYTES or len(self._answers) > _MOST_ANSWERS:
                self._give_up(next(iter(self._answers)))

    def clear(self) -> None:
        """Give up all: somebody has changed something."""
        with self._lock:
            self._answers.clear()
            self._bytes, self.turn = 0, self.turn + 1

    def _give_up(self, key: Hashable) -> None:
        gone = self._answers.pop(key, None)
        self._bytes -= len(gone.body) if gone else 0
