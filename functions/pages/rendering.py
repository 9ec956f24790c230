"""Templates, static files and the headers that every page carries."""

from __future__ import annotations

import hashlib
import logging
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from functions.api.access import access
from functions.api.kept_route import Handler, kept
from functions.api.links import is_for_programs, result_link
from functions.api.problems import STATUS, http_problem, said_of
from functions.pages import words
from functions.pages.views import FIRST_MONTH, is_of_before, may_retry
from shared.errors import IceWatchError, NotFound
from shared.models import State
from shared.pipeline.overview import sensed
from shared.pipeline.surface_results import is_approximate
from shared.records import DRONE
from shared.science.classes import Quality, SurfaceClass

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # With 'no-referrer' browsers send our own forms with 'Origin: null', as a hostile page's would be.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
# Why a pixel has no class, in the order of the overview's legend; the others hardly ever fill an area one could see.
NO_CLASS = (Quality.CLOUD, Quality.CIRRUS, Quality.SHADOW, Quality.NOT_ICE, Quality.OUTSIDE_ICE, Quality.NODATA)
_FOR_EVER = "public, max-age=31536000, immutable"  # their addresses change with their content
_log = logging.getLogger("icewatch")


@lru_cache(maxsize=2)
def templates(*more: Path) -> Environment:
    """The templates of the pages with what they call, and those of the folders ``more`` before them."""
    found = Environment(
        loader=FileSystemLoader([*more, _HERE / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("moment", "instant", "span", "ago", "size", "number", "area", "address_of", "title_of")
    found.globals |= {name: getattr(words, name) for name in names}
    found.globals |= {
        "MARKS": words.MARKS,
        "EXPECTED": words.EXPECTED,
        "NOTHING": words.NOTHING,
        "State": State,
        "DRONE": DRONE,
        "sensed": sensed,
        "CLASSES": tuple(SurfaceClass),
        "NO_CLASS": NO_CLASS,
        "FIRST_MONTH": FIRST_MONTH,
        "is_approximate": is_approximate,
        "static": static_address,
        "picture": lambda record: result_link(f"{record.results}/quicklook.png"),
    }
    found.tests |= {"may_retry": may_retry, "of_before": is_of_before}
    return found


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page that ``template`` gives, with the headers that keep it to itself."""
    found = access()
    text = (
        templates()
        .get_template(template)
        .render(
            path=request.url.path,
            csrf=found.csrf(request),
            may_sign_out=not found.is_open and found.is_signed_in(request),
            **values,
        )
    )
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def problem_page(request: Request, status: int, sentence: str) -> HTMLResponse:
    """The page that says what is wrong."""
    return page(request, "problem.html", status=status, heading=HTTPStatus(status).phrase, sentence=sentence)


def reads_pages(request: Request) -> bool:
    """Whether who asks wants pages, as browsers say."""
    return "text/html" in request.headers.get("accept", "")


async def unknown_page(request: Request, error: Exception) -> Response:
    """The answer to an address or a method that there is not: a page for who reads pages, a problem for programs."""
    if not reads_pages(request) or is_for_programs(request.url.path) or not isinstance(error, HTTPException):
        return await http_problem(request, error)
    answer = problem_page(request, error.status_code, said_of(error))
    answer.headers.update(error.headers or {})
    return answer


class PageRoute(APIRoute):
    """A route whose errors are pages: a person reads them."""

    def get_route_handler(self) -> Handler:
        """The handler with our errors and refused parameters turned into pages."""
        handler = super().get_route_handler()

        async def handling(request: Request) -> Response:
            try:
                return await handler(request)
            except IceWatchError as error:
                status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
                if status >= 500:
                    _log.error("pages: %s: %s", type(error).__name__, error)
                return problem_page(request, status, str(error))
            except RequestValidationError as error:
                faults = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
                return problem_page(request, 422, f"The address is not understood ({faults}).")

        return handling


class KeptPage(PageRoute):
    """A page that shows nothing but what the ledger held some seconds ago: made once for all who look."""

    def get_route_handler(self) -> Handler:
        """The handler that answers from what is kept where it can."""
        return kept(super().get_route_handler())


@lru_cache(maxsize=32)
def _static(name: str) -> tuple[bytes, str]:
    """Content and digest of a static file; NotFound for anything that is none."""
    known = {str(file.relative_to(_HERE / "static")): file for file in (_HERE / "static").rglob("*.*")}
    if name not in known or known[name].suffix not in _TYPES:
        raise NotFound("There is no such file.")
    content = known[name].read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


def style() -> str:
    """The style sheet, for a page that has to carry it along."""
    return _static("icewatch.css")[0].decode("utf-8")


def static_address(name: str) -> str:
    """The address of a static file, another whenever its content is."""
    return f"/static/{name}?v={_static(name)[1]}"


def static_file(name: str) -> Response:
    """A static file; raises NotFound where there is none of that name."""
    content, _ = _static(name)
    headers = {**HEADERS, "Cache-Control": _FOR_EVER}
    return Response(content, media_type=_TYPES[Path(name).suffix], headers=headers)
