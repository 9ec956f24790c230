"""The HTTP face of a simulated DHuS hub, as sentinelsat speaks with it: OpenSearch in JSON, OData 1, an archive.

Source: the DHuS "OpenSearch API", "OData API" and "Long Term Archive" user guides, and recorded answers.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.copernicus.answers import refused, streamed
from local.copernicus.app import Paging
from local.copernicus.dhus_query import Indexed, parse_query
from local.copernicus.errors import Refusal, dhus_login_refusal, dhus_refusal
from local.copernicus.faults import Kind
from local.copernicus.shelf import Shelf

DHUS = "/dhus"
_ROWS_MOST = 100
# Products sensed before it have no tile in the index.
_TILES_SINCE = datetime(2017, 3, 31, tzinfo=UTC)


class Archive:
    """The long-term archive: which products were asked back, and how many may be."""

    def __init__(self, quota: int) -> None:
        """``quota``: for how many different products."""
        self.asked: list[str] = []
        self._quota = quota

    def ask(self, product_id: str) -> bool:
        """True where the product will come back; False where the quota is used up."""
        if product_id not in self.asked and len(self.asked) >= self._quota:
            return False
        if product_id not in self.asked:
            self.asked.append(product_id)
        return True


def dhus_app(shelf: Shelf, archive: Archive, paging: Paging, account: tuple[str, str]) -> Starlette:
    """A hub over what ``shelf`` holds; ``account`` is the one user and password."""
    service = _Hub(shelf, archive, paging, account)
    product = f"{DHUS}/odata/v1/Products('{{id}}')"
    return Starlette(
        routes=[
            Route(f"{DHUS}/search", service.search),
            Route(product, service.product),
            Route(f"{product}/Online/$value", service.online),
            Route(f"{product}/$value", service.value),
        ],
        exception_handlers={Refusal: refused},
    )


class _Hub:
    def __init__(self, shelf: Shelf, archive: Archive, paging: Paging, account: tuple[str, str]) -> None:
        self._shelf = shelf
        self._archive = archive
        self._paging = paging
        self._account = account

    async def search(self, request: Request) -> Response:
        self._check(request)
        faults = self._shelf.begin(Kind.SEARCH)
        query = request.query_params
        wanted = parse_query(query.get("q", ""))
        found = [entry for entry in self._shelf.entries(faults) if wanted(_indexed(entry))]
        if query.get("orderby") == "beginposition asc":
            found.sort(key=lambda entry: str(entry["ContentDate"]["Start"]))
        start, rows = int(query.get("start", 0)), min(int(query.get("rows", 10)), _ROWS_MOST, self._paging.size)
        page = [_opensearch(entry) for entry in found[start : start + rows]]
        feed: dict[str, Any] = {"opensearch:totalResults": str(len(found)), "opensearch:startIndex": str(start)}
        if page:
            feed["entry"] = page if len(page) > 1 else page[0]  # as the real one does
        return JSONResponse({"feed": feed})

    async def product(self, request: Request) -> Response:
        self._check(request)
        return JSONResponse({"d": _odata(self._entry(request), str(request.base_url).rstrip("/"))})

    async def online(self, request: Request) -> Response:
        self._check(request)
        return JSONResponse(self._entry(request)["Online"])

    async def value(self, request: Request) -> Response:
        self._check(request)
        offer = self._shelf.offer(request.path_params["id"])
        if offer is not None and not offer.online:
            return self._retrieved(offer.id)
        faults = self._shelf.begin(Kind.DOWNLOAD)
        if offer is None:
            raise _no_such(request)
        return streamed(offer, faults)

    def _retrieved(self, product_id: str) -> Response:
        self._shelf.begin(Kind.RETRIEVAL)
        if self._archive.ask(product_id):
            return Response(status_code=202)
        raise dhus_refusal(403, f"User offline products retrieval quota exceeded trying to fetch product {product_id}")

    def _entry(self, request: Request) -> dict[str, Any]:
        faults = self._shelf.begin(Kind.SEARCH)
        for entry in self._shelf.entries(faults):
            if entry["Id"] == request.path_params["id"]:
                return entry
        raise _no_such(request)

    def _check(self, request: Request) -> None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(text).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise dhus_login_refusal() from None
        if scheme.lower() != "basic" or (user, password) != self._account:
            raise dhus_login_refusal()


def _no_such(request: Request) -> Refusal:
    return dhus_refusal(404, f"Invalid key ({request.path_params['id']}) to access Products")


def _attributes(entry: dict[str, Any]) -> dict[str, Any]:
    return {attribute["Name"]: attribute["Value"] for attribute in entry["Attributes"]}


def _indexed(entry: dict[str, Any]) -> Indexed:
    """What a query can ask about."""
    facts = _attributes(entry)
    sensing = datetime.fromisoformat(entry["ContentDate"]["Start"])
    return Indexed(
        texts={
            "filename": entry["Name"],
            "identifier": entry["Name"].removesuffix(".SAFE"),
            "producttype": facts["productType"],
            "platformname": "Sentinel-2",
            "tileid": facts["tileId"] if sensing >= _TILES_SINCE else "",
        },
        times={"beginposition": sensing, "ingestiondate": datetime.fromisoformat(entry["PublicationDate"])},
        numbers={"cloudcoverpercentage": facts["cloudCover"]},
    )


def _opensearch(entry: dict[str, Any]) -> dict[str, Any]:
    facts, start = _attributes(entry), _shortened(entry["ContentDate"]["Start"])
    name = entry["Name"].removesuffix(".SAFE")
    texts = {"filename": entry["Name"], "identifier": name, "uuid": entry["Id"], "producttype": facts["productType"]}
    texts["size"] = f"{entry['ContentLength'] / 1024 / 1024:.2f} MB"
    if datetime.fromisoformat(start) >= _TILES_SINCE:
        texts["tileid"] = facts["tileId"]
    dates = {"beginposition": start, "endposition": start, "ingestiondate": _shortened(entry["PublicationDate"])}
    return {
        "title": name,
        "id": entry["Id"],
        "summary": f"Date: {start}, Instrument: MSI, Satellite: Sentinel-2, Size: {texts['size']}",
        "ondemand": "false",
        "date": [{"name": key, "content": value} for key, value in dates.items()],
        "int": [{"name": "relativeorbitnumber", "content": str(facts["relativeOrbitNumber"])}],
        "double": {"name": "cloudcoverpercentage", "content": str(facts["cloudCover"])},
        "str": [{"name": key, "content": value} for key, value in texts.items()],
    }


def _odata(entry: dict[str, Any], root: str) -> dict[str, Any]:
    address = f"{root}{DHUS}/odata/v1/Products('{entry['Id']}')"
    md5 = next((c["Value"] for c in entry["Checksum"] if c["Algorithm"] == "MD5"), "")
    return {
        "__metadata": {"id": address, "uri": address, "type": "DHuS.Product", "media_src": f"{address}/$value"},
        "Id": entry["Id"],
        "Name": entry["Name"].removesuffix(".SAFE"),
        "ContentLength": str(entry["ContentLength"]),
        "CreationDate": _ticks(entry["PublicationDate"]),
        "IngestionDate": _ticks(entry["PublicationDate"]),
        "ModificationDate": _ticks(entry["ModificationDate"]),
        "EvictionDate": None,
        "Online": entry["Online"],
        "OnDemand": False,
        "ContentDate": {key: _ticks(entry["ContentDate"][key]) for key in ("Start", "End")},
        "Checksum": {"Algorithm": "MD5", "Value": md5},
        "ContentGeometry": None,
        "Attributes": {"results": [_attribute("Cloud cover percentage", _attributes(entry)["cloudCover"])]},
    }


def _attribute(name: str, value: object) -> dict[str, str]:
    return {"Id": name, "Name": name, "ContentType": "text/plain", "Value": str(value)}


def _ticks(text: str) -> str:
    """``/Date(1522128730198)/``, milliseconds since 1970."""
    return f"/Date({int(datetime.fromisoformat(text).timestamp() * 1000)})/"


def _shortened(text: str) -> str:
    """With milliseconds, as DHuS writes times."""
    return f"{text[:-4]}Z"
