"""The services a command talks to: the storage account that is named, the running host's, or the folder's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.azurite import Azurite
from local.host import endpoints_of
from shared.errors import NotFound
from shared.settings import DEVELOPMENT, STORAGE
from shared.wiring import Services, services

FOLDER = Path(".icewatch")  # data of the one-machine host, below the present folder


@contextmanager
def session(folder: Path, *, needs_host: bool = False) -> Iterator[Services]:
    """Yield the services of the storage account in the environment, or of the host that uses ``folder``.

    Where no host runs, its storage is started for the moment, unless ``needs_host``: then NotFound says so.
    """
    if os.environ.get(STORAGE, DEVELOPMENT) != DEVELOPMENT or f"{STORAGE}__blobServiceUri" in os.environ:
        yield services()
        return
    running = endpoints_of(folder)
    if running is not None:
        yield _services(running.connection_string)
        return
    if needs_host:
        raise NotFound(f"No host runs on {folder}; start one with 'python -m local host', then repeat this.")
    if not (folder / "azurite").is_dir():
        raise NotFound(f"There is no IceWatch data in {folder}; start a host with 'python -m local host'.")
    with Azurite(folder / "azurite") as azurite:
        yield _services(azurite.connection_string)


def _services(connection_string: str) -> Services:
    os.environ[STORAGE] = connection_string
    return services()
