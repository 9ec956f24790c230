"""The simulated Copernicus answers as the real one does: to plain HTTP, and to IceWatch's own client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.copernicus import (
    Kind,
    Lifetimes,
    SimulatedCopernicus,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongChecksum,
)
from local.copernicus.errors import Refusal
from local.copernicus.filters import parse_filter
from local.scenes import Scene, SceneSpec, Swath, build_scene
from shared.errors import BadName, BadProduct, BadSetting, NotFound, ProviderUnavailable
from shared.models import ProductName, TileMonth
from shared.settings import Copernicus
from tests.conftest import SHARED, needs_shared

CLEAR = "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"
CLOUDY = "S2B_MSIL1C_20210710T151909_N0511_R068_T22WEV_20240612T142011"
AUGUST = "S2B_MSIL1C_20210806T150909_N0511_R025_T22WEV_20240614T070148"
JULY = (
    "Collection/Name eq 'SENTINEL-2' and "
    "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'tileId' and "
    "att/OData.CSC.StringAttribute/Value eq '22WEV') and "
    "ContentDate/Start ge 2021-07-01T00:00:00.000Z and ContentDate/Start lt 2021-08-01T00:00:00.000Z"
)


Scenes = dict[str, Scene]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    folder = tmp_path_factory.mktemp("scenes")
    return {
        name: build_scene(SceneSpec(ProductName.parse(name), seed=1, size=60, cloud=cloud, swath=swath), folder)
        for name, cloud, swath in ((CLEAR, 0.1, Swath.FULL), (CLOUDY, 0.9, Swath.FULL), (AUGUST, 0.2, Swath.EAST))
    }


def offering(scenes: Scenes) -> SimulatedCopernicus:
    simulated = SimulatedCopernicus()
    for day, scene in enumerate(scenes.values(), 1):
        simulated.publish(scene.zip, published=datetime(2024, 7, day, 12, tzinfo=UTC))
    return simulated


@pytest.fixture(scope="module")
def catalogue(scenes: Scenes) -> Iterator[SimulatedCopernicus]:
    """For tests that only ask."""
    with offering(scenes) as running:
        yield running


@pytest.fixture
def copernicus(scenes: Scenes) -> Iterator[SimulatedCopernicus]:
    """For tests that change what it offers or how it behaves."""
    with offering(scenes) as running:
        yield running


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


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


# Catalogue


def test_a_search_for_a_tile_and_month_finds_its_products_in_the_order_asked_for(
    client: httpx.Client, catalogue: SimulatedCopernicus
) -> None:
    assert names(search(client, catalogue, filter=JULY, orderby="ContentDate/Start asc")) == [CLEAR, CLOUDY]
    assert names(search(client, catalogue, filter=JULY, orderby="ContentDate/Start desc")) == [CLOUDY, CLEAR]


def test_attributes_come_only_when_expanded(client: httpx.Client, catalogue: SimulatedCopernicus) -> None:
    (plain, *_) = search(client, catalogue).json()["value"]
    (whole, *_) = search(client, catalogue, expand="Attributes").json()["value"]
    assert "Attributes" not in plain
    attributes = {attribute["Name"]: attribute["Value"] for attribute in whole["Attributes"]}
    assert attributes["tileId"] == "22WEV"
    assert attributes["relativeOrbitNumber"] == 25
    assert 5 < attributes["cloudCover"] < 20


def test_an_entry_states_the_size_and_md5_of_the_zip(
    client: httpx.Client, catalogue: SimulatedCopernicus, scenes: Scenes
) -> None:
    (entry,) = search(client, catalogue, filter=f"Name eq '{CLEAR}.SAFE'").json()["value"]
    content = scenes[CLEAR].zip.read_bytes()
    assert entry["ContentLength"] == len(content)
    assert entry["Checksum"][0]["Value"] == hashlib.md5(content, usedforsecurity=False).hexdigest()


@needs_shared
def test_an_entry_has_the_fields_and_attributes_of_a_recorded_one(
    client: httpx.Client, catalogue: SimulatedCopernicus
) -> None:
    recorded = json.loads((SHARED / "data/catalogue/cdse/odata_search_s2_l1c.json").read_text())["value"][0]
    (ours, *_) = search(client, catalogue, expand="Attributes").json()["value"]

    def shape(value: Any) -> Any:
        return {name: type(inner) for name, inner in value.items()}

    assert shape(recorded).items() - shape(ours).items() == {("Assets", list)}
    assert ours["Checksum"][0].keys() == recorded["Checksum"][0].keys()
    kinds = {attribute["Name"]: attribute["@odata.type"] for attribute in ours["Attributes"]}
    assert kinds.items() >= {entry["Name"]: entry["@odata.type"] for entry in recorded["Attributes"]}.items()
    assert ours["Footprint"].startswith("geography'SRID=4326;POLYGON ((")


def test_pages_follow_each_other_until_all_products_came(client: httpx.Client, catalogue: SimulatedCopernicus) -> None:
    response = search(client, catalogue, orderby="Name asc", top="1", count="True")
    found = names(response)
    assert response.json()["@odata.count"] == 3
    while link := response.json().get("@odata.nextLink"):
        response = client.get(link)
        found += names(response)
    assert found == sorted([CLEAR, CLOUDY, AUGUST])


@pytest.mark.parametrize(("option", "value"), [("top", "1001"), ("skip", "10001"), ("top", "many"), ("top", "-1")])
def test_pages_beyond_the_limits_are_refused_with_422(
    client: httpx.Client, catalogue: SimulatedCopernicus, option: str, value: str
) -> None:
    response = search(client, catalogue, **{option: value})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", f"${option}"]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (f"Name eq '{CLEAR}.SAFE'", {CLEAR}),
        ("contains(Name,'_R068_')", {CLOUDY}),
        ("startswith(Name, 'S2B') and not contains(Name,'_R068_')", {AUGUST}),
        ("PublicationDate gt 2024-07-01T12:00:00.000Z", {CLOUDY, AUGUST}),
        ("ModificationDate ge 2024-07-02T12:00:00.000Z and ModificationDate lt 2024-07-03T00:00:00Z", {CLOUDY}),
        (
            (
                "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and "
                "att/OData.CSC.DoubleAttribute/Value le 50.0)"
            ),
            {CLEAR, AUGUST},
        ),
        (
            (
                "Attributes/OData.CSC.IntegerAttribute/any(i:i/Name eq 'relativeOrbitNumber' and "
                "i/OData.CSC.IntegerAttribute/Value eq 68)"
            ),
            {CLOUDY},
        ),
        ("Online eq false", set()),
        ("(contains(Name,'_R068_') or contains(Name,'202108')) and Online eq true", {CLOUDY, AUGUST}),
        ("contains(Name,'_R068_') or contains(Name,'202108') and contains(Name,'nothing')", {CLOUDY}),
        ("not (contains(Name,'_R068_') or contains(Name,'202108'))", {CLEAR}),
        ("Name eq 'it''s'", set()),
        ("Collection/Name eq 'SENTINEL-1'", set()),
    ],
)
def test_filters_mean_what_odata_says(
    client: httpx.Client, catalogue: SimulatedCopernicus, condition: str, found: set[str]
) -> None:
    assert set(names(search(client, catalogue, filter=condition))) == found


@pytest.mark.parametrize(
    "condition",
    [
        "Nmae eq 'x'",
        "Name eq",
        "Name like 'x'",
        "Name eq 5",
        "Name eq 'x",
        "(Name eq 'x'",
        "Name eq 'x')",
        "Name eq 'x' and",
        "ContentDate/Start ge 'yesterday'",
        "ContentDate/Start ge 2021-13-01T00:00:00Z",
        "contains(ContentLength,'5')",
        "Attributes/OData.CSC.ColourAttribute/any(att:att/Name eq 'x')",
        "Attributes/OData.CSC.StringAttribute/any(att:att/OData.CSC.DoubleAttribute/Value eq 5)",
        "Attributes/OData.CSC.StringAttribute/any(att:Name eq 'x')",
        "; drop table",
        "(" * 2000,
    ],
)
def test_filters_that_do_not_parse_are_refused_with_400(condition: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_filter(condition)
    assert refusal.value.status == 400
    assert refusal.value.body["detail"]["message"].startswith("Invalid")


@pytest.mark.parametrize("options", [{"orderby": "Colour"}, {"expand": "Everything"}, {"filter": "x"}, {"search": "y"}])
def test_queries_that_mean_nothing_are_refused_with_400(
    client: httpx.Client, catalogue: SimulatedCopernicus, options: dict[str, str]
) -> None:
    assert search(client, catalogue, **options).status_code == 400


def test_a_product_is_found_by_its_identifier_and_an_unknown_one_is_not(
    client: httpx.Client, catalogue: SimulatedCopernicus
) -> None:
    (entry, *_) = search(client, catalogue).json()["value"]
    root = catalogue.environment()["COPERNICUS_CATALOGUE_URL"]
    assert client.get(f"{root}/Products({entry['Id']})").json()["Name"] == entry["Name"]
    assert client.get(f"{root}/Products(00000000-0000-0000-0000-000000000000)").status_code == 404


def test_a_withdrawn_product_moves_to_the_deleted_ones(client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
    copernicus.withdraw(ProductName.parse(CLOUDY))
    assert names(search(client, copernicus, filter=JULY)) == [CLEAR]
    root = copernicus.environment()["COPERNICUS_CATALOGUE_URL"]
    (deleted,) = client.get(f"{root}/DeletedProducts", params={"$filter": "contains(Name,'22WEV')"}).json()["value"]
    assert (deleted["Name"], deleted["DeletionCause"]) == (f"{CLOUDY}.SAFE", "Duplicated product")
    with pytest.raises(NotFound, match="does not offer"):
        copernicus.withdraw(ProductName.parse(CLOUDY))


# Login


def test_a_wrong_password_is_refused_as_keycloak_does(client: httpx.Client, catalogue: SimulatedCopernicus) -> None:
    response = login(client, catalogue, password="guess")
    assert response.status_code == 401
    assert response.json() == {"error": "invalid_grant", "error_description": "Invalid user credentials"}


def test_a_refresh_token_goes_on_with_the_same_session(client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
    first = login(client, copernicus).json()
    again = login(client, copernicus, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert again.json()["access_token"] != first["access_token"]
    assert copernicus.sessions == 1
    stale = login(client, copernicus, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (stale.status_code, stale.json()["error_description"]) == (400, "Token is not active")


@pytest.mark.parametrize("form", [{"client_id": "other"}, {"grant_type": "magic"}])
def test_other_clients_and_grants_are_refused(
    client: httpx.Client, catalogue: SimulatedCopernicus, form: dict[str, str]
) -> None:
    assert login(client, catalogue, **form).status_code in {400, 401}


def test_more_sessions_than_allowed_are_refused() -> None:
    with SimulatedCopernicus(lifetimes=Lifetimes(sessions=2)) as copernicus, httpx.Client(trust_env=False) as client:
        answers = [login(client, copernicus).status_code for _ in range(3)]
    assert answers == [200, 200, 400]


# Download


def test_a_download_is_the_zip_byte_for_byte(
    client: httpx.Client, catalogue: SimulatedCopernicus, scenes: Scenes
) -> None:
    response = client.get(download_url(client, catalogue), headers=bearer(client, catalogue))
    assert response.content == scenes[CLEAR].zip.read_bytes()


def test_the_catalogue_sends_downloads_on_to_the_download_service(
    client: httpx.Client, catalogue: SimulatedCopernicus
) -> None:
    url = download_url(client, catalogue, service="COPERNICUS_CATALOGUE_URL")
    assert client.get(url).headers["Location"] == download_url(client, catalogue)


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


# Faults


def test_a_truncated_download_announces_the_whole_and_breaks_off(
    client: httpx.Client, copernicus: SimulatedCopernicus
) -> None:
    copernicus.inject(Truncate(share=0.3))
    url, token = download_url(client, copernicus), bearer(client, copernicus)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(url, headers=token)
    assert client.get(url, headers=token).status_code == 200


def test_too_many_requests_are_answered_with_429_as_often_as_told(
    client: httpx.Client, copernicus: SimulatedCopernicus
) -> None:
    copernicus.inject(TooManyRequests(), times=2)
    url, token = download_url(client, copernicus), bearer(client, copernicus)
    assert [client.get(url, headers=token).status_code for _ in range(3)] == [429, 429, 200]


@pytest.mark.parametrize("kind", [Kind.SEARCH, Kind.LOGIN])
def test_an_unavailable_service_answers_503_once(
    client: httpx.Client, copernicus: SimulatedCopernicus, kind: Kind
) -> None:
    copernicus.inject(Unavailable(kind=kind))
    ask = {Kind.SEARCH: search, Kind.LOGIN: login}[kind]
    assert [ask(client, copernicus).status_code for _ in range(2)] == [503, 200]


def test_a_wrong_checksum_is_right_when_read_again(
    client: httpx.Client, copernicus: SimulatedCopernicus, scenes: Scenes
) -> None:
    copernicus.inject(WrongChecksum())
    claimed = [search(client, copernicus).json()["value"][0]["Checksum"][0]["Value"] for _ in range(2)]
    true = hashlib.md5(scenes[CLEAR].zip.read_bytes(), usedforsecurity=False).hexdigest()
    assert claimed[0] != true
    assert claimed[1] == true


# Publishing


def test_what_is_no_product_is_not_published(copernicus: SimulatedCopernicus, tmp_path: Path) -> None:
    (tmp_path / "holiday.zip").write_bytes(b"")
    (tmp_path / f"{CLEAR}.SAFE.zip").write_bytes(b"no zip")
    with pytest.raises(BadName, match="no Sentinel-2 product name"):
        copernicus.publish(tmp_path / "holiday.zip")
    with pytest.raises(BadProduct, match="no zip"):
        copernicus.publish(tmp_path / f"{CLEAR}.SAFE.zip")


def test_an_address_needs_a_running_server() -> None:
    with pytest.raises(ProviderUnavailable, match="start it first"):
        SimulatedCopernicus().environment()


# IceWatch's own client against it


def settings(copernicus: SimulatedCopernicus, **changed: str) -> Copernicus:
    env = copernicus.environment()
    fields = {name.removeprefix("COPERNICUS_").lower(): value for name, value in env.items()} | changed
    return Copernicus(**fields)


def test_icewatch_finds_and_downloads_what_is_published(copernicus: SimulatedCopernicus, scenes: Scenes) -> None:
    cdse = pytest.importorskip("shared.adapters.cdse").Cdse(settings(copernicus))
    try:
        products = list(cdse.search(TileMonth.parse("22WEV", "2021-07")))
        assert [str(product.name) for product in products] == [CLEAR, CLOUDY]
        assert products[0].size == scenes[CLEAR].zip.stat().st_size
        copernicus.expire_tokens()
        with cdse.download(products[0].id) as download:
            assert b"".join(download.chunks) == scenes[CLEAR].zip.read_bytes()
    finally:
        cdse.close()


def test_icewatch_says_that_the_login_is_refused(copernicus: SimulatedCopernicus) -> None:
    cdse = pytest.importorskip("shared.adapters.cdse").Cdse(settings(copernicus, password="wrong"))
    try:
        product, *_ = cdse.search(TileMonth.parse("22WEV", "2021-07"))
        with pytest.raises(BadSetting, match="COPERNICUS_PASSWORD"), cdse.download(product.id):
            pass
    finally:
        cdse.close()
