"""What a person does on the pages: sign in and out, and give orders. Every form proves that it is our own."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import RedirectResponse

from functions.api.access import access, clear_cookie, set_cookie
from functions.api.ordering import orders
from functions.api.problems import Refusal, refusal_of
from functions.api.snapshot import forget
from functions.pages.rendering import HEADERS, PageRoute, page, problem_page, reads_pages
from functions.pages.words import address_of
from shared.errors import BadMessage, BadName
from shared.models import Tile, TileMonth
from shared.pipeline.orders import Ordered, Orders

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_MOST_FORM = 20_000  # bytes
DONE = {
    "retry": "It is put back and begins again within seconds; this page shows how far it is whenever it is loaded.",
    "reclassify": "It will be classified again; the maps of before stay until then.",
    "cancel": "It is taken off.",
    "none": "Nothing was to be done: it is on its way already, or what was ordered is done.",
}
Form = dict[str, str]
Taking = Annotated[Orders, Depends(orders)]


async def form(request: Request) -> Form:
    """The fields of a sent form; raises BadMessage where it is none of ours."""
    body = await request.body()
    if len(body) > _MOST_FORM:
        raise BadMessage(f"The form has {len(body)} bytes; none of ours has more than {_MOST_FORM}.")
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10))
    except ValueError as cause:
        raise BadMessage("The form does not parse; go back, load the page again, and send it from there.") from cause


Sent = Annotated[Form, Depends(form)]


def _is_foreign(request: Request, sent: Form) -> bool:
    return not access().check_csrf(request, sent.get("csrf", ""))


def _stale(request: Request) -> Response:
    sentence = (
        "The form is not of this session; nothing was done. Go back, load the page again, and send it from there."
    )
    return problem_page(request, 403, sentence)


def _to(address: str) -> Response:
    return RedirectResponse(address, status_code=303, headers=HEADERS)


def own_path(text: str) -> str:
    """``text`` where it is a path of this site that a browser cannot take for another site's; else the overview."""
    return text if re.fullmatch(r"/(?![/\\])[^\\\s]*", text) and text.isprintable() and len(text) < 2000 else "/"


@router.get("/sign-in")
def sign_in_page(request: Request, wanted: Annotated[str, Query(alias="next", max_length=3000)] = "/") -> Response:
    """Where the key is asked for."""
    if access().is_signed_in(request):
        return _to(own_path(wanted))
    return page(request, "sign_in.html", wanted=own_path(wanted), refused="")


@router.post("/sign-in")
def sign_in(request: Request, sent: Sent) -> Response:
    """A session for who knows the key."""
    wanted = own_path(sent.get("next", "/"))
    try:
        cookie = access().sign_in(sent.get("key", "").strip(), request)
    except Refusal as paused:
        if not reads_pages(request):
            return refusal_of(paused)
        answer = page(request, "sign_in.html", status=paused.status, wanted=wanted, refused=paused.detail)
        answer.headers.update(paused.headers or {})
        return answer
    if cookie is None:
        sentence = "This is not the key. It is the app setting API_KEY; whoever set IceWatch up knows it."
        return page(request, "sign_in.html", status=403, wanted=wanted, refused=sentence)
    response = _to(wanted)
    set_cookie(response, cookie, request)
    return response


@router.post("/sign-out")
def sign_out(request: Request, sent: Sent) -> Response:
    """The end of a session, also for who copied its cookie."""
    if _is_foreign(request, sent):
        return _stale(request)
    access().sign_out(request)
    response = _to("/sign-in")
    clear_cookie(response)
    return response


def _one(order: str, give: Callable[[Orders, str], Ordered]) -> Callable[..., Response]:
    """The route of an order about one product."""

    def ordering(request: Request, sent: Sent, taking: Taking) -> Response:
        if _is_foreign(request, sent):
            return _stale(request)
        name = sent.get("name", "")
        done = give(taking, name)
        forget()
        address = address_of(taking.known(name))
        told = urlencode({"ordered": order if done.accepted else "none"})
        return _to(f"{address}{'&' if '?' in address else '?'}{told}")

    return ordering


router.add_api_route("/orders/retry", _one("retry", Orders.retry), methods=["POST"])
router.add_api_route("/orders/reclassify", _one("reclassify", Orders.reclassify), methods=["POST"])
router.add_api_route("/orders/cancel", _one("cancel", Orders.cancel), methods=["POST"])


@router.post("/orders/retry-failed")
def retry_failed(request: Request, sent: Sent, taking: Taking) -> Response:
    """Put back all that failed for one reason."""
    if _is_foreign(request, sent):
        return _stale(request)
    key = sent.get("key", "")
    if not re.fullmatch(r"[0-9a-f]{12}", key):
        raise BadName("The form names no kind of failure; load the page again.")
    taking.retry_failed(key)
    forget()
    return _to("/failures?ordered=retry")


@router.post("/orders/backfill")
def backfill(request: Request, sent: Sent, taking: Taking) -> Response:
    """Search older months of a tile."""
    if _is_foreign(request, sent):
        return _stale(request)
    tile = Tile.parse(sent.get("tile", ""))
    first, last = (TileMonth.parse(tile.name, sent.get(end, "")) for end in ("first", "last"))
    taking.backfill(tile, first, last)
    forget()
    told = {"year": first.year, "ordered": "backfill"}
    return _to(f"/tiles/{tile}/calendar?{urlencode(told)}")
