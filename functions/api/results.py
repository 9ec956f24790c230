"""The result files over HTTP.

In Azure a file of some size is answered with a redirect to the storage account, signed for that one file and an hour,
so that no raster passes through the app. On one machine, and for small files such as quicklooks, the app answers
itself, with ranges, so that GDAL reads a cloud-optimized GeoTIFF piece by piece and nobody needs to reach the emulator.
HEAD is redirected in Azure whatever the size: storage tells a length without bytes, which a host in between may drop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Header, Path, Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from functions.api.etags import Tags
from functions.api.outside import Outside
from functions.api.problems import ALWAYS, Refusal, answers
from shared.errors import NotFound
from shared.models import SURFACE, BlobPath, ProductName
from shared.ports import BlobInfo
from shared.records import DRONE

router = APIRouter(tags=["results"], responses=answers(*ALWAYS, 404))
_LINK_WORKS = timedelta(hours=1)
_SMALL = 4 * 1024 * 1024  # bytes that the app hands out itself
_CHUNK = 1024 * 1024  # bytes
_TYPES = {
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".png": "image/png",
    ".json": "application/json",
}
_BINARY = {"type": "string", "format": "binary"}
_FILE = {"content": {kind: {"schema": _BINARY} for kind in (*_TYPES.values(), "application/octet-stream")}}
_PATH = "/api/results/{path:path}"
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", **_FILE},
    206: {"description": "The part that was asked for", **_FILE},
    302: {"description": "Where the file can be had for an hour"},
    304: {"description": "It is what the client has already"},
}
_OF_HEAD = {status: told for status, told in _ANSWERS.items() if status != 206}  # a range is of GET alone (14.2)
_WHERE = "<TILE>/<YYYY>/<MM>/<L2A product>.SAFE/<file>, of an orthomosaic drone/<name>/<file>"
_EXAMPLE = (
    "22WEV/2021/07/S2A_MSIL2A_20210702T150911_N0511_R025_T22WEV_20240612T101500.SAFE/"
    "T22WEV_20210702T150911_CLASS_20m.tif"
)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@router.head(_PATH, response_class=Response, responses=_OF_HEAD, operation_id="result_head")
@router.get(_PATH, response_class=Response, responses={**_ANSWERS, **answers(416)}, operation_id="result")
def result(
    request: Request,
    outside: Outside,
    *,
    path: Annotated[str, Path(description=_WHERE, max_length=1024, examples=[_EXAMPLE])],
    range_: Annotated[
        str, Header(alias="range", description="Part of the file, in bytes", max_length=200, examples=["bytes=0-16383"])
    ] = "",
    if_none_match: Annotated[
        str, Header(description="What the client has: ETags, or *", max_length=2000, examples=['"0x8DB8A2F"'])
    ] = "",
    if_range: Annotated[str, Header(max_length=200, examples=['"0x8DB8A2F"'])] = "",
) -> Response:
    """One result file; links of products and of STAC Items lead here."""
    blob = _parsed(path)
    info = outside.store.info(blob)
    if info is None:
        raise NotFound(f"There is no result {path}.")
    headers = {"ETag": info.etag, "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=300"}
    known = Tags.parse(if_none_match)  # what does not parse names nothing
    if known and known.holds_weakly(info.etag):
        return Response(status_code=304, headers=headers)
    is_reading = request.method == "GET"
    if not outside.settings.storage.is_on_this_machine and not (is_reading and info.size <= _SMALL):
        address = outside.links.read(blob, until=outside.clock() + _LINK_WORKS)
        return RedirectResponse(address, status_code=302)
    part = _part(range_, info) if is_reading and if_range in {"", info.etag} else None
    begin, end = part or (0, info.size)
    if part:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{info.size}"
    headers |= {"Content-Length": str(end - begin), "Content-Type": _type(path)}
    status = 206 if part else 200
    if not is_reading:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_chunks(outside.store.reader(blob), begin, end), status_code=status, headers=headers)


def _parsed(path: str) -> BlobPath:
    """The blob of a file in a result folder; NotFound or BadName for anything else."""
    blob = BlobPath(SURFACE, path)
    match path.split("/"):
        case [partition, _, _] if partition == DRONE:
            return blob
        case [_, _, _, folder, _] if folder.endswith(".SAFE"):
            ProductName.parse(folder)
            return blob
    raise NotFound("There is no such result; expected <TILE>/<YYYY>/<MM>/<product>.SAFE/<file> or drone/<name>/<file>.")


def _type(path: str) -> str:
    return _TYPES.get(path[path.rfind(".") :].lower(), "application/octet-stream")


def _part(text: str, info: BlobInfo) -> tuple[int, int] | None:
    """First byte and the one after the last; None where the whole file is meant (RFC 9110, 14.1.2)."""
    match = _RANGE.fullmatch(text.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None  # several ranges, or other units, may be ignored
    if match[1] and match[2] and int(match[2]) < int(match[1]):
        return None  # invalid, and so as if none was asked for (14.1.1)
    if match[1]:
        begin, end = int(match[1]), min(int(match[2]) + 1, info.size) if match[2] else info.size
    else:
        begin, end = max(info.size - int(match[2]), 0), info.size
    if begin >= end:
        raise Refusal(416, f"The file has {info.size} bytes.", headers={"Content-Range": f"bytes */{info.size}"})
    return begin, end


def _chunks(file: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(begin)
        while begin < end:
            chunk = file.read(min(_CHUNK, end - begin))
            if not chunk:
                return
            begin += len(chunk)
            yield chunk
