"""Bytes per day, counted by all instances together: one small JSON blob, written only where nobody else was faster.

locks/download-bytes.json    {"2026-11-22": 81264390212}
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobServiceClient, ContentSettings
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from shared.adapters.account import making_container, storage_errors
from shared.adapters.leases import LOCKS
from shared.errors import StorageUnavailable
from shared.models import shown

_log = logging.getLogger("icewatch")
_NAME = "download-bytes.json"
_TRIES = 15  # of one update against other writers
_JSON = ContentSettings(content_type="application/json")


class _LostRace(Exception):
    """Another writer was faster; never leaves this file."""


class BlobTally:
    """Tally in one blob; makes the container when it is first written to."""

    def __init__(self, service: BlobServiceClient, *, container: str = LOCKS) -> None:
        self._service, self._container = service, container

    def close(self) -> None:
        """Give the connections back."""
        self._service.close()

    def update(self, change: Callable[[Mapping[date, int]], Mapping[date, int]]) -> None:
        """Replace the tally by ``change(tally)``; again with the newest where another writer was faster.

        Raises StorageUnavailable where others are faster every time, and what ``change`` raises.
        """
        tries = Retrying(
            retry=retry_if_exception_type(_LostRace),
            wait=wait_random_exponential(multiplier=0.02, max=2),  # seconds
            stop=stop_after_attempt(_TRIES),
        )
        try:
            tries(self._try_update, change)
        except RetryError as cause:
            raise StorageUnavailable(f"Other writers of {_NAME} were faster {_TRIES} times.") from cause

    def _try_update(self, change: Callable[[Mapping[date, int]], Mapping[date, int]]) -> None:
        client = self._service.get_blob_client(self._container, _NAME)
        with storage_errors(f"blob {self._container}/{_NAME}"):
            old, condition = _read(client)
            new = change(old)
            if new == old:
                return
            body = json.dumps({day.isoformat(): count for day, count in sorted(new.items())}).encode()
            try:
                self._write(client, body, condition)
            except (ResourceModifiedError, ResourceExistsError) as cause:
                raise _LostRace from cause

    def _write(self, client: BlobClient, body: bytes, condition: Mapping[str, Any]) -> None:
        def write() -> None:
            client.upload_blob(body, overwrite=True, content_settings=_JSON, **condition)

        making_container(self._service, self._container, write)


def _read(client: BlobClient) -> tuple[dict[date, int], dict[str, Any]]:
    """The tally, and the condition under which it may be replaced."""
    try:
        blob = client.download_blob()
    except ResourceNotFoundError:
        return {}, {"match_condition": MatchConditions.IfMissing}
    condition = {"etag": blob.properties.etag, "match_condition": MatchConditions.IfNotModified}
    return _parsed(blob.readall()), condition


def _parsed(body: bytes) -> dict[date, int]:
    """The days; a tally that somebody broke is begun anew, as a wrong budget is better than no downloads."""
    try:
        stated = json.loads(body)
        return {date.fromisoformat(day): max(0, int(count)) for day, count in stated.items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as cause:
        _log.warning("%s does not parse and is begun anew: %s", _NAME, shown(cause))
        return {}
