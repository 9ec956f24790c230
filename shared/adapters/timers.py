"""When the timers are due: their schedules, and when the host that runs them first began on this storage account."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.errors import BadSetting
from shared.models import shown

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

HOSTS = "azure-webjobs-hosts"  # the container in which the Functions host keeps its state; it makes it when it begins
_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun"
_FIELD = rf"(?:[0-9*,/-]|{_NAMES})+"
_EXPRESSION = re.compile(rf"{_FIELD}(?: +{_FIELD}){{5}}", re.IGNORECASE)


class Schedule:
    """A six-field NCRONTAB expression: second, minute, hour, day, month, day of week, all of which must match."""

    def __init__(self, expression: str, where: str) -> None:
        """Parse; raise BadSetting, naming ``where``, for what is no such expression or never comes due."""
        from croniter import CroniterError, croniter

        self._expression = expression.strip()
        if _EXPRESSION.fullmatch(self._expression) is None:
            raise BadSetting(
                f"{where} has the schedule '{shown(expression)}'; expected six fields: "
                "second minute hour day month day-of-week."
            )
        self._croniter = croniter
        try:
            self.next(datetime.now(UTC))
        except (CroniterError, ValueError) as cause:
            raise BadSetting(f"{where} has the schedule '{shown(expression)}': {cause}.") from cause

    def next(self, after: datetime) -> datetime:
        """The first time later than ``after``."""
        # NCRONTAB wants day and day of week both to match; cron would be content with either.
        times = self._croniter(self._expression, after, second_at_beginning=True, day_or=False)
        return times.get_next(datetime)  # type: ignore[no-any-return, unused-ignore]


def set_up_at(service: BlobServiceClient) -> datetime | None:
    """When a Functions host first began on this account, UTC; None where none ever did. Raises StorageUnavailable.

    Read off the container that the host makes: writing blobs does not touch its Last-Modified (Microsoft, "Get
    Container Properties"), and the host changes nothing else of it. So it outlives restarts, and nobody has to keep it.
    """
    from azure.core.exceptions import ResourceNotFoundError

    from shared.adapters.account import storage_errors

    with storage_errors(f"container {HOSTS}"):
        try:
            return service.get_container_client(HOSTS).get_container_properties().last_modified
        except ResourceNotFoundError:
            return None
