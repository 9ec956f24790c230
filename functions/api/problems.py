"""What the API says when something is wrong: problem details (RFC 9457), and which error is which status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from shared.errors import (
    BadMessage,
    BadName,
    BadProduct,
    BadSetting,
    Changed,
    IceWatchError,
    NotFound,
    TransientError,
    WrongState,
)
from shared.models import shown

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[type[IceWatchError], int] = {
    BadMessage: 422,
    BadName: 422,
    BadProduct: 422,
    NotFound: 404,
    WrongState: 409,
    Changed: 412,
    BadSetting: 500,
    TransientError: 503,
    IceWatchError: 500,
}
_MOST_FAULTS = 50  # listed of one request
_log = logging.getLogger("icewatch")


class Fault(BaseModel):
    """One thing that is wrong, and where."""

    place: str = Field(description="Where, such as 'query.limit' or 'areas.0.tiles'", examples=["query.limit"])
    sentence: str = Field(description="What is wrong there", examples=["Input should be less than or equal to 1000"])


class Problem(BaseModel):
    """Problem details as RFC 9457 has them."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(description="What the status means", examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What is wrong, a sentence", examples=["The ledger knows no product of that name."])
    errors: list[Fault] | None = Field(default=None, description="Each fault with its place, where there are several")


class Refusal(Exception):
    """An answer other than success, given by a route."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        faults: list[Fault] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults, self.headers = status, detail, faults, headers


def problem(
    status: int, detail: str, *, faults: list[Fault] | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The response that says what is wrong."""
    body = Problem(
        type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, errors=faults
    ).model_dump(exclude_none=True)
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the OpenAPI document tells that a route may answer with these problems."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in statuses
    }


_MEANINGS = {
    400: "The request does not parse",
    401: "No key, or a wrong one, or one that a page of another site has a browser send",
    403: "The request comes from a page of another site",
    404: "There is no such thing",
    405: "The method is not offered here",
    409: "The order does not fit the product's state",
    412: "Somebody else has changed it since it was read",
    413: "The body is too large",
    416: "The range lies outside the file",
    422: "A parameter or the body is refused; the faults are listed with their places",
    429: "Too many wrong keys came from this address; Retry-After says when one is looked at again",
    500: "The app is not set up, or has a fault; the log says more",
    503: "Storage or the provider is busy, or no key is set up: try again later",
}
ALWAYS = (400, 401, 422, 429, 500, 503)  # any route may answer so


def say_problems(app: FastAPI) -> None:
    """Have ``app`` answer every error with problem details."""
    app.add_exception_handler(IceWatchError, _refused)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, http_problem)


def problem_of(error: IceWatchError) -> JSONResponse:
    """The response for one of our errors: the status by the table above, the nearest class first."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if status >= 500:
        _log.error("api: %s: %s", type(error).__name__, error)
    return problem(status, str(error), headers={"Retry-After": "10"} if status == 503 else None)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, IceWatchError)  # noqa: S101  # Starlette types handlers loosely
    return problem_of(error)


async def _refusal(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)  # noqa: S101
    return refusal_of(error)


def refusal_of(error: Refusal) -> JSONResponse:
    """The answer that ``error`` stands for."""
    return problem(error.status, error.detail, faults=error.faults, headers=error.headers)


async def http_problem(_: Request, error: Exception) -> JSONResponse:
    """The answer to an address or a method that there is not."""
    assert isinstance(error, HTTPException)  # noqa: S101
    return problem(error.status_code, said_of(error), headers=error.headers)


def said_of(error: HTTPException) -> str:
    """The sentence for an error of the framework's."""
    said = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    return said.get(error.status_code, str(error.detail))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return problem(422, "The request is refused.", faults=faults_of(error.errors()))


def faults_of(errors: Any) -> list[Fault]:
    """What pydantic lists, as places and sentences."""
    return [
        Fault(
            place=shown(".".join(str(part) for part in fault["loc"])),
            sentence=shown(str(fault["msg"]).removeprefix("Value error, "), 300),
        )
        for fault in list(errors)[:_MOST_FAULTS]
    ]
