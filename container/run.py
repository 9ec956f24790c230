"""The worker of the correct step: ``python -m container.run`` takes one message, corrects one product and exits.

    0    done, or nothing to do; also a product that failed for good (the ledger says why) and a refused message
    1    trouble that may pass: the message comes back after a delay
    2    a setting that cannot be used; no message was taken
    143  stopped by SIGTERM (130 by SIGINT): the message is visible again at once

The message is deleted last. One that fails on its last try, or comes back once too often, goes to the poison
queue and the ledger says why. Nothing of a run stays on the disk.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import FrameType

from azure.storage.queue import QueueClient

from container.receive import Delivery, receive
from container.scratch import scratch
from shared.adapters.sen2cor import Command, Sen2Cor, choose_command
from shared.adapters.unpack import unpack
from shared.errors import BadMessage, BadSetting, IceWatchError, PermanentError
from shared.logs import formatter
from shared.messages import CORRECTIONS, CorrectionMessage, poison_of
from shared.models import State
from shared.pipeline.correct import correct
from shared.pipeline.poison import poison
from shared.pipeline.turn import new_ones_ahead
from shared.pipeline.watching import settings_of, watchlist
from shared.ports import Ledger, ObjectStore, Queues
from shared.settings import Correction, Settings
from shared.wiring import services

DONE, AGAIN, MISCONFIGURED = 0, 1, 2
_FIRST_DELAY = 30  # seconds before the second try; doubles, up to the visibility
_WAIT, _MOST_WAITS = 120, 60  # seconds that backfill lets new acquisitions go first, and how often it does
_PROGRESS_EVERY = 5.0  # seconds
_RESOLUTION = 20  # metres, where the watchlist and the settings say nothing
_SILENT = "The worker ended without a word on every try, most likely killed for memory or time."
_BEYOND = {State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED}
_log = logging.getLogger("icewatch")


class Stopped(BaseException):
    """The work must end now: a signal came, or the message is another worker's. No error of the product."""


@dataclass(slots=True)
class Stop:
    """Whether a signal has asked us to end."""

    signal: int = 0

    def listen(self) -> None:
        """Take SIGTERM and SIGINT."""
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = number


