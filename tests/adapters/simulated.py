"""Asking the simulated Copernicus by plain HTTP."""

from __future__ import annotations

import httpx

from local.copernicus import (
    SimulatedCopernicus,
)

CLEAR = "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"
CLOUDY = "S2B_MSIL1C_20210710T151909_N0511_R068_T22WEV_20240612T142011"
AUGUST = "S2B_MSIL1C_20210806T150909_N0511_R025_T22WEV_20240614T070148"
JULY = (
    "Collection/Name eq 'SENTINEL-2' and "
    "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'tileId' and "
    "att/OData.CSC.StringAttribute/Value eq '22WEV') and "
    "ContentDate/Start ge 2021-07-01T00:00:00.000Z and ContentDate/Start lt 2021-08-01T00:00:00.000Z"
)


def search(client: httpx.Client, copernicus: SimulatedCopernicus, **options: str) -> httpx.Response:
    query = {f"${name}": value for name, value in options.items()}
    return client.get(f"{copernicus.environment()['COPERNICUS_CATALOGUE_URL']}/Products", params=query)


def names(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [entry["Name"].removesuffix(".SAFE") for entry in response.json()["value"]]


def login(client: httpx.Client, copernicus: SimulatedCopernicus, **form: str) -> httpx.Response:
    whole = {"client_id": "cdse-public", "grant_type": "password", "username": "demo", "password": "demo"} | form
    return client.post(copernicus.environment()["COPERNICUS_IDENTITY_URL"], data=whole)


def bearer(client: httpx.Client, copernicus: SimulatedCopernicus) -> dict[str, str]:
    return {"Authorization": f"Bearer {login(client, copernicus).json()['access_token']}"}


def download_url(client: httpx.Client, copernicus: SimulatedCopernicus, name: str = CLEAR, service: str = "") -> str:
    (entry,) = search(client, copernicus, filter=f"Name eq '{name}.SAFE'").json()["value"]
    root = copernicus.environment()[service or "COPERNICUS_DOWNLOAD_URL"]
    return f"{root}/Products({entry['Id']})/$value"
