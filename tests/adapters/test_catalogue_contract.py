"""What `shared.ports.Catalogue` promises, claimed of every catalogue: CDSE, DHuS through sentinelsat, and the fake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.copernicus import (
    SimulatedCopernicus,
)
from shared.adapters.dhus import Dhus
from shared.errors import (
    NotFound,
    Offline,
    StorageUnavailable,
)
from shared.models import Checksum, Level, Product, ProductName
from shared.ports import Retrieval
from tests.adapters.catalogues import (
    BODY,
    EARLY,
    FIRST,
    L2A,
    LAST,
    MONTH,
    NEIGHBOUR,
    NEXT_MONTH,
    NOON,
    OLD,
    OTHER_HALF,
    REPROCESSED,
    SECOND,
    Fake,
    Provider,
    fetched,
    names,
    real_catalogue,
)


@pytest.fixture(params=["cdse", "cdse in small pages", "dhus", "fake"])
def provider(
    request: pytest.FixtureRequest, whole: SimulatedCopernicus, paged: SimulatedCopernicus
) -> Iterator[Provider]:
    if request.param == "fake":
        yield Fake()
        return
    with real_catalogue(paged if "pages" in request.param else whole, request.param) as found:
        yield found


class TestSearch:
    def test_it_finds_all_of_one_tile_and_month_in_sensing_order(self, provider: Provider) -> None:
        for name in (LAST, OTHER_HALF, NEXT_MONTH, NEIGHBOUR, SECOND, L2A, FIRST, REPROCESSED):
            provider.publish(name)
        found = names(provider.catalogue.search(MONTH))
        assert sorted(found) == sorted([FIRST, SECOND, OTHER_HALF, REPROCESSED, LAST])
        assert (found[0], found[-1]) == (FIRST, LAST)
        assert names(provider.catalogue.search(MONTH.next())) == [NEXT_MONTH]

    def test_the_level_can_be_chosen(self, provider: Provider) -> None:
        provider.publish(SECOND)
        provider.publish(L2A)
        assert names(provider.catalogue.search(MONTH, level=Level.L2A)) == [L2A]

    def test_a_month_with_nothing_in_it_is_empty(self, provider: Provider) -> None:
        provider.publish(NEXT_MONTH)
        assert names(provider.catalogue.search(MONTH)) == []

    def test_products_without_a_tile_in_the_index_are_found_too(self, provider: Provider) -> None:
        provider.publish(OLD)
        provider.publish(OLD.replace("22WEV", "22WDV"))
        assert names(provider.catalogue.search(EARLY)) == [OLD]

    def test_a_product_says_all_that_the_steps_need(self, provider: Provider) -> None:
        when = datetime(2024, 7, 3, 20, 0, 0, 123_000, tzinfo=UTC)
        product_id = provider.publish(SECOND, BODY, when=when, cloud=12.5)
        assert list(provider.catalogue.search(MONTH)) == [
            Product(
                id=product_id,
                name=ProductName.parse(SECOND),
                size=len(BODY),
                checksums=(Checksum("MD5", hashlib.md5(BODY).hexdigest()),),
                published=when,
                online=True,
                cloud_cover=12.5,
                modified=when,
            )
        ]

    def test_only_late_arrivals_come_where_only_they_are_wanted(self, provider: Provider) -> None:
        provider.publish(FIRST, when=NOON - timedelta(days=1))
        provider.publish(SECOND, when=NOON)
        provider.publish(REPROCESSED, when=NOON + timedelta(seconds=1))
        assert names(provider.catalogue.search(MONTH, modified_since=NOON)) == [REPROCESSED]
        assert names(provider.catalogue.search(MONTH, modified_since=NOON + timedelta(days=1))) == []

    def test_what_is_in_the_archive_is_listed_as_offline(self, provider: Provider) -> None:
        provider.publish(SECOND, online=False)
        assert [product.online for product in provider.catalogue.search(MONTH)] == [False]

    def test_what_was_withdrawn_is_not_found(self, provider: Provider) -> None:
        provider.publish(SECOND)
        provider.publish(REPROCESSED)
        provider.withdraw(SECOND)
        assert names(provider.catalogue.search(MONTH)) == [REPROCESSED]

    def test_two_searches_find_the_same(self, provider: Provider) -> None:
        for name in (SECOND, OTHER_HALF, REPROCESSED):
            provider.publish(name)
        assert list(provider.catalogue.search(MONTH)) == list(provider.catalogue.search(MONTH))


class TestDeleted:
    def test_deletions_are_told_with_their_cause_or_not_at_all(self, provider: Provider) -> None:
        product_id = provider.publish(SECOND)
        provider.publish(NEXT_MONTH)
        provider.withdraw(SECOND)
        provider.withdraw(NEXT_MONTH)
        told = [(found.id, found.name, found.cause) for found in provider.catalogue.deleted(MONTH)]
        silent = isinstance(provider.catalogue, Dhus)
        assert told == ([] if silent else [(product_id, SECOND, "Duplicated product")])


class TestDownload:
    def test_it_gives_the_size_and_all_bytes(self, provider: Provider) -> None:
        product_id = provider.publish(SECOND, BODY)
        with provider.catalogue.download(product_id) as download:
            assert download.size == len(BODY)
            assert b"".join(download.chunks) == BODY

    def test_what_is_gone_is_not_found(self, provider: Provider) -> None:
        product_id = provider.publish(SECOND, BODY)
        provider.withdraw(SECOND)
        with pytest.raises(NotFound) as caught:
            fetched(provider.catalogue, product_id)
        assert not isinstance(caught.value, Offline)

    def test_what_is_in_the_archive_is_offline(self, provider: Provider) -> None:
        product_id = provider.publish(SECOND, BODY, online=False)
        with pytest.raises(Offline):
            fetched(provider.catalogue, product_id)

    def test_the_readers_error_passes_and_the_next_download_works(self, provider: Provider) -> None:
        product_id = provider.publish(SECOND, BODY)

        def give_up() -> None:
            with provider.catalogue.download(product_id) as download:
                next(download.chunks)
                raise StorageUnavailable("busy")

        with pytest.raises(StorageUnavailable, match="busy"):
            give_up()
        assert fetched(provider.catalogue, product_id) == BODY


class TestRetrieval:
    def test_every_catalogue_says_what_becomes_of_the_wish(self, provider: Provider) -> None:
        product_id = provider.publish(SECOND, online=False)
        can_be_asked = isinstance(provider.catalogue, Dhus)
        expected = Retrieval.ACCEPTED if can_be_asked else Retrieval.UNSUPPORTED
        assert provider.catalogue.retrieve(product_id) is expected
