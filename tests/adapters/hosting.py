"""A host for small apps made in a test: short times, a storage account of the test session."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueClient

from local.host import Host, Pace

STORAGE = "AzureWebJobsStorage"
FAST = Pace(longest_pause=0.1, scan=0.1, workers=0.1, invisibility=2, grace=3.0)


def unique(stem: str) -> str:
    """A queue or container name that no other test uses."""
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def host_json(folder: Path, *, timeout: str = "00:30:00", **extensions: Any) -> Path:
    """A host.json with ``extensions``; queues are plain text and tried twice, unless the test says otherwise."""
    queues = {"messageEncoding": "none", "maxDequeueCount": 2, "batchSize": 4, "newBatchThreshold": 0}
    parts = {"http": {"routePrefix": ""}, **extensions, "queues": queues | extensions.get("queues", {})}
    file = folder / "host.json"
    file.write_text(json.dumps({"version": "2.0", "functionTimeout": timeout, "extensions": parts}))
    return file


def host_of(app: Any, connection: str, folder: Path, **options: Any) -> Host:
    """A host without workers for ``app``; ``options`` are those of Host, and ``config`` those of host_json."""
    options = {"workers": 0, "pace": FAST, **options}
    file = host_json(folder, **options.pop("config", {}))
    settings = {STORAGE: connection} | options.pop("settings", {})
    return Host(app, settings, folder=folder / "host", host_json=file, **options)


def texts(queue: QueueClient) -> list[str]:
    """The contents of up to 32 visible messages."""
    return [message.content for message in queue.peek_messages(32)]


def eventually(check: Callable[[], Any], seconds: float = 60.0) -> bool:
    """True as soon as ``check`` gives something true; False after ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.02)
    return bool(check())
