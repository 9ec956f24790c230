"""The HTTP faces of the simulated Copernicus Data Space: login, catalogue, download, and a foreign host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from local.copernicus.answers import refused, streamed
from local.copernicus.errors import Refusal, bad_query, download_refusal, out_of_range
from local.copernicus.faults import Kind
from local.copernicus.filters import parse_filter, parse_orderby
from local.copernicus.shelf import Shelf
from local.copernicus.tokens import Tokens

# In reality login and catalogue are two hosts; here two folders of one. Downloads have their own, as in reality.
IDENTITY = "/identity/auth/realms/CDSE/protocol/openid-connect/token"
CATALOGUE = "/catalogue/odata/v1"
DOWNLOAD = "/download/odata/v1"
_TOP_DEFAULT, _TOP_MOST = 20, 1000
_OPTIONS = {"$filter", "$orderby", "$top", "$skip", "$count", "$expand"}
_HIDDEN = {"Collection", "Attributes"}  # of an entry, unless expanded
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Paging:
    """How far the catalogues page."""

    size: int = _TOP_MOST  # entries on one page at most, whatever is asked for
    furthest: int = 10_000  # $skip; beyond it the answer is 422


def catalogue_app(shelf: Shelf, tokens: Tokens, paging: Paging, downloads: str) -> Starlette:
    """Login and catalogue over what ``shelf`` holds; ``downloads`` is the address that downloads are sent on to."""
    service = _Catalogue(shelf, tokens, paging, downloads)
    return Starlette(
        routes=[
            Route(IDENTITY, service.token, methods=["POST"]),
            Route(f"{CATALOGUE}/Products", service.products),
            Route(f"{CATALOGUE}/DeletedProducts", service.deleted_products),
            Route(f"{CATALOGUE}/Products({{id}})", service.product),
            Route(f"{CATALOGUE}/Products({{id}})/$value", service.redirect),
        ],
        exception_handlers={Refusal: refused},
    )


def download_app(shelf: Shelf, tokens: Tokens) -> Starlette:
    """The downloads of what ``shelf`` holds, for those with a token."""

    async def download(request: Request) -> Response:
        faults = shelf.begin(Kind.DOWNLOAD)
        tokens.check(request.headers.get("Authorization", ""))
        if not _UUID.fullmatch(request.path_params["id"]):
            raise download_refusal(422, "DAT-ZIP-111", "The product identifier is no UUID")
        offer = shelf.offer(request.path_params["id"])
        if offer is None or not offer.online:
            raise Refusal(404, {"detail": {"message": "The product is not there, or offline"}})
        return streamed(offer, faults)

    route = Route(f"{DOWNLOAD}/Products({{id}})/$value", download)
    return Starlette(routes=[route], exception_handlers={Refusal: refused})


def foreign_app(shelf: Shelf, authorizations: list[str | None]) -> Starlette:
    """A storage service elsewhere, which needs no token; it writes down the Authorization header of each request."""

    async def file(request: Request) -> Response:
        authorizations.append(request.headers.get("Authorization"))
        offer = shelf.offer(request.path_params["id"])
        if offer is None:
            raise Refusal(404, "no such file")
        return streamed(offer, [])

    return Starlette(routes=[Route("/files/{id}", file)], exception_handlers={Refusal: refused})


class _Catalogue:
    def __init__(self, shelf: Shelf, tokens: Tokens, paging: Paging, downloads: str) -> None:
        self._shelf = shelf
        self._tokens = tokens
        self._paging = paging
        self._downloads = downloads

    async def token(self, request: Request) -> Response:
        self._shelf.begin(Kind.LOGIN)
        form = (await request.body()).decode("utf-8", errors="replace")
        return JSONResponse(self._tokens.grant(dict(parse_qsl(form))))

    async def products(self, request: Request) -> Response:
        faults = self._shelf.begin(Kind.SEARCH)
        return JSONResponse(_page(request, self._shelf.entries(faults), "Products", self._paging))

    async def deleted_products(self, request: Request) -> Response:
        self._shelf.begin(Kind.SEARCH)
        return JSONResponse(_page(request, self._shelf.deleted(), "DeletedProducts", self._paging))

    async def product(self, request: Request) -> Response:
        faults = self._shelf.begin(Kind.SEARCH)
        expanded = _expanded(request.query_params.get("$expand"))
        for entry in self._shelf.entries(faults):
            if entry["Id"] == request.path_params["id"]:
                return JSONResponse({"@odata.context": "$metadata#Products/$entity", **_shown(entry, expanded)})
        raise Refusal(404, {"detail": {"message": f"Product {request.path_params['id']} not found"}})

    async def redirect(self, request: Request) -> Response:
        """The catalogue sends downloads on to the download service."""
        place = f"{self._downloads}{DOWNLOAD}/Products({request.path_params['id']})/$value"
        return RedirectResponse(place, 301)


def _page(request: Request, entries: list[dict[str, Any]], what: str, paging: Paging) -> dict[str, Any]:
    """One page of the answer to a search."""
    query = request.query_params
    if unknown := {name for name in query if name.startswith("$")} - _OPTIONS:
        raise bad_query(f"Invalid query option: {', '.join(sorted(unknown))}")
    top = min(_number(query.get("$top"), "$top", _TOP_DEFAULT, _TOP_MOST), paging.size)
    skip = _number(query.get("$skip"), "$skip", 0, paging.furthest)
    expanded = _expanded(query.get("$expand"))
    if text := query.get("$filter"):
        wanted = parse_filter(text)
        entries = [entry for entry in entries if wanted(entry)]
    if text := query.get("$orderby"):
        key, descending = parse_orderby(text)
        entries = sorted(entries, key=key, reverse=descending)
    answer: dict[str, Any] = {"@odata.context": f"$metadata#{what}" + ("(Attributes())" if expanded else "")}
    if query.get("$count", "false").lower() == "true":
        answer["@odata.count"] = len(entries)
    answer["value"] = [_shown(entry, expanded) for entry in entries[skip : skip + top]]
    if skip + top < len(entries) and top:
        after = urlencode({**query, "$skip": skip + top})
        answer["@odata.nextLink"] = f"{str(request.url).partition('?')[0]}?{after}"
    return answer


def _expanded(text: str | None) -> bool:
    if text not in {None, "Attributes"}:
        raise bad_query(f"Invalid expand: {text}")
    return text is not None


def _shown(entry: dict[str, Any], expanded: bool) -> dict[str, Any]:
    hidden = _HIDDEN - {"Attributes"} if expanded else _HIDDEN
    return {name: value for name, value in entry.items() if name not in hidden}


def _number(text: str | None, name: str, default: int, most: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) > most:
        raise out_of_range(name, text, most)
    return int(text)
