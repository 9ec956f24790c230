"""The simulated Copernicus as a running server."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from local.copernicus.app import CATALOGUE, DOWNLOAD, IDENTITY, make_app
from local.copernicus.faults import Fault, Kind
from local.copernicus.shelf import Shelf
from local.copernicus.tokens import Lifetimes, Tokens
from shared.errors import ProviderUnavailable
from shared.models import ProductName

_START_LIMIT = 20.0  # seconds


class SimulatedCopernicus:
    """Login, catalogue and downloads of the Copernicus Data Space, on a free port of 127.0.0.1.

        with SimulatedCopernicus() as copernicus:
            copernicus.publish(scene.zip)
            settings = Settings.from_env(copernicus.environment() | ...)

    Products and faults can be added while it runs.
    """

    def __init__(
        self,
        *,
        user: str = "demo",
        password: str = "demo",  # noqa: S107 - it opens nothing but the simulation
        lifetimes: Lifetimes | None = None,
    ) -> None:
        """The one account that may download is ``user``."""
        self._user, self._password = user, password
        self._shelf = Shelf()
        self._tokens = Tokens(user, password, lifetimes or Lifetimes())
        self._running: _Running | None = None

    def start(self) -> None:
        """Begin to answer; raises ProviderUnavailable where it does not come up."""
        if self._running is None:
            self._running = _Running(self._shelf, self._tokens)

    def stop(self) -> None:
        """Stop answering and end the thread; downloads under way are cut off."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """The server's address, without a slash at the end; raises ProviderUnavailable where it does not run."""
        if self._running is None:
            raise ProviderUnavailable("The simulated Copernicus is not running; start it first.")
        return self._running.address

    def environment(self) -> dict[str, str]:
        """The app settings that lead here."""
        return {
            "COPERNICUS_USER": self._user,
            "COPERNICUS_PASSWORD": self._password,
            "COPERNICUS_IDENTITY_URL": self.address + IDENTITY,
            "COPERNICUS_CATALOGUE_URL": self.address + CATALOGUE,
            "COPERNICUS_DOWNLOAD_URL": self.address + DOWNLOAD,
        }

    def publish(
        self, file: Path, *, published: datetime | None = None, online: bool = True, cloud_cover: float | None = None
    ) -> str:
        """Offer the product zip ``file``; returns its identifier.

        ``published`` is now, ``cloud_cover`` (percent) what the product's metadata says, unless stated. Raises BadName
        or BadProduct where ``file`` is no product.
        """
        return self._shelf.publish(file, published=published, online=online, cloud_cover=cloud_cover)

    def set_online(self, name: ProductName, *, online: bool) -> None:
        """Bring a product back from the long-term archive, or send it there."""
        self._shelf.set_online(name, online)

    def withdraw(self, name: ProductName, *, cause: str = "Duplicated product") -> None:
        """Delete a product; it shows among the deleted ones."""
        self._shelf.withdraw(name, cause)

    def inject(self, fault: Fault, *, times: int = 1) -> None:
        """Let ``fault`` happen to the next ``times`` requests of its kind."""
        self._shelf.inject(fault, times)

    def expire_tokens(self) -> None:
        """End all access tokens now."""
        self._tokens.expire()

    @property
    def requests(self) -> Counter[Kind]:
        """How many requests of each kind came."""
        return Counter(self._shelf.requests)

    @property
    def sessions(self) -> int:
        """How many login sessions are live."""
        return self._tokens.sessions


class _Running:
    """One server thread with its socket."""

    def __init__(self, shelf: Shelf, tokens: Tokens) -> None:
        import uvicorn

        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            make_app(shelf, tokens), log_config=None, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="simulated-copernicus", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_LIMIT
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise ProviderUnavailable("The simulated Copernicus did not start.")
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
