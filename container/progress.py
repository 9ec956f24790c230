"""How far the correction is, in the log and in the ledger: now and then, and never in the way of the work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from shared.errors import IceWatchError
from shared.models import ProductName, State
from shared.ports import Clock, Ledger
from shared.records import Record

_EVERY, _STEP = 30.0, 10.0  # seconds, percent: whichever comes first makes the next note
_PATIENCE = 5.0  # seconds that the end waits for a note on its way
_OVER = {State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED}
_log = logging.getLogger("icewatch")


class Progress:
    """Called with percent done. As a context manager it takes its note out of the ledger at the end of the block."""

    def __init__(
        self, product: ProductName, *, ledger: Ledger, clock: Clock, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """``seconds`` counts them from any start."""
        self._product, self._ledger, self._clock, self._seconds = product, ledger, clock, seconds
        self._told: tuple[float, float] | None = None  # when, percent
        self._writer: threading.Thread | None = None

    def __call__(self, percent: float) -> None:
        """Note ``percent`` if it is time for that; the ledger is written by a thread, one note at a time."""
        now = self._seconds()
        if self._told is not None and now < self._told[0] + _EVERY and percent < self._told[1] + _STEP:
            return
        self._told = now, percent
        _log.info("correct: %s at %.0f %%", self._product, percent)
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(target=self._write, args=(percent,), name="progress", daemon=True)
            self._writer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.join(_PATIENCE)
        known = self._tried(lambda: self._ledger.get(*self._row))
        if known is not None and known.progress is not None:
            self._tried(lambda: self._ledger.update(*self._row, Record.idle))

    @property
    def _row(self) -> tuple[str, str]:
        return self._product.tile.name, str(self._product)

    def _write(self, percent: float) -> None:
        at = self._clock()

        def noted(old: Record) -> Record:
            return old if old.state in _OVER else replace(old, progress=percent, progress_at=at)

        self._tried(lambda: self._ledger.update(*self._row, noted))

    def _tried(self, request: Callable[[], Record | None]) -> Record | None:
        try:
            return request()
        except IceWatchError as error:  # a correction of an hour is not given up for a note
            _log.warning("The progress of %s is not noted: %s", self._product, error)
            return None
