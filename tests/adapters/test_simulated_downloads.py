"""The simulated Copernicus lets in whom the real one would, and sends what was published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from local.copernicus import (
    Lifetimes,
    SimulatedCopernicus,
)
from shared.models import ProductName
from tests.adapters.simulated import AUGUST, CLEAR, CLOUDY, bearer, download_url, login, names, search

BODY = bytes(range(256)) * 2000


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedCopernicus]:
    with SimulatedCopernicus() as running:
        yield running


@pytest.fixture
def copernicus(running: SimulatedCopernicus) -> SimulatedCopernicus:
    running.clear()
    for day, (name, cloud) in enumerate(((CLEAR, 10.0), (CLOUDY, 90.0), (AUGUST, 20.0)), 1):
        running.publish_entry(name, BODY, published=datetime(2024, 7, day, 12, tzinfo=UTC), cloud_cover=cloud)
    return running


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


# Login


def test_a_wrong_password_is_refused_as_keycloak_does(client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
    response = login(client, copernicus, password="guess")
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_grant", "error_description": "Invalid user credentials"}


def test_a_refresh_token_goes_on_with_the_same_session(client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
    before = copernicus.sessions
    first = login(client, copernicus).json()
    again = login(client, copernicus, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.json()["access_token"] != first["access_token"]
    assert copernicus.sessions == before + 1
    stale = login(client, copernicus, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (stale.status_code, stale.json()["error_description"]) == (400, "Token is not active")


@pytest.mark.parametrize("form", [{"client_id": "other"}, {"grant_type": "magic"}])
def test_other_clients_and_grants_are_refused(
    client: httpx.Client, copernicus: SimulatedCopernicus, form: dict[str, str]
) -> None:
    assert login(client, copernicus, **form).status_code in {400, 401}


def test_more_sessions_than_allowed_are_refused() -> None:
    with SimulatedCopernicus(lifetimes=Lifetimes(sessions=2)) as copernicus, httpx.Client(trust_env=False) as client:
        answers = [login(client, copernicus).status_code for _ in range(3)]
    assert answers == [200, 200, 400]


# Download


def test_a_download_is_the_zip_byte_for_byte(client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
    response = client.get(download_url(client, copernicus), headers=bearer(client, copernicus))
    assert response.content == BODY


def test_the_catalogue_sends_downloads_on_to_the_download_service(
    client: httpx.Client, copernicus: SimulatedCopernicus
) -> None:
    url = download_url(client, copernicus, service="COPERNICUS_CATALOGUE_URL")
    assert client.get(url).headers["Location"] == download_url(client, copernicus)


def test_a_download_without_or_with_an_expired_token_is_refused(
    client: httpx.Client, copernicus: SimulatedCopernicus
) -> None:
    url, token = download_url(client, copernicus), bearer(client, copernicus)
    assert client.get(url).json()["code"] == "DAT-ZIP-604"
    assert client.get(url, headers=token).status_code == 200
    copernicus.expire_tokens()
    refused = client.get(url, headers=token)
    assert (refused.status_code, refused.json()["code"]) == (401, "DAT-ZIP-109")


def test_access_tokens_end_after_their_lifetime() -> None:
    lifetimes = Lifetimes(access=0, refresh=60)
    with SimulatedCopernicus(lifetimes=lifetimes) as copernicus, httpx.Client(trust_env=False) as client:
        root = copernicus.environment()["COPERNICUS_DOWNLOAD_URL"]
        answer = client.get(f"{root}/Products(x)/$value", headers=bearer(client, copernicus))
    assert answer.json()["code"] == "DAT-ZIP-109"


def test_offline_malformed_and_unknown_products_are_not_sent(
    client: httpx.Client, copernicus: SimulatedCopernicus
) -> None:
    token, url = bearer(client, copernicus), download_url(client, copernicus)
    copernicus.set_online(ProductName.parse(CLEAR), online=False)
    assert names(search(client, copernicus, filter="Online eq false")) == [CLEAR]
    assert client.get(url, headers=token).status_code == 404
    root = copernicus.environment()["COPERNICUS_DOWNLOAD_URL"]
    assert client.get(f"{root}/Products(7)/$value", headers=token).json()["code"] == "DAT-ZIP-111"
