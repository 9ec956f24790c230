"""Paging: a page names the row after which the next one begins, so that rows that come meanwhile shift nothing."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime

from shared.errors import BadName
from shared.models import shown
from shared.pipeline.overview import order
from shared.records import Record


def cursor(record: Record) -> str:
    """What names ``record`` in the next page's address."""
    at, partition, name = order(record)
    return urlsafe_b64encode(json.dumps([at.timestamp(), partition, name]).encode()).decode().rstrip("=")


def after(records: Sequence[Record], text: str) -> Sequence[Record]:
    """Those of ``records`` (newest first) that come after the one that ``text`` names; BadName where it names none."""
    if not text:
        return records
    try:
        seconds, partition, name = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        begin = datetime.fromtimestamp(float(seconds), UTC), str(partition), str(name)
    except (ValueError, TypeError, OverflowError, OSError, RecursionError) as cause:
        raise BadName(f"'{shown(text)}' names no row; take the address of the next page as it was given.") from cause
    before = bisect_left([order(record) for record in reversed(records)], begin)
    return records[len(records) - before :]
