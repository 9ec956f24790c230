"""Timers: six-field expressions in UTC, one run at a time, one missed run caught up."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import azure.functions as func
from azure.functions.meta import Datum
from azure.functions.timer import TimerRequestConverter

from local.bindings import Registered, TimerTrigger
from local.invocation import Invoker, log
from shared.adapters.timers import Schedule
from shared.models import shown

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_SHORTEST_MONITORED = 60.0  # seconds between runs; the real host watches no faster timer for missed runs
_NAP = 30.0  # seconds; the wall clock is read again this often, for machines that sleep


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of a timer's runs."""

    last: datetime | None  # scheduled time of the last run
    next: datetime
    updated: datetime

    def as_json(self) -> dict[str, str]:
        """As the real host writes it."""
        return {
            "Last": self.last.isoformat() if self.last else "",
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }

    @classmethod
    def parse(cls, text: bytes) -> Status | None:
        """Read what ``as_json`` wrote; None where it is anything else, which counts as never run."""
        try:
            fields = json.loads(text)
            last = datetime.fromisoformat(fields["Last"]) if fields["Last"] else None
            return cls(last, datetime.fromisoformat(fields["Next"]), datetime.fromisoformat(fields["LastUpdated"]))
        except (ValueError, KeyError, TypeError):
            return None


class StatusBlob:
    """Keeps the status of one timer where the real host does."""

    def __init__(self, container: ContainerClient, host_id: str, function: Registered) -> None:
        self._blob = container.get_blob_client(f"timers/{host_id}/{function.id}/status")

    def read(self) -> Status | None:
        """The status, or None where there is none. Raises AzureError."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return Status.parse(self._blob.download_blob().readall())
        except ResourceNotFoundError:
            return None

    def write(self, status: Status) -> None:
        """Replace the status. Raises AzureError."""
        self._blob.upload_blob(json.dumps(status.as_json()), overwrite=True)


def current(status: Status | None, schedule: Schedule) -> bool:
    """True where ``status`` was written under this very schedule."""
    return status is not None and schedule.next(status.last or status.updated) == status.next


def missed(status: Status | None, schedule: Schedule, now: datetime) -> bool:
    """True where a run was due while no host was there; a schedule that changed since has missed nothing."""
    return status is not None and current(status, schedule) and now > status.next


class TimerListener:
    """One timer."""

    def __init__(
        self,
        function: Registered,
        trigger: TimerTrigger,
        invoker: Invoker,
        store: StatusBlob,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; raise BadSetting where the schedule does not parse."""
        self.function, self._trigger, self._invoker, self._clock = function, trigger, invoker, clock
        self._schedule = Schedule(trigger.schedule, f"Function {function.name}")
        first = self._schedule.next(clock())
        between = (self._schedule.next(first) - first).total_seconds()
        self._store = store if trigger.use_monitor and between >= _SHORTEST_MONITORED else None
        self._one = threading.Lock()  # a timer never overlaps with itself
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"timer {function.name}", daemon=True)

    def start(self) -> None:
        """Begin to wait for the times."""
        self._thread.start()

    def stop(self) -> None:
        """Begin no further run."""
        self._stopping.set()

    def join(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for a run under way."""
        self._thread.join(max(0.1, deadline - time.monotonic()))

    def run(self, *, past_due: bool = False, due: datetime | None = None, status: Status | None = None) -> bool:
        """Run the function now; True where it ended well. Waits where it runs already."""
        with self._one:
            try:
                self._invoker.run(self.function, _request(past_due, status), "timer")
            except Exception:  # noqa: BLE001  # logged where it was called; the next time comes anyway
                well = False
            else:
                well = True
            if due is not None:
                self._remember(Status(due, self._schedule.next(due), self._clock()))
            return well

    def _remember(self, status: Status) -> None:
        from azure.core.exceptions import AzureError

        try:
            if self._store is not None:
                self._store.write(status)
        except AzureError as error:
            log.warning("%s: its status cannot be kept: %s", self.function.name, shown(error))

    def _loop(self) -> None:
        status = self._begin()
        while not self._stopping.is_set():
            due = self._schedule.next(self._clock())
            while (left := (due - self._clock()).total_seconds()) > 0:
                if self._stopping.wait(min(left, _NAP)):
                    return
            self.run(due=due, status=status)
            status = self._status()

    def _begin(self) -> Status | None:
        """Catch up one missed run, or do the run at start that is asked for; return the status."""
        now, status = self._clock(), self._status()
        late = missed(status, self._schedule, now)
        if late or self._trigger.run_on_startup:
            self.run(past_due=late, due=now, status=status)
        elif not current(status, self._schedule):
            self._remember(Status(None, self._schedule.next(now), now))
        return self._status()

    def _status(self) -> Status | None:
        from azure.core.exceptions import AzureError

        try:
            return self._store.read() if self._store is not None else None
        except AzureError as error:
            log.warning("%s: its status cannot be read: %s", self.function.name, shown(error))
            return None


def _request(past_due: bool, status: Status | None) -> func.TimerRequest:
    fields = {
        "Schedule": {"AdjustForDST": False},
        "ScheduleStatus": status.as_json() if status else None,
        "IsPastDue": past_due,
    }
    return TimerRequestConverter.decode(Datum(json.dumps(fields), "json"), trigger_metadata=None)  # type: ignore[no-any-return]
