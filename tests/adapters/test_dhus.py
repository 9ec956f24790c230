"""A DHuS hub through the real sentinelsat: what is asked of it, its archive, and its bad days."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import Any
from urllib.parse import unquote, unquote_plus

import pytest
import requests

from local.copernicus import SimulatedCopernicus
from shared.adapters.cdse import Cdse
from shared.adapters.dhus import Dhus
from shared.errors import (
    AccessDenied,
    BadSetting,
    IceWatchError,
    NotFound,
    Offline,
    ProviderLimits,
    ProviderUnavailable,
)
from shared.models import Tile, TileMonth
from shared.ports import Retrieval
from shared.settings import STORAGE
from shared.settings import Dhus as Settings
from shared.settings import Settings as AllSettings
from shared.wiring import Services
from tests.adapters.dhus_hub import HUB, MONTH, PRODUCT, SETTINGS, Answer, answered, before, fetched

NAME = "S2B_MSIL1C_20210710T151909_N0301_R068_T22WEV_20210710T174612"


class TestQuestion:
    def asked(self, month: TileMonth) -> str:
        empty = answered(200, b'{"feed": {"opensearch:totalResults": "0"}}')
        dhus, hub = before({"/search": empty})
        assert list(dhus.search(month)) == []
        return unquote_plus(hub.requests[0].url or "").partition("q=")[2]

    def test_a_tile_and_month_are_asked_for_by_the_index(self) -> None:
        assert self.asked(MONTH) == (
            'beginPosition:["2021-07-01T00:00:00Z" TO "2021-08-01T00:00:00Z"] producttype:"S2MSI1C" tileid:"22WEV"'
        )

    @pytest.mark.parametrize(("year", "month"), [(2015, 7), (2016, 12), (2017, 3)])
    def test_what_has_no_tile_in_the_index_is_asked_for_by_its_file_name(self, year: int, month: int) -> None:
        assert self.asked(TileMonth(Tile("22WEV"), year, month)).endswith('filename:*_T22WEV_* producttype:"S2MSI1C"')

    def test_from_the_month_after_on_the_index_has_tiles(self) -> None:
        assert 'tileid:"22WEV"' in self.asked(TileMonth(Tile("22WEV"), 2017, 4))

    def test_the_account_goes_to_the_hub(self) -> None:
        dhus, hub = before({"/search": answered(200, b'{"feed": {"opensearch:totalResults": "0"}}')})
        list(dhus.search(MONTH))
        assert str(hub.requests[0].headers["Authorization"]).startswith("Basic ")
        assert str(hub.requests[0].url).startswith(f"{HUB}/search?")


class TestArchive:
    def test_a_product_is_asked_back_as_often_as_the_quota_allows(self) -> None:
        with SimulatedCopernicus(retrieval_quota=1) as copernicus, closing(against(copernicus)) as dhus:
            first = copernicus.publish_entry(NAME, online=False)
            second = copernicus.publish_entry(NAME.replace("N0301", "N0500"), online=False)
            assert [dhus.retrieve(each) for each in (first, first, second)] == [
                Retrieval.ACCEPTED,
                Retrieval.ACCEPTED,
                Retrieval.OVER_QUOTA,
            ]
            assert copernicus.retrievals == [first]

    def test_a_product_that_is_online_is_neither_asked_back_nor_fetched(self) -> None:
        dhus, hub = before({"/Online/": answered(200, b"true")})
        assert dhus.retrieve(PRODUCT) is Retrieval.ACCEPTED
        assert all("/Online/" in unquote(request.url or "") for request in hub.requests)

    def test_a_download_from_the_archive_asks_it_back_and_works_when_it_has_come(self) -> None:
        with SimulatedCopernicus() as copernicus, closing(against(copernicus)) as dhus:
            product_id = copernicus.publish_entry(NAME, b"zip", online=False)
            with pytest.raises(Offline, match="its return was asked for"):
                fetched(dhus, product_id)
            assert copernicus.retrievals == [product_id]
            copernicus.set_online(NAME, online=True)
            assert fetched(dhus, product_id) == b"zip"

    def test_over_quota_a_download_is_offline_too(self) -> None:
        with SimulatedCopernicus(retrieval_quota=0) as copernicus, closing(against(copernicus)) as dhus:
            product_id = copernicus.publish_entry(NAME, online=False)
            with pytest.raises(Offline, match="quota"):
                fetched(dhus, product_id)

    def test_what_is_gone_cannot_be_asked_back(self) -> None:
        with SimulatedCopernicus() as copernicus, closing(against(copernicus)) as dhus, pytest.raises(NotFound):
            dhus.retrieve(PRODUCT)

    @pytest.mark.parametrize(("status", "error"), [(503, ProviderUnavailable), (429, ProviderLimits)])
    def test_a_busy_archive_is_tried_again_later(self, status: int, error: type[IceWatchError]) -> None:
        busy = answered(status, cause_message="busy")
        dhus, _ = before({"/Online/": answered(200, b"false"), "/$value": busy})
        with pytest.raises(error):
            dhus.retrieve(PRODUCT)


class TestErrors:
    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (answered(403, cause_message="Maximum number of 4 concurrent flows achieved by the user"), ProviderLimits),
            (answered(403, cause_message="no"), AccessDenied),
            (answered(429, b"slow down", Retry_After="30"), ProviderLimits),
            (answered(404, b"<html>"), NotFound),
            (answered(204), ProviderUnavailable),
            (requests.ConnectionError("no"), ProviderUnavailable),
            (requests.ReadTimeout("no"), ProviderUnavailable),
        ],
    )
    def test_each_answer_to_a_download_has_its_rule(
        self, answer: Answer | Exception, error: type[IceWatchError]
    ) -> None:
        dhus, _ = before({"/Online/": answered(200, b"true"), "/$value": answer})
        with pytest.raises(error) as caught:
            fetched(dhus)
        assert type(caught.value) is error
        assert getattr(caught.value, "seconds", 0) in {0, 30}

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html>maintenance</html>",
            b"[]",
            b'{"feed": 7}',
            b'{"feed": {"opensearch:totalResults": "many"}}',
            b'{"feed": {"opensearch:totalResults": "1", "entry": [{"title": "x"}]}}',
            b'{"feed": {"error": {"message": "no viable alternative"}}}',
        ],
    )
    def test_an_answer_that_is_no_listing_is_refused(self, body: bytes) -> None:
        dhus, _ = before({"/search": answered(200, body)})
        with pytest.raises(ProviderUnavailable, match="the search for 22WEV 2021-07"):
            list(dhus.search(MONTH))

    @pytest.mark.parametrize("status", [403, 404, 429, 500, 502, 503, 504])
    def test_a_search_that_is_not_answered_is_tried_again_later(self, status: int) -> None:
        dhus, _ = before({"/search": answered(status, b"<html>no</html>")})
        with pytest.raises(ProviderUnavailable, match=f"22WEV 2021-07 with {status}"):
            list(dhus.search(MONTH))

    @pytest.mark.parametrize("body", [b"{}", b'{"d": {}}', b'{"d": {"Id": "x"}}'])
    def test_an_entry_that_is_none_is_refused(self, body: bytes) -> None:
        dhus, _ = before({"/Products(": answered(200, body)})
        with pytest.raises(ProviderUnavailable, match=f"the entry of {PRODUCT}"):
            dhus.entry(PRODUCT)

    @pytest.mark.parametrize("location", ["http://hub.test/dhus/x", "ftp://hub.test/", "file:///etc/passwd"])
    def test_a_redirect_to_an_unsafe_address_is_not_followed(self, location: str) -> None:
        dhus, hub = before({"/Online/": answered(200, b"true"), "/$value": answered(302, Location=location)})
        with pytest.raises(ProviderUnavailable, match="InvalidSchema"):
            fetched(dhus)
        assert len(hub.requests) == 2

    def test_redirects_without_end_end(self) -> None:
        dhus, hub = before({"/Online/": answered(200, b"true"), "": answered(302, Location=f"{HUB}/again")})
        with pytest.raises(ProviderUnavailable, match="TooManyRedirects"):
            fetched(dhus)
        assert len(hub.requests) == 7

    def test_a_body_shorter_than_announced_is_no_success(self) -> None:
        short = answered(200, b"x" * 1000, Content_Length="5000")
        dhus, _ = before({"/Online/": answered(200, b"true"), "/$value": short})
        with pytest.raises(ProviderUnavailable, match="after 1000 of 5000 bytes"):
            fetched(dhus)

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            (Settings(), "set DHUS_URL"),
            (Settings(HUB, "", "password"), "DHUS_USER"),
            (Settings(HUB, "user", ""), "DHUS_PASSWORD"),
        ],
    )
    def test_a_hub_without_address_or_account_is_a_setting_to_correct(self, settings: Settings, says: str) -> None:
        with pytest.raises(BadSetting, match=says):
            Dhus(settings)

    def test_a_wrong_password_is_a_setting_to_correct_and_shown_nowhere(self, caplog: pytest.LogCaptureFixture) -> None:
        with SimulatedCopernicus() as copernicus:
            wrong = Settings(copernicus.environment()["DHUS_URL"], "demo", "pa55word-secret")
            with closing(Dhus(wrong)) as dhus, caplog.at_level(logging.DEBUG):
                with pytest.raises(BadSetting, match="DHUS_PASSWORD") as caught:
                    list(dhus.search(MONTH))
                with pytest.raises(BadSetting):
                    fetched(dhus)
        assert "secret" not in caplog.text + repr(caught.value) + repr(caught.value.__cause__) + repr(wrong)

    def test_a_hub_that_is_not_there_is_tried_again_later(self) -> None:
        with (
            closing(Dhus(Settings("http://127.0.0.1:9/dhus", "user", "password"))) as dhus,
            pytest.raises(ProviderUnavailable, match="ConnectionError"),
        ):
            list(dhus.search(MONTH))

    def test_every_request_has_its_time_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        limits: list[Any] = []

        def note(_self: object, request: Any, *arguments: Any, **options: Any) -> requests.Response:
            limits.append(options["timeout"])
            raise requests.ReadTimeout

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", note)
        dhus = Dhus(SETTINGS)
        for call in (lambda: list(dhus.search(MONTH)), lambda: dhus.retrieve(PRODUCT), lambda: fetched(dhus)):
            with pytest.raises(ProviderUnavailable, match="ReadTimeout"):
                call()
        assert limits == [(15.0, 60.0)] * 3


def against(copernicus: SimulatedCopernicus) -> Dhus:
    env = copernicus.environment()
    return Dhus(Settings(env["DHUS_URL"], env["DHUS_USER"], env["DHUS_PASSWORD"]))


@pytest.fixture(autouse=True)
def no_proxy_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's environment says about proxies must not matter for servers on this machine."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


class TestWiring:
    def test_the_watchlists_names_lead_to_their_catalogues(self) -> None:
        env = {STORAGE: "UseDevelopmentStorage=true", "DHUS_URL": f"{HUB}/", "DHUS_USER": "u", "DHUS_PASSWORD": "p"}
        with closing(Services(AllSettings.from_env(env))) as outside:
            assert isinstance(outside.catalogue_of("cdse"), Cdse)
            assert isinstance(outside.catalogue_of("dhus"), Dhus)
            assert outside.catalogue_of("cdse") is outside.catalogue
            assert outside.catalogue_of("dhus") is outside.catalogue_of("dhus")
            assert outside.settings.dhus == Settings(HUB, "u", "p")
            with pytest.raises(BadSetting, match="no catalogue 'scihub'; expected cdse or dhus"):
                outside.catalogue_of("scihub")

    def test_without_a_hub_the_sentence_names_what_to_set(self) -> None:
        env = {STORAGE: "UseDevelopmentStorage=true"}
        with closing(Services(AllSettings.from_env(env))) as outside, pytest.raises(BadSetting, match="set DHUS_URL"):
            outside.catalogue_of("dhus")

    @pytest.mark.parametrize("url", ["hub.test", "ftp://hub.test", "http://hub.test/dhus"])
    def test_an_address_that_is_not_safe_is_refused(self, url: str) -> None:
        with pytest.raises(BadSetting, match="DHUS_URL"):
            AllSettings.from_env({STORAGE: "x", "DHUS_URL": url})
