"""Answers recorded from a real DHuS hub, read by the real sentinelsat."""

from __future__ import annotations

import logging

import pytest

from shared.errors import BadSetting, IceWatchError, NotFound, Offline, ProviderUnavailable
from shared.models import Checksum, Tile, TileMonth
from tests.adapters.dhus_hub import MONTH, Answer, answered, before, fetched
from tests.conftest import SHARED, needs_shared

RECORDED = SHARED / "data" / "catalogue" / "dhus"


def recorded(name: str, status: int = 0) -> Answer:
    return answered(status or int(name[:3]), (RECORDED / name).read_bytes())


def of_400(name: str) -> Answer:
    body = (RECORDED / name).read_bytes()
    return answered(200, body.replace(b'"opensearch:totalResults":"630"', b'"opensearch:totalResults":"400"'))


@needs_shared
class TestRecordedAnswers:
    def test_a_real_search_and_a_real_entry_make_a_product(self) -> None:
        dhus, _ = before(
            {
                "/search": recorded("200_test_check_existing__v5_a5b9edd8.json"),
                "/Products(": recorded("200_test_check_existing__v5_7e7a8972.json"),
            }
        )
        [product] = dhus.search(TileMonth(Tile("09XWB"), 2018, 3))
        assert str(product.name) == "S2A_MSIL1C_20180326T203051_N0206_R114_T09XWB_20180326T234951"
        assert (product.id, product.size) == ("091f9a7a-73e6-4658-b559-2d5801797fd5", 164_574_241)
        assert product.checksums == (Checksum("MD5", "472a0a494024f250ae7fef9f171e4ca8"),)
        assert (product.online, product.cloud_cover) == (True, 17.3174)

    def test_real_consecutive_pages_are_read_to_the_end(self, caplog: pytest.LogCaptureFixture) -> None:
        """Four of seven were recorded, so that the total is changed to theirs. None of their entries is of the tile:
        every one is left out, with a log line."""
        pages = {
            f"&start={start}&": of_400(f"200_test_large_query_{name}.json")
            for start, name in ((0, "877f920b"), (100, "25890852"), (200, "e33b7100"), (300, "66060974"))
        }
        dhus, hub = before(dict(pages))
        with caplog.at_level(logging.WARNING, "icewatch"):
            assert list(dhus.search(TileMonth(Tile("22WEV"), 2015, 12))) == []
        listings = [request.url for request in hub.requests if "rows=100" in (request.url or "")]
        assert len(listings) == 4
        assert caplog.text.count("is left out") == 400

    def test_the_products_of_one_tile_are_picked_from_real_pages(self) -> None:
        """Their entries are not recorded: each is asked for and found to be gone."""
        dhus, hub = before(
            {
                "&start=0&": recorded("200_test_order_by_21ada639.json"),
                "&start=100&": recorded("200_test_order_by_9dd36b6b.json"),
                "/Products(": recorded("404_test_get_product_info_bad_key_760f7e3b.json"),
            }
        )
        assert list(dhus.search(TileMonth(Tile("20NLF"), 2015, 12))) == []
        assert any("/Products(" in (request.url or "") for request in hub.requests)

    @pytest.mark.parametrize(
        ("name", "error", "says"),
        [
            ("401_test_SentinelAPI_wrong_credentials_e912bc1e.html", BadSetting, "DHUS_PASSWORD"),
            ("500_test_cloud_flag_url__v12_2c16551c.html", ProviderUnavailable, "500"),
            ("500_test_invalid_query__v13_7d507a7a.html", ProviderUnavailable, "500"),
            ("500_test_too_long_query_5f1b664b.html", ProviderUnavailable, "500"),
            ("504_test_download_product_nodes__v7_dda6a9bf.html", ProviderUnavailable, "504"),
        ],
    )
    def test_a_real_refusal_of_a_search_has_its_error(self, name: str, error: type[IceWatchError], says: str) -> None:
        dhus, _ = before({"/search": recorded(name)})
        with pytest.raises(error, match=says):
            list(dhus.search(MONTH))

    @pytest.mark.parametrize(
        ("name", "error"),
        [
            ("202_test_download_all_lta_d41d8cd9.txt", Offline),
            ("404_test_download_invalid_id_97f5f8ee.json", NotFound),
            ("404_test_is_online_15d81dde.xml", NotFound),
            ("500_test_download_invalid_id__v10_97f5f8ee.json", NotFound),
            ("500_test_get_product_info_bad_key__v8_760f7e3b.json", NotFound),
            ("500_test_product_node_download_single_with_filter__v5_722f43ca.json", ProviderUnavailable),
            ("504_test_download_product_nodes__v7_dda6a9bf.html", ProviderUnavailable),
            ("401_test_SentinelAPI_wrong_credentials_e912bc1e.html", BadSetting),
        ],
    )
    def test_a_real_refusal_of_a_download_has_its_error(self, name: str, error: type[IceWatchError]) -> None:
        dhus, _ = before({"/Online/": answered(200, b"true"), "/$value": recorded(name)})
        with pytest.raises(error) as caught:
            fetched(dhus)
        assert type(caught.value) is error

    def test_a_real_hub_that_cannot_say_what_is_online_is_tried_again_later(self) -> None:
        dhus, _ = before({"/Online/": recorded("500_test_download_many__v14_d41d8cd9.xml")})
        with pytest.raises(ProviderUnavailable, match="500"):
            fetched(dhus)
