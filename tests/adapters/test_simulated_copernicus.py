"""The simulated Copernicus answers as the real one does: to plain HTTP, and to IceWatch's own client."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.copernicus import (
    Kind,
    SimulatedCopernicus,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongChecksum,
)
from local.scenes import Scene, SceneSpec, Swath, build_scene
from shared.errors import BadName, BadProduct, BadSetting, NotFound, ProviderUnavailable
from shared.models import ProductName, TileMonth
from shared.settings import STORAGE, Copernicus, Settings
from tests.adapters.simulated import AUGUST, CLEAR, CLOUDY, JULY, bearer, download_url, login, names, search
from tests.conftest import SHARED, needs_shared

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
    return replace(Settings.from_env(copernicus.environment() | {STORAGE: "x"}).copernicus, **changed)


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
