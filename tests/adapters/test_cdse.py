"""Searching the Copernicus Data Space Ecosystem, played in memory and as recorded from the real one."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shared.adapters.cdse import Cdse
from shared.adapters.cdse_entries import Page, product_of
from shared.errors import ProviderUnavailable
from shared.models import Checksum, Level, ProductName
from shared.ports import Unsupported
from shared.settings import Copernicus
from tests.adapters.cdse_provider import (
    CATALOGUE,
    MONTH,
    Provider,
    Wire,
    entry,
    page,
)
from tests.conftest import SHARED, needs_shared

RECORDED = SHARED / "data" / "catalogue" / "cdse"


class TestSearch:
    def test_a_search_asks_for_one_tile_and_month_in_sensing_order(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [page()]
        assert list(cdse.search(MONTH)) == []
        [request] = provider.requests
        assert request.url.path == "/odata/Products"
        assert dict(request.url.params) == {
            "$filter": "Collection/Name eq 'SENTINEL-2'"
            " and Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType'"
            " and att/OData.CSC.StringAttribute/Value eq 'S2MSI1C')"
            " and Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'tileId'"
            " and att/OData.CSC.StringAttribute/Value eq '22WEV')"
            " and ContentDate/Start ge 2024-07-01T00:00:00.000Z and ContentDate/Start lt 2024-08-01T00:00:00.000Z",
            "$orderby": "ContentDate/Start asc",
            "$top": "1000",
            "$count": "True",
            "$expand": "Attributes",
        }
        assert "Authorization" not in request.headers

    def test_an_entry_becomes_a_product(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [page(entry(3))]
        [product] = cdse.search(MONTH)
        assert (product.id, product.size, product.online, product.cloud_cover) == ("id-03", 500_000_003, True, 12.5)
        assert product.name == ProductName.parse(entry(3)["Name"])
        assert product.checksums == (Checksum("MD5", "ef0e036af119acf95a8d79c0a27aa1d7"),)
        assert product.published == datetime(2024, 7, 3, 20, 0, 0, 123_000, tzinfo=UTC)

    def test_of_many_checksums_one_per_known_algorithm_is_kept(self, cdse: Cdse, provider: Provider) -> None:
        many = [{"Algorithm": "MD5", "Value": f"{n:032x}"} for n in range(2000)] + [
            {"Algorithm": "X", "Value": "0" * 32}
        ]
        provider.pages = [page(entry(1, Checksum=many))]
        [product] = cdse.search(MONTH)
        assert product.checksums == (Checksum("MD5", f"{1999:032x}"),)

    def test_what_the_provider_may_leave_out_is_left_out(self, cdse: Cdse, provider: Provider) -> None:
        bare = {key: entry(3)[key] for key in ("Id", "Name", "PublicationDate")}
        provider.pages = [page(bare, entry(4, Checksum=[], ContentLength=0, Attributes=[], Online=False))]
        first, second = cdse.search(MONTH)
        assert (first.size, first.checksums, first.online, first.cloud_cover) == (0, (), True, None)
        assert (second.size, second.checksums, second.online, second.cloud_cover) == (0, (), False, None)

    def test_what_the_provider_knows_nothing_of_may_be_null(self, cdse: Cdse, provider: Provider) -> None:
        empty = dict.fromkeys(("Checksum", "ContentLength", "Attributes", "Online", "ModificationDate"))
        provider.pages = [page(entry(4, **empty), entry(5, Attributes=[None, {"Value": 1}, {"Name": "cloudCover"}]))]
        first, second = cdse.search(MONTH)
        assert (first.size, first.checksums, first.online, first.cloud_cover) == (0, (), True, None)
        assert second.cloud_cover is None

    def test_an_entry_that_does_not_parse_is_handed_over_with_its_name_and_the_reason(
        self, cdse: Cdse, provider: Provider
    ) -> None:
        provider.pages = [page(entry(1), entry(2, PublicationDate=None), entry(3, Id="../x", Name="junk"))]
        told: list[Unsupported] = []
        assert [product.id for product in cdse.search(MONTH, unsupported=told.append)] == ["id-01"]
        [broken] = told
        assert f"{broken.name}.SAFE" == entry(2)["Name"]
        assert broken.reason.startswith("The catalogue's entry does not parse at PublicationDate")

    def test_all_pages_are_read_and_each_product_comes_once(self, cdse: Cdse, provider: Provider) -> None:
        link = f"{CATALOGUE}/Products?$skip="
        provider.pages = [
            page(entry(1), entry(2), after=f"{link}2"),
            page(entry(2), entry(3), after=f"{link}4"),  # a product was published between the two requests
            page(entry(4)),
        ]
        assert [product.id for product in cdse.search(MONTH)] == ["id-01", "id-02", "id-03", "id-04"]
        assert [str(request.url.params.get("$skip")) for request in provider.requests] == ["None", "2", "4"]

    @pytest.mark.parametrize(
        "link",
        [
            "https://evil.test/odata/Products?$skip=2",
            "http://catalogue.test/odata/Products?$skip=2",
            "https://catalogue.test:444/x",
            "//evil.test/",
            "https://[",
        ],
    )
    def test_a_next_page_outside_the_catalogue_is_not_followed(self, cdse: Cdse, provider: Provider, link: str) -> None:
        provider.pages = [page(entry(1), after=link)]
        with pytest.raises(ProviderUnavailable, match="outside the catalogue"):
            list(cdse.search(MONTH))
        assert len(provider.requests) == 1

    def test_pages_that_go_round_in_circles_end(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [page(entry(1), after=f"{CATALOGUE}/Products?$skip=1")]
        with pytest.raises(ProviderUnavailable, match="go on without anything new"):
            list(cdse.search(MONTH))
        assert len(provider.requests) == 2

    @pytest.mark.parametrize(
        "bad",
        [
            entry(2, Name="S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807.SAFE"),
            entry(2, Name="../../etc/passwd"),
            entry(2, Name=None),
            entry(2, Id="x/$value"),
            entry(2, ContentLength=-1),
            entry(2, ContentLength=2**63),
            entry(2, PublicationDate="yesterday"),
            entry(2, PublicationDate="0001-01-01T00:00:00+05:00"),
            entry(2, ModificationDate="9999-12-31T23:59:59Z"),
            entry(2, Name=entry(2)["Name"].replace("20240702", "00010102")),
            entry(2, Name=entry(2)["Name"].replace("22WEV", "22WEA")),
            entry(2, Name=entry(2)["Name"].replace("MSIL1C", "MSIL2A")),
            {},
            None,
            "text",
            ["list"],
        ],
        ids=str,
    )
    def test_one_bad_entry_is_logged_and_hides_no_other(
        self, cdse: Cdse, provider: Provider, bad: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        provider.pages = [page(entry(1), bad, entry(3))]
        with caplog.at_level(logging.WARNING, "icewatch"):
            assert [product.id for product in cdse.search(MONTH)] == ["id-01", "id-03"]
        assert "22WEV 2024-07 is left out" in caplog.text

    @pytest.mark.parametrize(
        "body",
        [b"", b"<html>maintenance</html>", b"[]", b'{"value": 7}', b'{"error": {}}', b"\xff\xfe", b"[" * 100_000],
    )
    def test_a_body_that_is_no_page_is_refused(self, cdse: Cdse, provider: Provider, body: bytes) -> None:
        provider.pages = [httpx.Response(200, content=body)]
        with pytest.raises(ProviderUnavailable, match="no page of products"):
            list(cdse.search(MONTH))

    def test_a_body_without_end_is_refused(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [httpx.Response(200, content=(b" " * 1024 * 1024 for _ in range(1000)))]
        with pytest.raises(ProviderUnavailable, match="more than 67108864 bytes"):
            list(cdse.search(MONTH))

    @pytest.mark.parametrize("status", [301, 401, 403, 404, 422, 429, 500, 502, 503, 504, 418])
    def test_a_catalogue_that_answers_no_page_is_tried_again_later(
        self, cdse: Cdse, provider: Provider, status: int
    ) -> None:
        provider.pages = [httpx.Response(status)]
        with pytest.raises(ProviderUnavailable, match=f"22WEV 2024-07 with {status}"):
            list(cdse.search(MONTH))

    def test_a_page_that_fails_in_the_middle_fails_the_search(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [page(entry(1), after=f"{CATALOGUE}/Products?$skip=1"), httpx.ConnectTimeout("slow")]
        with pytest.raises(ProviderUnavailable, match="ConnectTimeout"):
            list(cdse.search(MONTH))


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


@needs_shared
class TestRecordedAnswers:
    def test_a_real_search_for_l1c_products_parses(self) -> None:
        parsed = Page.parse(recorded("odata_search_s2_l1c.json"))
        products = [product_of(found) for found in parsed.entries]
        assert products
        assert all(product.name.level is Level.L1C and product.online and product.size for product in products)
        assert parsed.next_link is not None
        first = products[0]
        assert first.cloud_cover == pytest.approx(95.136736479015)
        assert {checksum.algorithm for checksum in first.checksums} == {"MD5", "BLAKE3"}

    def test_a_real_answer_with_checksums_parses(self) -> None:
        [found] = Page.parse(recorded("odata_product_checksum.json")).entries
        assert product_of(found).checksums[0] == Checksum("MD5", "ef0e036af119acf95a8d79c0a27aa1d7")

    def test_a_real_notification_of_a_product_holds_an_entry(self) -> None:
        product = product_of(json.loads(recorded("push_created_s2_l1c_n0511.json"))["value"])
        assert str(product.name) == "S2A_MSIL1C_20240912T112541_N0511_R137_T28PHQ_20240912T133420"

    def test_five_real_consecutive_pages_are_followed_to_the_end(self, caplog: pytest.LogCaptureFixture) -> None:
        """They are of Sentinel-1, so that every entry is left out: with a log line, as an entry of no use is."""
        bodies = [recorded(f"odata_paging_s1_page_{i}.json") for i in range(1, 6)]
        entries = [found for body in bodies for found in Page.parse(body).entries]
        served = iter(bodies)
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(str(request.url.params.get("$skip")))
            return httpx.Response(200, content=next(served))

        cdse = Cdse(Copernicus(), transport=Wire(answer))
        with caplog.at_level(logging.WARNING, "icewatch"):
            assert list(cdse.search(MONTH)) == []
        cdse.close()
        assert len(entries) == json.loads(bodies[0])["@odata.count"] == caplog.text.count("is left out")
        assert asked == ["None", "10", "20", "30", "40"]
