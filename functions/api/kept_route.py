"""Routes whose answers come from the snapshot alone: the same question is answered once, as long as nothing changes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from functions.api.access import QUERY, access
from functions.api.keeping import Answer
from functions.api.snapshot import keeper, not_before

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_CSRF = secrets.token_urlsafe(24).encode()  # stands for the token of a session in what is kept for all


class KeptRoute(APIRoute):
    """A route of the API whose answers are kept."""

    def get_route_handler(self) -> Handler:
        """The handler that answers from what is kept where it can."""
        return kept(super().get_route_handler())


def kept(handler: Handler) -> Handler:
    """``handler``, asked only where no answer to the same question is kept.

    Answers must depend on nothing but the address, the ledger, and things of which ten seconds ago is good enough. The
    form token of a session is put in for each reader.
    """

    async def handling(request: Request) -> Response:
        keeping, found = keeper(), access()
        seen, answers = keeping.at_hand(), keeping.answers
        if seen is None or QUERY in request.query_params:  # such an answer may name the key in its links
            return await handler(request)
        token = found.csrf(request).encode()
        key = (request.url.path, tuple(request.query_params.multi_items()), found.is_signed_in(request))
        turn = answers.turn
        known = answers.get(key, seen.version, monotonic(), not_before.get())
        if known is None:
            response = await handler(request)
            if response.status_code != 200:
                return response
            body = bytes(response.body).replace(token, _CSRF)
            known = Answer(body, _lasting(response), seen.version, seen.at, monotonic())
            answers.put(key, known, turn)
        answer = Response(known.body.replace(_CSRF, token))
        answer.raw_headers = [*known.headers, (b"content-length", str(len(answer.body)).encode())]
        return answer

    return handling


def _lasting(response: Response) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name, value) for name, value in response.raw_headers if name != b"content-length")
