"""The FastAPI application: which routes there are; what they answer stands beside it, one file per thing."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from functions.api import (
    extracts,
    health,
    notifications,
    ordering,
    products,
    results,
    stac,
    stac_search,
    tiles,
    watchlist,
)
from functions.api.door import Door
from functions.api.heads import Heads, with_heads
from functions.api.outside import EVERYWHERE
from functions.api.problems import Problem, say_problems
from functions.pages.rendering import unknown_page
from functions.pages.routes import router as pages
from shared.pipeline.surface_results import VERSION

_ABOUT = """What the pipeline holds, has done and failed to do, and the orders that repair it.

Send the app's key (setting `API_KEY`) as header `x-functions-key`. Errors are problem details (RFC 9457). Lists are
paged: `next` is the address of the next page. Links to result files carry a token and work for an hour without the key.
Every address that takes GET takes HEAD.
"""


@cache
def application() -> FastAPI:
    """Build the application once per process."""
    app = FastAPI(
        title="IceWatch",
        version=VERSION,
        summary="Watches glaciers and ice sheets with Sentinel-2.",
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=EVERYWHERE,
    )
    # Names of products may hold a slash, where they are names of refused blobs: more precise addresses go first.
    parts = (health, watchlist, tiles, extracts, products, results, ordering, notifications, stac, stac_search)
    for part in parts:
        app.include_router(part.router)
    app.include_router(pages, include_in_schema=False)
    say_problems(app)
    app.add_exception_handler(HTTPException, unknown_page)
    app.add_middleware(Door)
    app.add_middleware(Heads)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # as FastAPI's own text says to extend it
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the shape of problems, which routes name by reference."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            separate_input_output_schemas=False,
        )
        shapes = document.setdefault("components", {}).setdefault("schemas", {})
        document["paths"] = with_heads(document["paths"])
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        shapes |= problem.pop("$defs", {}) | {"Problem": problem}
        app.openapi_schema = document
    return app.openapi_schema
