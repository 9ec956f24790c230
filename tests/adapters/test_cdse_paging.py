"""Complete listings of the Copernicus Data Space Ecosystem: far pages, counts, deletions, long names, notifications."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from local.copernicus import Kind, Paging, SimulatedCopernicus
from shared.adapters.cdse import Cdse
from shared.adapters.cdse_entries import parse_push
from shared.adapters.cdse_search import Window
from shared.errors import BadMessage, LongProductName, ProviderUnavailable
from shared.models import Level
from shared.ports import Deletion, Unsupported
from tests.adapters.catalogues import settings
from tests.adapters.cdse_provider import CATALOGUE, MONTH, SETTINGS, Provider, Wire, entry, page
from tests.conftest import SHARED, needs_shared

LONG = "S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807"
START = datetime(2024, 7, 1, tzinfo=UTC)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def cdse(provider: Provider) -> Iterator[Cdse]:
    with closing(Cdse(SETTINGS, transport=Wire(provider))) as found:
        yield found


def counted(number: int, *entries: Any, after: str | None = None) -> httpx.Response:
    body = json.loads(page(*entries, after=after).content)
    return httpx.Response(200, json={"@odata.count": number, **body})


class TestQuestion:
    def test_the_level_and_the_last_change_are_part_of_it(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [page()]
        since = datetime(2024, 7, 3, 20, 0, 0, 123_900, tzinfo=UTC)
        list(cdse.search(MONTH, level=Level.L2A, modified_since=since))
        question = provider.requests[0].url.params["$filter"]
        assert "/Value eq 'S2MSI2A'" in question
        assert question.endswith(" and ModificationDate gt 2024-07-03T20:00:00.123Z")

    def test_the_last_change_of_an_entry_is_known(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [page(entry(1, ModificationDate="2024-07-09T10:00:00.5+02:00"), entry(2))]
        assert [product.modified for product in cdse.search(MONTH)] == [
            datetime(2024, 7, 9, 8, 0, 0, 500_000, tzinfo=UTC),
            None,
        ]


class TestCounts:
    def test_a_pass_that_misses_an_entry_is_made_again(self, cdse: Cdse, provider: Provider) -> None:
        link = f"{CATALOGUE}/Products?$skip=1"
        provider.pages = [
            counted(3, entry(1), after=link),
            counted(2, entry(3)),  # the first was deleted meanwhile, and the second slipped by
            counted(2, entry(2), after=link),
            counted(2, entry(3)),
        ]
        assert [product.id for product in cdse.search(MONTH)] == ["id-02", "id-03"]

    def test_a_count_that_never_fits_is_tried_again_later(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [counted(3, entry(1), entry(2))]
        with pytest.raises(ProviderUnavailable, match="it counts 3 entries, 2 came"):
            list(cdse.search(MONTH))
        assert len(provider.requests) == 4

    def test_nothing_comes_before_the_listing_is_complete(self, cdse: Cdse, provider: Provider) -> None:
        provider.pages = [page(entry(1), after=f"{CATALOGUE}/Products?$skip=1"), httpx.Response(503)]
        with pytest.raises(ProviderUnavailable):
            next(cdse.search(MONTH))


class TestFarPages:
    """The catalogue refuses positions beyond its limit with 422."""

    def test_the_window_is_cut_in_halves_until_it_fits(self) -> None:
        with SimulatedCopernicus(paging=Paging(size=2, furthest=4)) as copernicus:
            days = range(1, 31)
            for day in reversed(days):
                copernicus.publish_entry(f"S2B_MSIL1C_202407{day:02d}T151809_N0510_R068_T22WEV_202407{day:02d}T184612")
            with closing(Cdse(settings(copernicus).copernicus)) as cdse:
                found = [product.name.sensing.day for product in cdse.search(MONTH)]
        assert found == list(days)

    def test_what_cannot_be_cut_any_further_is_tried_again_later(self) -> None:
        with SimulatedCopernicus(paging=Paging(size=1, furthest=0)) as copernicus:
            for second in range(3):
                copernicus.publish_entry(f"S2B_MSIL1C_20240716T15180{second}_N0510_R068_T22WEV_20240716T184612")
            with (
                closing(Cdse(settings(copernicus).copernicus)) as cdse,
                pytest.raises(ProviderUnavailable, match="with 422"),
            ):
                list(cdse.search(MONTH))
            assert copernicus.requests[Kind.SEARCH] < 40

    def test_two_halves_are_the_whole(self) -> None:
        window = Window(START, START + timedelta(seconds=3))
        earlier, later = window.halves()
        assert (earlier.start, earlier.end, later.end) == (window.start, later.start, window.end)
        assert earlier.end == START + timedelta(seconds=1)


class TestDeletions:
    def test_an_entry_becomes_a_deletion(self, cdse: Cdse, provider: Provider) -> None:
        gone = {"DeletionDate": "2024-08-01T10:00:00.000Z", "DeletionCause": "Corrupted product"}
        provider.pages = [page(entry(1, **gone), {"Id": "no deletion"}, entry(2, DeletionDate=gone["DeletionDate"]))]
        first, second = cdse.deleted(MONTH)
        name = entry(1)["Name"].removesuffix(".SAFE")
        assert first == Deletion("id-01", name, datetime(2024, 8, 1, 10, tzinfo=UTC), "Corrupted product")
        assert second.cause == "no cause given"
        [request] = provider.requests
        assert request.url.path == "/odata/DeletedProducts"
        assert "contains(Name,'_T22WEV_')" in request.url.params["$filter"]


class TestLongNames:
    def test_a_product_in_the_long_format_is_reported_with_the_reason(self, cdse: Cdse, provider: Provider) -> None:
        dates = {"Start": "2016-10-12T16:18:12.000Z", "End": "2016-10-12T16:18:12.000Z"}
        provider.pages = [page(entry(1), entry(2, Name=f"{LONG}.SAFE", ContentDate=dates), entry(3))]
        reported: list[Unsupported] = []
        found = cdse.search(MONTH, unsupported=reported.append)
        assert [product.id for product in found] == ["id-01", "id-03"]
        [long] = reported
        assert (long.id, long.name) == ("id-02", LONG)
        assert long.sensing == datetime(2016, 10, 12, 16, 18, 12, tzinfo=UTC)
        assert "format used before 2016-12-06" in long.reason

    def test_who_does_not_ask_for_them_finds_them_in_the_log(
        self, cdse: Cdse, provider: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        provider.pages = [page(entry(2, Name=LONG))]
        with caplog.at_level(logging.WARNING, "icewatch"):
            assert list(cdse.search(MONTH)) == []
        assert "format used before 2016-12-06" in caplog.text

    def test_the_simulated_catalogue_lists_them_as_the_real_one_does(self) -> None:
        reported: list[Unsupported] = []
        with SimulatedCopernicus() as copernicus:
            product_id = copernicus.publish_long(LONG, "22WEV", START + timedelta(days=3))
            with closing(Cdse(settings(copernicus).copernicus)) as cdse:
                assert list(cdse.search(MONTH, unsupported=reported.append)) == []
        assert [(found.id, found.name) for found in reported] == [(product_id, LONG)]


class TestNotifications:
    def notification(self, **changes: Any) -> bytes:
        return json.dumps({"SubscriptionEvent": "created", "value": entry(3), **changes}).encode()

    def test_a_notification_announces_a_product(self) -> None:
        assert parse_push(self.notification()).id == "id-03"

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (b"", "does not parse at the whole body"),
            (b"[]", "does not parse"),
            (b'{"SubscriptionEvent": "created"}', "at value"),
            (b" " * 2_000_000, "2000000 bytes long"),
        ],
    )
    def test_a_body_that_is_none_is_refused(self, body: bytes, says: str) -> None:
        with pytest.raises(BadMessage, match=says):
            parse_push(body)

    def test_another_event_is_refused(self) -> None:
        with pytest.raises(BadMessage, match="of 'deleted'; expected created or modified"):
            parse_push(self.notification(SubscriptionEvent="deleted"))

    def test_an_entry_that_does_not_parse_is_refused_with_the_place(self) -> None:
        with pytest.raises(BadMessage, match="at ContentLength"):
            parse_push(self.notification(value=entry(3, ContentLength="much")))

    def test_a_long_name_is_refused_as_such(self) -> None:
        with pytest.raises(LongProductName):
            parse_push(self.notification(value=entry(3, Name=LONG)))

    @needs_shared
    def test_a_recorded_notification_parses(self) -> None:
        product = parse_push((SHARED / "data/catalogue/cdse/push_created_s2_l1c_n0511.json").read_bytes())
        assert str(product.name) == "S2A_MSIL1C_20240912T112541_N0511_R137_T28PHQ_20240912T133420"
        assert product.size == 132_384_463
        assert [checksum.algorithm for checksum in product.checksums] == ["MD5", "BLAKE3"]
        assert product.modified == datetime(2024, 9, 12, 14, 52, 51, 828_000, tzinfo=UTC)
