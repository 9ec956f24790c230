"""The simulated DHuS hub answers plain HTTP as recorded real ones do, and the servers misbehave as told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from local.copernicus import (
    Drip,
    Fault,
    Forbidden,
    Kind,
    Meanwhile,
    NoChecksum,
    Paging,
    Redirect,
    Repeated,
    SimulatedCopernicus,
    Stall,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongChecksum,
)
from local.copernicus.dhus_query import parse_query
from local.copernicus.errors import Refusal
from shared.errors import BadName
from shared.models import Checksum
from tests.conftest import SHARED, needs_shared

NAME = "S2B_MSIL1C_20210710T151909_N0301_R068_T22WEV_20210710T174612"
OLD = "S2A_MSIL1C_20161210T151912_N0204_R068_T22WEV_20161210T151913"
BODY = bytes(range(256)) * 40
RECORDED = SHARED / "data" / "catalogue" / "dhus"


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatedCopernicus]:
    with SimulatedCopernicus(retrieval_quota=1) as simulated:
        yield simulated


@pytest.fixture
def copernicus(running: SimulatedCopernicus) -> SimulatedCopernicus:
    running.clear()
    return running


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10, auth=("demo", "demo")) as client:
        yield client


def hub(copernicus: SimulatedCopernicus, path: str) -> str:
    return f"{copernicus.environment()['DHUS_URL']}/{path}"


def value(copernicus: SimulatedCopernicus, product_id: str) -> str:
    return hub(copernicus, f"odata/v1/Products('{product_id}')/$value")


def search(client: httpx.Client, copernicus: SimulatedCopernicus, query: str, **options: int) -> dict[str, Any]:
    params: dict[str, str | int] = {"format": "json", "rows": 100, "start": 0, "q": query}
    params.update(options)
    response = client.get(hub(copernicus, "search"), params=params)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["feed"]
    return found


class TestHub:
    def test_a_search_finds_by_tile_and_by_file_name(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        copernicus.publish_entry(NAME)
        copernicus.publish_entry(OLD)
        both = search(client, copernicus, "filename:*_T22WEV_*")
        assert {entry["title"] for entry in both["entry"]} == {NAME, OLD}
        one = search(client, copernicus, 'tileid:"22WEV" producttype:"S2MSI1C"')
        assert one["entry"]["title"] == NAME  # one alone is no list, and old products have no tile in the index
        assert "entry" not in search(client, copernicus, 'tileid:"22WDV"')

    def test_pages_follow_each_other(self, client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
        for day in range(10, 17):
            copernicus.publish_entry(f"S2B_MSIL1C_202107{day}T151909_N0301_R068_T22WEV_20210720T174612")
        pages = [search(client, copernicus, 'tileid:"22WEV"', rows=3, start=start) for start in (0, 3, 6)]
        assert [page["opensearch:totalResults"] for page in pages] == ["7"] * 3
        assert [len(page["entry"]) for page in pages[:2]] == [3, 3]

    def test_a_wrong_password_is_refused(self, copernicus: SimulatedCopernicus) -> None:
        for auth in (None, ("demo", "guess")):
            answer = httpx.get(hub(copernicus, "search"), params={"q": "x:y"}, auth=auth, trust_env=False)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="DHuS"')

    def test_an_offline_product_is_accepted_until_the_quota_is_used_up(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        first, second = (copernicus.publish_entry(name, online=False) for name in (NAME, OLD))
        answers = [client.get(value(copernicus, each)) for each in (first, first, second)]
        assert [answer.status_code for answer in answers] == [202, 202, 403]
        assert "quota exceeded" in answers[2].headers["cause-message"]
        assert copernicus.retrievals == [first]
        assert copernicus.requests[Kind.DOWNLOAD] == 0

    def test_an_online_product_is_sent(self, client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
        product_id = copernicus.publish_entry(NAME, BODY)
        assert client.get(value(copernicus, product_id)).content == BODY

    @pytest.mark.parametrize("path", ["", "/Online/$value", "/$value"])
    def test_an_unknown_product_has_an_invalid_key(
        self, client: httpx.Client, copernicus: SimulatedCopernicus, path: str
    ) -> None:
        answer = client.get(hub(copernicus, f"odata/v1/Products('nothing'){path}"))
        assert answer.status_code == 404
        assert answer.json()["error"]["message"]["value"] == "Invalid key (nothing) to access Products"

    @pytest.mark.parametrize(
        "query", ["", "tileid", "tileid:", 'colour:"red"', 'size:["a" TO "b"]', '"x', "tileid:[a TO"]
    )
    def test_a_query_that_does_not_parse_is_refused(
        self, client: httpx.Client, copernicus: SimulatedCopernicus, query: str
    ) -> None:
        copernicus.publish_entry(NAME)
        answer = client.get(hub(copernicus, "search"), params={"q": query})
        assert answer.status_code == 500

    def test_nothing_can_be_asked_of_an_empty_query(self) -> None:
        with pytest.raises(Refusal):
            parse_query("  ")

    @needs_shared
    def test_its_answers_have_the_shape_of_recorded_ones(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        product_id = copernicus.publish_entry(NAME, BODY)
        real = json.loads((RECORDED / "200_test_check_existing__v5_a5b9edd8.json").read_text())["feed"]
        ours = search(client, copernicus, 'tileid:"22WEV"')
        assert ours.keys() <= real.keys()
        assert ours["entry"].keys() <= real["entry"].keys()
        for kind in ("date", "int", "str"):
            assert {each["name"] for each in ours["entry"][kind]} <= {each["name"] for each in real["entry"][kind]}
        assert ours["entry"]["double"].keys() == real["entry"]["double"].keys()
        odata = json.loads((RECORDED / "200_test_check_existing__v5_7e7a8972.json").read_text())["d"]
        mine = client.get(hub(copernicus, f"odata/v1/Products('{product_id}')"), params={"$format": "json"}).json()["d"]
        assert mine.keys() <= odata.keys()
        assert mine["Checksum"].keys() <= odata["Checksum"].keys()


class TestFaults:
    @pytest.mark.parametrize("share", [0.0, 0.5])
    def test_a_stalled_download_stops_in_the_middle_and_goes_on(
        self, client: httpx.Client, copernicus: SimulatedCopernicus, share: float
    ) -> None:
        url = value(copernicus, copernicus.publish_entry(NAME, BODY))
        copernicus.inject(Stall(seconds=30, share=share))
        came = bytearray()

        def read() -> None:
            with client.stream("GET", url, timeout=0.3) as answer:
                for chunk in answer.iter_raw():
                    came.extend(chunk)

        with pytest.raises(httpx.ReadTimeout):
            read()
        assert len(came) == len(BODY) * share
        copernicus.inject(Stall(seconds=0, share=share))
        assert client.get(url).content == BODY

    def test_a_dripping_download_comes_whole_in_the_end(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        url = value(copernicus, copernicus.publish_entry(NAME, BODY))
        copernicus.inject(Drip(piece=len(BODY) // 4))
        with client.stream("GET", url) as answer:
            chunks = list(answer.iter_raw())
        assert b"".join(chunks) == BODY
        assert len(chunks) > 1

    def test_what_happens_besides_a_truncation_happens(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        url = value(copernicus, copernicus.publish_entry(NAME, BODY))
        happened: list[str] = []
        copernicus.inject(Truncate(share=0, then=lambda: happened.append("cut")))
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(url)
        assert happened == ["cut"]

    def test_a_limit_may_say_how_long_to_wait(self, client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
        url = value(copernicus, copernicus.publish_entry(NAME, BODY))
        copernicus.inject(TooManyRequests())
        copernicus.inject(TooManyRequests(retry_after="7"), after=1)
        answers = [client.get(url) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [429, 429, 200]
        assert [answer.headers.get("Retry-After") for answer in answers] == [None, "7", None]

    def test_a_burst_ends_after_as_many_requests_as_told(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        url = value(copernicus, copernicus.publish_entry(NAME, BODY))
        copernicus.inject(Unavailable(kind=Kind.DOWNLOAD, status=502), times=3)
        copernicus.inject(Forbidden(), after=3)
        assert [client.get(url).status_code for _ in range(5)] == [502, 502, 502, 403, 200]

    def test_a_redirect_leads_to_a_host_that_writes_down_what_it_sees(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        product_id = copernicus.publish_entry(NAME, BODY)
        copernicus.inject(Redirect(copernicus.elsewhere(product_id)))
        answer = client.get(value(copernicus, product_id), follow_redirects=True)
        assert answer.content == BODY
        assert str(answer.url) == copernicus.elsewhere(product_id)
        client.get(copernicus.elsewhere(product_id), headers={"Authorization": "Bearer leaked"}, auth=None)
        assert copernicus.authorizations_elsewhere == [None, "Bearer leaked"]
        assert client.get(copernicus.elsewhere("nothing")).status_code == 404

    def test_something_can_happen_between_two_requests(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        copernicus.publish_entry(NAME)
        copernicus.inject(Meanwhile(lambda: copernicus.withdraw(NAME)), after=1)
        totals = [search(client, copernicus, 'tileid:"22WEV"')["opensearch:totalResults"] for _ in range(3)]
        assert totals == ["1", "0", "0"]

    def test_the_catalogue_repeats_forgets_and_lies_as_told(
        self, client: httpx.Client, copernicus: SimulatedCopernicus
    ) -> None:
        digests = (Checksum("BLAKE3", "ab" * 32), Checksum("MD5", "0123456789abcdef" * 2))
        copernicus.publish_entry(NAME, checksums=digests)
        url = f"{copernicus.environment()['COPERNICUS_CATALOGUE_URL']}/Products"
        faults: tuple[Fault, ...] = (Repeated(), NoChecksum(), WrongChecksum())
        for number, fault in enumerate(faults):
            copernicus.inject(fault, after=number)
        repeated, forgot, lied, honest = (client.get(url).json()["value"] for _ in range(4))
        assert (len(repeated), repeated[0]["Id"]) == (2, repeated[1]["Id"])
        assert forgot[0]["Checksum"] == []
        stated = [(each["Algorithm"], each["Value"]) for each in honest[0]["Checksum"]]
        assert stated == [(each.algorithm, each.value) for each in digests]
        assert all(a["Value"] != b["Value"] for a, b in zip(lied[0]["Checksum"], honest[0]["Checksum"], strict=True))


class TestEntries:
    def test_a_year_of_entries_costs_no_scenes(self, client: httpx.Client, copernicus: SimulatedCopernicus) -> None:
        for number in range(350):
            day = datetime.fromordinal(datetime(2021, 1, 1, tzinfo=UTC).toordinal() + number)
            copernicus.publish_entry(f"S2B_MSIL1C_{day:%Y%m%d}T151909_N0301_R068_T22WEV_{day:%Y%m%d}T174612", b"tiny")
        url = f"{copernicus.environment()['COPERNICUS_CATALOGUE_URL']}/Products"
        answer = client.get(url, params={"$count": "True", "$top": "1000"}).json()
        assert (answer["@odata.count"], len(answer["value"])) == (350, 350)

    def test_a_name_that_is_none_is_not_listed(self, copernicus: SimulatedCopernicus) -> None:
        with pytest.raises(BadName):
            copernicus.publish_entry("holiday")

    def test_pages_can_be_short_and_few(self, client: httpx.Client) -> None:
        with SimulatedCopernicus(paging=Paging(size=1, furthest=1)) as copernicus:
            for day in (10, 11, 12):
                copernicus.publish_entry(f"S2B_MSIL1C_202107{day}T151909_N0301_R068_T22WEV_20210720T174612")
            answer = client.get(f"{copernicus.environment()['COPERNICUS_CATALOGUE_URL']}/Products?$top=1000")
            second = client.get(answer.json()["@odata.nextLink"])
            third = client.get(second.json()["@odata.nextLink"])
        assert [len(each.json()["value"]) for each in (answer, second)] == [1, 1]
        assert third.status_code == 422

    def test_login_and_downloads_live_on_hosts_of_their_own(self, copernicus: SimulatedCopernicus) -> None:
        env = copernicus.environment()
        roots = ("COPERNICUS_CATALOGUE_URL", "COPERNICUS_DOWNLOAD_URL", "DHUS_URL")
        assert len({httpx.URL(env[name]).port for name in roots}) == 3
