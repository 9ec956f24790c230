"""Several ASGI applications on ports of their own, served by one thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.errors import ProviderUnavailable

_START_LIMIT = 20.0  # seconds


class Ports:
    """One free port of 127.0.0.1 for each name, taken at once, so that addresses are known before anything runs."""

    def __init__(self, *names: str) -> None:
        """Take the ports."""
        self.sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
        for each in self.sockets.values():
            # asyncio sets it only on sockets that name their protocol; without it every answer waits for 40 ms.
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def port(self, name: str) -> int:
        """Its number."""
        return int(self.sockets[name].getsockname()[1])

    def address(self, name: str) -> str:
        """``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self.port(name)}"

    def close(self) -> None:
        """Give the ports back."""
        for each in self.sockets.values():
            each.close()


class Running:
    """One server thread for the applications on ``ports``."""

    def __init__(self, ports: Ports, apps: Mapping[str, ASGIApp]) -> None:
        """Start; raises ProviderUnavailable where it does not come up."""
        import uvicorn

        self.ports = ports
        by_port = {ports.port(name): app for name, app in apps.items()}

        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            await by_port[scope["server"][1]](scope, receive, send)

        config = uvicorn.Config(
            dispatch, log_config=None, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=(list(ports.sockets.values()),), name="simulated-copernicus", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_LIMIT
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise ProviderUnavailable("The simulated Copernicus did not start.")
            time.sleep(0.01)

    def stop(self) -> None:
        """End the thread and give the ports back."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self.ports.close()