@dataclass(frozen=True, slots=True)
class Worker:
    """What one run needs."""

    settings: Settings
    command: Command
    store: ObjectStore
    ledger: Ledger
    queues: Queues
    client: QueueClient  # of the queue corrections
    stop: Stop = field(default_factory=Stop)

    def run(self) -> int:
        """Take one message and work on it; returns the exit code. Backfill that has to wait goes back before."""
        while True:
            delivery = receive(self.client, self.settings.correction.visibility)
            if delivery is None:
                _log.info("The queue %s holds no message.", CORRECTIONS)
                return DONE
            try:
                message = CorrectionMessage.decode(delivery.text)
            except BadMessage as error:
                _log.warning("Refused: %s", error)
                return self._give_up(delivery)
            if not self._puts_back(message, delivery):
                return self._take(message, delivery)
            if self.stop.signal:
                return 128 + self.stop.signal

    def _puts_back(self, message: CorrectionMessage, delivery: Delivery) -> bool:
        """Put backfill back while new acquisitions wait; what was tried before, or waited long, has its turn."""
        if delivery.count > 1 or message.waits >= _MOST_WAITS:
            return False
        name = message.name()
        try:
            record = self.ledger.get(name.tile.name, str(name))
        except PermanentError:  # a row that somebody broke: the step says so
            return False
        if record is None or record.state is not State.STAGED or not record.is_backfill:
            return False
        ahead = new_ones_ahead(self.ledger, State.STAGED, "correct", but=record.name)
        if ahead:
            _log.info("%s waits: it is backfill, and %d new acquisitions go first.", record.name, ahead)
            later = message.model_copy(update={"waits": message.waits + 1})
            delivery.replace(later.encode(), _WAIT)
        return ahead > 0

    def _take(self, message: CorrectionMessage, delivery: Delivery) -> int:
        if delivery.count > self.settings.correction.max_tries:
            return self._give_up(delivery, message)
        with delivery:
            ending = self._work(message, delivery)
        return ending()

    def _work(self, message: CorrectionMessage, delivery: Delivery) -> Callable[[], int]:
        """Correct one product; returns what is to be done with the message once nobody renews it any more."""
        try:
            with scratch(self.settings.correction.work) as folder:
                checkpoint = partial(self._checkpoint, delivery)
                correct(
                    message,
                    store=self.store,
                    ledger=self.ledger,
                    corrector=self._corrector(message, checkpoint),
                    unpack=partial(unpack, checkpoint=checkpoint),
                    scratch=folder,
                    clock=self._now,
                    on_progress=_Progress(message.product),
                    checkpoint=checkpoint,
                )
        except Stopped:
            return partial(self._stopped, delivery)
        except Exception as error:  # noqa: BLE001  # whatever it was, the message must not wait for its timeout
            return partial(self._failed, delivery, message, error)
        return partial(_delete, delivery)

    def _corrector(self, message: CorrectionMessage, checkpoint: Callable[[], None]) -> Sen2Cor:
        tile = settings_of(message.name().tile, watchlist(self.store), self.settings.defaults)
        limit, resolution = self.settings.correction.time_limit, tile.resolution or _RESOLUTION
        # An area that wants the approximate correction gets it although Sen2Cor is installed.
        command = choose_command(Correction()) if tile.correction == "approximate" else self.command
        return Sen2Cor(command, resolution=resolution, time_limit=limit, checkpoint=checkpoint)

    def _checkpoint(self, delivery: Delivery) -> None:
        if self.stop.signal or delivery.lost:
            raise Stopped

    def _stopped(self, delivery: Delivery) -> int:
        if not self.stop.signal:
            _log.warning("Stopped: the message was lost to another worker.")
            return AGAIN
        _log.warning("Stopped by signal %d; the message is visible again.", self.stop.signal)
        delivery.release(0)
        return 128 + self.stop.signal

    def _failed(self, delivery: Delivery, message: CorrectionMessage, error: Exception) -> int:
        limits = self.settings.correction
        if delivery.count >= limits.max_tries:
            return self._give_up(delivery, message, str(error) or type(error).__name__)
        delay = min(_FIRST_DELAY * 2 ** (delivery.count - 1), limits.visibility)
        _log.warning("Try %d of %d failed, the next is in %d s: %s", delivery.count, limits.max_tries, delay, error)
        delivery.release(delay)
        return AGAIN

    def _give_up(self, delivery: Delivery, message: CorrectionMessage | None = None, error: str = _SILENT) -> int:
        """Move the message to the poison queue, ledger first; a product that got beyond this step is left alone.

        ``error`` is written down where the step itself has noted none: it may have failed before it began.
        """
        try:
            if message is not None and self._is_beyond(message, error):
                return _delete(delivery)
            told = poison(CORRECTIONS, delivery.text.encode(), ledger=self.ledger, clock=self._now).reason
        except PermanentError as fault:  # a row that somebody broke must not keep the message going round
            told = str(fault)
        _log.error("To the poison queue after %d deliveries: %s", delivery.count, told)
        self.queues.send(poison_of(CORRECTIONS), delivery.text)
        return _delete(delivery)

    def _is_beyond(self, message: CorrectionMessage, error: str) -> bool:
        """True where nothing is lost by dropping the message; else sees that the ledger has a last error."""
        name = message.name()
        record = self.ledger.get(name.tile.name, str(name))
        if record is not None and not record.error and record.state not in _BEYOND:
            self.ledger.update(record.partition, record.name, lambda old: old.tried("correct", error))
        return record is not None and record.state in _BEYOND

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)


def _delete(delivery: Delivery) -> int:
    delivery.delete()
    return DONE


class _Progress:
    """Logs percent done, at most every few seconds."""

    def __init__(self, product: str) -> None:
        self._product = product
        self._next = 0.0

    def __call__(self, percent: float) -> None:
        if (now := time.monotonic()) >= self._next:
            self._next = now + _PROGRESS_EVERY
            _log.info("correct: %s at %.0f %%", self._product, percent)


def main() -> int:
    """Wire everything and run once; returns the exit code."""
    stop = Stop()
    stop.listen()
    try:
        _start_log()
        settings = Settings.from_env(os.environ)
        command = choose_command(settings.correction)
        _log.info("The processor is %s: %s", command.name, " ".join(command.arguments))
        with closing(services(settings)) as wired, closing(wired.queue_client(CORRECTIONS)) as client:
            return Worker(settings, command, wired.store, wired.ledger, wired.queues, client, stop).run()
    except BadSetting as error:
        _log.error("%s", error)  # a sentence for the operator, no traceback
        return MISCONFIGURED
    except IceWatchError as error:
        _log.error("%s", error)
        return AGAIN


def _start_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(os.environ.get("LOG_FORMAT", "")))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("azure").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
