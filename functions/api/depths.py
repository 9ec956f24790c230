"""How many messages the queues hold, all asked at once: one after another they would take ten times as long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from shared.pipeline.metrics import ALL_QUEUES
from shared.ports import Queues


def depths(queues: Queues) -> dict[str, int]:
    """Queue -> about how many messages wait or are in work, poison queues among them."""
    with ThreadPoolExecutor(len(ALL_QUEUES)) as pool:
        return dict(zip(ALL_QUEUES, pool.map(queues.depth, ALL_QUEUES), strict=True))
