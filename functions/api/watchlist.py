"""The watchlist over HTTP: read it, replace it. What does not validate changes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import ValidationError
from starlette.responses import Response as Plain

from functions.api.etags import Tags
from functions.api.outside import Outside
from functions.api.problems import ALWAYS, Fault, Refusal, answers, faults_of
from functions.api.snapshot import forget
from shared.errors import BadSetting, Changed, NotFound
from shared.models import WATCHLIST, shown
from shared.pipeline.watching import in_force, parse
from shared.ports import ObjectStore
from shared.watchlist import Watchlist
from shared.wiring import Services

router = APIRouter(tags=["watchlist"])
_JSON = "application/json"
_TRIES = 20  # to write without conditions while others write
_EMPTY = b'{"version": 1, "areas": []}'
_EXAMPLE = {
    "version": 1,
    "areas": [{"name": "Dark zone", "tiles": ["22WEV"], "months": [6, 7, 8], "since": "2019-06-01"}],
}
_ETAG = {"ETag": {"description": "What this version is called; send it as If-Match", "schema": {"type": "string"}}}


@router.get(
    "/api/watchlist",
    response_class=Plain,
    responses={
        200: {
            "description": "The text as it is stored",
            "headers": _ETAG,
            "content": {_JSON: {"schema": {"type": "object"}, "example": _EXAMPLE}},
        },
        **answers(*ALWAYS),
    },
)
def read_watchlist(outside: Outside) -> Plain:
    """The watchlist as somebody wrote it last, with its ETag; an empty one where nobody has."""
    info = outside.store.info(WATCHLIST)
    try:
        body = outside.store.read(WATCHLIST) if info else _EMPTY
    except NotFound:  # removed this moment
        info, body = None, _EMPTY
    return Plain(body, media_type=_JSON, headers={"ETag": info.etag} if info else {})


@router.put(
    "/api/watchlist",
    status_code=204,
    response_class=Plain,
    responses={204: {"description": "It is in force", "headers": _ETAG}, **answers(*ALWAYS, 412, 413)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": Watchlist.model_json_schema(ref_template="#/components/schemas/{model}")}},
        }
    },
)
async def write_watchlist(
    request: Request,
    outside: Outside,
    if_match: Annotated[
        str | None,
        Header(description="Only where it still is this version", max_length=200, examples=['"0x8DC1B2A3F4E5D60"']),
    ] = None,
    if_none_match: Annotated[
        str | None, Header(description="'*': only where there is none yet", max_length=200, examples=["*"])
    ] = None,
) -> Response:
    """Check a watchlist and put it in force; every fault is listed with its place, and then the old one stays."""
    from starlette.concurrency import run_in_threadpool

    body = await request.body()
    etag = await run_in_threadpool(_put, body, if_match, if_none_match, outside)
    return Response(status_code=204, headers={"ETag": etag})


def _put(body: bytes, if_match: str | None, if_none_match: str | None, outside: Services) -> str:
    try:
        parse(body)
    except BadSetting as error:
        raise Refusal(422, str(error), faults=_faults(error)) from error
    wanted = _tags("If-Match", if_match), _tags("If-None-Match", if_none_match)
    etag = _replaced(outside.store, body, *wanted)
    in_force(outside.store, ledger=outside.ledger, clock=outside.clock)
    forget()
    return etag


def _tags(header: str, text: str | None) -> Tags | None:
    """What a condition names; None where the header is missing; Refusal where it does not parse."""
    tags = None if text is None else Tags.parse(text)
    if tags is None and text is not None:
        raise Refusal(400, f"{header} is '{shown(text)}'; expected * or the ETag of a version, in double quotes.")
    return tags


def _replaced(store: ObjectStore, body: bytes, match: Tags | None, none_match: Tags | None) -> str:
    """Write where the conditions hold of what is there; the ETag of just this, whatever others write after it."""
    for _ in range(_TRIES):
        info = store.info(WATCHLIST)
        etag = info.etag if info else None
        if (match and not match.holds(etag)) or (none_match and none_match.holds_weakly(etag)):
            break
        with suppress(Changed):
            return store.replace(WATCHLIST, body, etag=etag, content_type=_JSON)
    raise Changed("The watchlist has been changed since it was read.")


def _faults(error: BadSetting) -> list[Fault]:
    cause: Any = error.__cause__
    if isinstance(cause, ValidationError):
        return faults_of(cause.errors(include_url=False, include_input=False, include_context=False))
    place = str(error).partition(" at ")[2].partition(":")[0]
    return [Fault(place=place or "the whole file", sentence=str(error))]
