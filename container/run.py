"""The worker of the correct step: ``python -m container.run`` takes one message, corrects one product and exits.

    0    done, or nothing to do; also a product that failed for good (the ledger says why) and a refused message
    1    trouble that may pass: the message comes back after a delay
    2    a setting that cannot be used; no message was taken
    143  stopped by SIGTERM (130 by SIGINT): the message is visible again at once

The message is deleted last. One that fails on its last try, or comes back once too often, goes to the poison
queue and the ledger says why. One whose product another worker has in hand goes back into the queue for a while.
Nothing of a run stays on the disk.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from types import FrameType

from azure.storage.queue import QueueClient

from container.mounts import network_file_system
from container.progress import Progress
from container.receive import Delivery, receive
from container.scratch import scratch
from container.turn import puts_back
from shared.adapters.leases import Held, ProductLocks
from shared.adapters.sen2cor import Command, Sen2Cor, choose_commands
from shared.adapters.unpack import Limits, unpack
from shared.errors import BadMessage, BadSetting, IceWatchError, PermanentError
from shared.logs import formatter, hush
from shared.messages import CORRECTIONS, CorrectionMessage, poison_of
from shared.models import State, staged_zip
from shared.pipeline.correct import correct
from shared.pipeline.poison import poison
from shared.pipeline.watching import TileSettings, settings_of, watchlist
from shared.ports import Ledger, ObjectStore, Queues
from shared.settings import Correction, Settings
from shared.wiring import services

DONE, AGAIN, MISCONFIGURED = 0, 1, 2
_FIRST_DELAY = 30  # seconds before the second try; doubles, up to the visibility
_LEASE = 60  # seconds until the lock of a dead worker is free
_MOST_STOPS = 50  # times a product may be stopped by a signal; one that brings its machine down must end somewhere
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
    commands: Sequence[Command]  # processors, in the order of preference
    store: ObjectStore
    ledger: Ledger
    queues: Queues
    locks: ProductLocks
    client: QueueClient  # of the queue corrections
    stop: Stop = field(default_factory=Stop)
    grace: float = 10.0  # seconds that the processor has to end by itself when it is told to

    def run(self) -> int:
        """Take one message and work on it; returns the exit code. Backfill that has to wait goes back before."""
        while not self.stop.signal:
            delivery = receive(self.client, self.settings.correction.visibility)
            if delivery is None:
                _log.info("The queue %s holds no message.", CORRECTIONS)
                return DONE
            try:
                message = CorrectionMessage.decode(delivery.text)
            except BadMessage as error:
                _log.warning("Refused: %s", error)
                return self._give_up(delivery)
            if not puts_back(message, delivery, self.ledger, self._now):
                return self._take(message, delivery)
        return 128 + self.stop.signal

    def _take(self, message: CorrectionMessage, delivery: Delivery) -> int:
        """Work on the product, alone; returns the exit code."""
        try:
            lock = self.locks.take(message.name())
            if lock is None:
                return self._wait_for_another(delivery, message)
        except IceWatchError as error:
            return self._failed(delivery, message, error)
        with lock:
            if delivery.count > self.settings.correction.max_tries:
                return self._give_up(delivery, message)
            with delivery:
                ending = self._work(message, delivery, lock)
        return ending()  # after the lock, so that who gets the message next finds it free

    def _work(self, message: CorrectionMessage, delivery: Delivery, lock: Held) -> Callable[[], int]:
        """Correct one product; returns what is to be done with the message once nobody renews it any more."""
        product, correction = message.name(), self.settings.correction
        checkpoint = partial(self._checkpoint, delivery, lock)
        try:
            tile = settings_of(product.tile, watchlist(self.store), self.settings.defaults)
            with (
                scratch(correction.work) as folder,
                Progress(product, ledger=self.ledger, clock=self._now) as progress,
            ):
                checkpoint()
                correct(
                    message,
                    store=self.store,
                    ledger=self.ledger,
                    corrector=self._corrector(tile, checkpoint),
                    unpack=partial(
                        unpack, limits=Limits(scratch_bytes=correction.scratch_bytes), checkpoint=checkpoint
                    ),
                    scratch=folder,
                    clock=self._now,
                    on_progress=progress,
                    keep=tile.keep or correction.keep,
                    resolution=tile.resolution or _RESOLUTION,
                    checkpoint=checkpoint,
                )
        except Stopped:
            return partial(self._stopped, delivery, message)
        except Exception as error:  # noqa: BLE001  # whatever it was, the message must not wait for its timeout
            return partial(self._failed, delivery, message, error)
        return partial(_delete, delivery)

    def _corrector(self, tile: TileSettings, checkpoint: Callable[[], None]) -> Sen2Cor:
        # An area that wants the approximate correction gets it although Sen2Cor is installed.
        commands = choose_commands(Correction()) if tile.correction == "approximate" else self.commands
        return Sen2Cor(
            commands,
            resolution=tile.resolution or _RESOLUTION,
            settings=self.settings.correction,
            grace=self.grace,
            checkpoint=checkpoint,
        )

    def _checkpoint(self, delivery: Delivery, lock: Held) -> None:
        if self.stop.signal or delivery.lost:
            raise Stopped
        lock.check()

    def _wait_for_another(self, delivery: Delivery, message: CorrectionMessage) -> int:
        """Put the message back while another worker has its product in hand; drop it where nothing is left to do."""
        product, visibility = message.name(), self.settings.correction.visibility
        record = self.ledger.get(product.tile.name, str(product))
        if record is not None and record.state in _BEYOND and self.store.info(staged_zip(product)) is None:
            return _delete(delivery)
        _log.info("%s is in work elsewhere; its message comes back later.", product)
        if delivery.count > 1:  # the other may be dead, and by this message: its deliveries go on being counted
            delivery.release(min(_LEASE, visibility))
            return DONE
        delivery.replace(delivery.text, visibility)
        return DONE

    def _stopped(self, delivery: Delivery, message: CorrectionMessage) -> int:
        if not self.stop.signal:
            _log.warning("Stopped: the message was lost to another worker.")
            return AGAIN
        _log.warning("Stopped by signal %d; the message is visible again.", self.stop.signal)
        if message.stops < _MOST_STOPS:  # being stopped is no failure of the product: no try is counted
            delivery.replace(message.model_copy(update={"stops": message.stops + 1}).encode(), 0)
        else:
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


def main() -> int:
    """Wire everything and run once; returns the exit code."""
    stop = Stop()
    stop.listen()
    try:
        _start_log()
        settings = Settings.from_env(os.environ)
        commands = choose_commands(settings.correction)
        for command in commands:
            _log.info("The processor is %s: %s", command.name, " ".join(command.arguments))
        _check_disk(Path(settings.correction.work or gettempdir()), commands)
        with closing(services(settings)) as wired, closing(wired.queue_client(CORRECTIONS)) as client:
            return Worker(
                settings, commands, wired.store, wired.ledger, wired.queues, wired.product_locks, client, stop
            ).run()
    except BadSetting as error:
        _log.error("%s", error)  # a sentence for the operator, no traceback
        return MISCONFIGURED
    except IceWatchError as error:
        _log.error("%s", error)
        return AGAIN


def _check_disk(folder: Path, commands: Sequence[Command]) -> None:
    """Raise BadSetting where nothing can be written, or Sen2Cor would work on a network folder: it fails there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as cause:
        raise BadSetting(f"CORRECTION_WORK is {folder}, where nothing can be written: {cause.strerror}.") from cause
    kind = network_file_system(folder)
    if kind and any(command.name == "Sen2Cor" for command in commands):
        raise BadSetting(f"CORRECTION_WORK is {folder}, on a {kind} file system; Sen2Cor needs a disk of this machine.")


def _start_log() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(os.environ.get("LOG_FORMAT", "")))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    hush()


if __name__ == "__main__":
    sys.exit(main())
