"""What the routes are given of the outside, and the parameters that several of them share."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import APIKeyHeader, APIKeyQuery

from functions.api.access import HEADER, QUERY, TOKEN
from functions.api.problems import Refusal
from shared.models import Tile, shown
from shared.wiring import Services, services


def outside() -> Services:
    """The services of the app."""
    return services()


def _tile(tile: Annotated[str, Path(description="Tile of the Sentinel-2 grid", examples=["22WEV"])]) -> Tile:
    return Tile.parse(tile)


Outside = Annotated[Services, Depends(outside)]
OfTile = Annotated[Tile, Depends(_tile)]
OfProduct = Annotated[
    str,
    Path(
        description="Name of the product, L1C or L2A, without .SAFE",
        examples=["S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"],
        max_length=1000,
    ),
]
FromDay = Annotated[date | None, Query(alias="from", description="First day of sensing (UTC)", examples=["2021-06-01"])]
ToDay = Annotated[date | None, Query(alias="to", description="Last day of sensing (UTC)", examples=["2021-08-31"])]


def _known_parameters(request: Request) -> None:
    """Refuse parameters that a route does not have: a filter that is misspelt would answer with everything.

    The pages take what comes, and so do health, for whoever watches it, and STAC, whose clients send every address
    what they send to the search.
    """
    path = getattr(request.scope.get("route"), "path_format", "")
    told = request.app.openapi()["paths"].get(path, {}).get(request.method.lower(), {})
    if not path.startswith("/api/") or "400" not in told.get("responses", {}):
        return
    known = {parameter["name"] for parameter in told.get("parameters", ()) if parameter["in"] == "query"}
    if unknown := [name for name in request.query_params if name not in known | {QUERY, TOKEN}]:
        takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
        raise Refusal(400, f"There is no parameter '{shown(unknown[0])}' here; {takes}.")


# For every route. The door asks for the key; these say so in the OpenAPI document.
EVERYWHERE = [
    Depends(_known_parameters),
    Security(APIKeyHeader(name=HEADER, auto_error=False, scheme_name="header", description="The app setting API_KEY")),
    Security(APIKeyQuery(name=QUERY, auto_error=False, scheme_name="query", description="The same in the address")),
]
