"""HTTP triggers on 127.0.0.1: routes as the Functions host knows them, requests in azure-functions' own types.

As with Core Tools, no keys are asked for on one's own machine; nobody else reaches the loopback address, and
requests under a foreign host name (a web page that rebinds its name) are refused.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import azure.functions as func
from azure.functions.http import HttpRequestConverter
from azure.functions.meta import Datum

from local.bindings import HttpTrigger, Registered
from local.invocation import Invoker, log
from shared.errors import BadSetting, StorageUnavailable
from shared.models import shown

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

ADDRESS = "127.0.0.1"
MAX_BODY = 104_857_600  # bytes; Azure's limit for a request
_PIECE = re.compile(r"\{(?P<all>\*?)(?P<name>\w+)(?::(?P<kind>\w+))?(?P<optional>\??)\}")
_KINDS = {None: "str", "int": "int", "guid": "uuid"}  # route constraints that Starlette knows by another name
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def routes_of(route: str, prefix: str, where: str) -> list[str]:
    """The Starlette paths of an Azure route template such as ``/{*route}`` or ``products/{name?}``.

    Raises BadSetting, naming ``where``, for a template this host cannot serve.
    """
    paths = [""]
    for segment in [piece for piece in f"{prefix}/{route}".split("/") if piece]:
        match = _PIECE.fullmatch(segment)
        if match is None and ("{" in segment or "}" in segment):
            raise BadSetting(f"{where} has the route '{shown(route)}', whose part '{shown(segment)}' is not supported.")
        if match is None:
            paths = [f"{path}/{segment}" for path in paths]
            continue
        kind = "path" if match["all"] else _KINDS.get(match["kind"])
        if kind is None:
            raise BadSetting(f"{where} has a route with the constraint '{match['kind']}'; int and guid are supported.")
        longer = [f"{path}/{{{match['name']}:{kind}}}" for path in paths]
        paths = paths + longer if match["all"] or match["optional"] else longer
    return [path or "/" for path in paths]


def _rank(path: str) -> list[int]:
    """Sorts literal parts before parameters before catch-alls, as the real host's router prefers them."""
    return [0 if "{" not in part else 2 if part.endswith(":path}") else 1 for part in path.split("/")]


async def _body(request: Request) -> bytes | None:
    """The request's body, or None where it is larger than Azure takes."""
    if int(request.headers.get("content-length") or 0) > MAX_BODY:
        return None
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def to_function(request: Request, body: bytes) -> func.HttpRequest:
    """The request as the function gets it."""
    value = {
        "method": Datum(request.method, "string"),
        "url": Datum(str(request.url), "string"),
        "headers": {name: Datum(text, "string") for name, text in request.headers.items()},
        "query": {name: Datum(text, "string") for name, text in request.query_params.items()},
        "params": {name: Datum(str(text), "string") for name, text in request.path_params.items()},
        "body": Datum(body, "bytes"),
    }
    return HttpRequestConverter.decode(Datum(value, "http"), trigger_metadata={})  # type: ignore[no-any-return]


def from_function(result: Any, method: str = "GET") -> Response:
    """The response of a function that returned an HttpResponse, text or nothing; ``method`` is the request's.

    To a HEAD request the function tells the length of what GET would bring, though it brings nothing.
    """
    from starlette.responses import Response

    if result is None:
        return Response(status_code=204)
    if isinstance(result, str):
        return Response(result, media_type="text/plain")
    if not isinstance(result, func.HttpResponse):
        raise TypeError(f"An HTTP function returned {type(result).__name__}; expected func.HttpResponse or str.")
    response = Response(result.get_body(), status_code=result.status_code)
    if method == "HEAD" and (length := result.headers.get("content-length")):
        response.headers["content-length"] = length
    headers = [(name, text) for name, text in result.headers.items() if name.lower() != "content-length"]
    if "content-type" not in result.headers:
        charset = f"; charset={result.charset}" if result.mimetype.startswith("text/") else ""
        headers.append(("content-type", f"{result.mimetype}{charset}"))
    response.raw_headers += [(name.lower().encode("latin-1"), str(text).encode("latin-1")) for name, text in headers]
    return response


def _in_thread(call: Callable[[], Any]) -> asyncio.Future[Any]:
    """Run ``call`` in a thread that may be left behind when the host ends, unlike those of an executor."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()  # a client that goes away stops waiting, not the function

    def work() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001  # raised again where the future is awaited
            future.set_exception(error)

    threading.Thread(target=work, name="http function", daemon=True).start()
    return asyncio.wrap_future(future)


class HttpServer:
    """Serves the HTTP functions of an app."""

    def __init__(self, functions: tuple[Registered, ...], prefix: str, invoker: Invoker, *, port: int) -> None:
        """``port`` 0 takes a free one. Raises BadSetting for routes this host cannot serve."""
        self._invoker, self._port = invoker, port
        paths = [
            (path, function)
            for function in functions
            if isinstance(function.trigger, HttpTrigger)
            for path in routes_of(function.trigger.route, prefix.strip("/"), f"Function {function.name}")
        ]
        self._routes = [self._route(path, function) for path, function in sorted(paths, key=lambda e: _rank(e[0]))]
        self.address = ""
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and wait until requests are answered. Raises BadSetting where the port is taken."""
        import uvicorn

        # Named as TCP, so that asyncio sends small answers at once instead of 40 ms later (TCP_NODELAY).
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ADDRESS, self._port))
        except OSError as cause:
            listener.close()
            raise BadSetting(f"Port {self._port} of {ADDRESS} cannot be used: {cause.strerror}.") from cause
        config = uvicorn.Config(
            self._application(),
            lifespan="off",
            ws="none",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="http", daemon=True
        )
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise StorageUnavailable("The HTTP server did not start.")
            time.sleep(0.01)
        self.address = f"http://{ADDRESS}:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Take no more requests; those under way get a few seconds."""
        if self._server is not None:
            self._server.should_exit = True

    def join(self, deadline: float) -> None:
        """Wait until ``deadline`` (monotonic) for the server to end."""
        if self._thread is not None:
            self._thread.join(max(0.1, deadline - time.monotonic()))

    def _application(self) -> Starlette:
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        guard = Middleware(TrustedHostMiddleware, allowed_hosts=[ADDRESS, "localhost"])
        app = Starlette(routes=self._routes, middleware=[guard])
        app.router.redirect_slashes = False
        return app

    def _route(self, path: str, function: Registered) -> Route:
        from starlette.responses import Response
        from starlette.routing import Route

        async def endpoint(request: Request) -> Response:
            body = await _body(request)
            if body is None:
                return Response(f"The request is larger than {MAX_BODY} bytes.", 413, media_type="text/plain")
            try:
                value = to_function(request, body)
                cause = f"{request.method} {shown(request.url.path)}"
                result = await _in_thread(lambda: self._invoker.run(function, value, cause))
                return from_function(result, request.method)
            except Exception as error:  # noqa: BLE001  # logged where it was called; the host goes on
                log.debug("%s: answered with 500: %s", function.name, error)
                return Response(status_code=500)

        trigger = function.trigger
        methods = trigger.methods if isinstance(trigger, HttpTrigger) and trigger.methods else _METHODS
        return Route(path, endpoint, methods=list(methods))
