"""Answers that all faces of the simulated Copernicus give alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from local.copernicus.errors import Refusal
from local.copernicus.faults import Fault
from local.copernicus.offers import Offer

_CHUNK = 1 << 18


async def refused(_request: Request, refusal: Exception) -> Response:
    """The answer that a refusal describes."""
    if not isinstance(refusal, Refusal):
        raise refusal
    kind = HTMLResponse if isinstance(refusal.body, str) else JSONResponse
    return kind(refusal.body, refusal.status, dict(refusal.headers or {}))


def streamed(offer: Offer, faults: Sequence[Fault]) -> Response:
    """The zip of ``offer``, or what ``faults`` make of it."""
    body = _chunks(offer.content)
    for fault in faults:
        body = fault.body(body, offer.size)
    headers = {
        "Content-Length": str(offer.size),
        "Content-Disposition": f'attachment; filename="{offer.safe}.zip"',
    }
    return StreamingResponse(body, headers=headers, media_type="application/zip")


async def _chunks(content: Path | bytes) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, len(content), _CHUNK):
            yield content[start : start + _CHUNK]
        return
    async with await anyio.open_file(content, "rb") as source:
        while chunk := await source.read(_CHUNK):
            yield chunk
