"""The adapters before servers that misbehave: every trouble is an error that the steps know."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from uuid import UUID

import pytest

from local.copernicus import (
    Drip,
    Fault,
    Forbidden,
    Kind,
    Meanwhile,
    NoChecksum,
    Redirect,
    Repeated,
    SimulatedCopernicus,
    Stall,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongChecksum,
)
from shared.adapters.dhus import Dhus
from shared.errors import (
    AccessDenied,
    BadName,
    ProviderLimits,
    ProviderUnavailable,
)
from shared.models import Checksum
from shared.ports import Entries
from tests.adapters.catalogues import (
    BODY,
    FIRST,
    MONTH,
    NOON,
    SECOND,
    Real,
    fetched,
    impatient,
    names,
    real_catalogue,
)


@pytest.fixture(params=["cdse", "dhus"])
def real(request: pytest.FixtureRequest, whole: SimulatedCopernicus) -> Iterator[Real]:
    with real_catalogue(whole, request.param) as found:
        yield found


class TestBadDays:
    """What only happens with servers; every error is one that the steps know."""

    @pytest.mark.parametrize("product_id", ["", "a)/b", "../x", "a b", "id')", "x" * 101])
    def test_an_identifier_that_is_none_is_not_asked_for(self, real: Real, product_id: str) -> None:
        with pytest.raises(BadName, match="no product identifier"):
            fetched(real.catalogue, product_id)
        assert not real.copernicus.requests

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (TooManyRequests(), ProviderLimits),
            (Forbidden(), AccessDenied),
            (Unavailable(kind=Kind.DOWNLOAD, status=500), ProviderUnavailable),
            (Unavailable(kind=Kind.DOWNLOAD, status=503), ProviderUnavailable),
            (Truncate(share=0.3), ProviderUnavailable),
            (Truncate(share=0), ProviderUnavailable),
            (Drip(), ProviderUnavailable),
            (Stall(seconds=30), ProviderUnavailable),
        ],
        ids=str,
    )
    def test_a_download_that_goes_wrong_has_its_error_and_the_next_one_works(
        self, real: Real, fault: Fault, error: type[Exception]
    ) -> None:
        product_id = real.publish(SECOND, BODY)
        real.copernicus.inject(fault)
        with closing(impatient(real)) as catalogue:
            with pytest.raises(error, match=product_id):
                fetched(catalogue, product_id)
            assert fetched(catalogue, product_id) == BODY

    def test_a_limit_says_how_long_to_wait(self, real: Real) -> None:
        product_id = real.publish(SECOND, BODY)
        real.copernicus.inject(TooManyRequests(retry_after="17"))
        with pytest.raises(ProviderLimits) as caught:
            fetched(real.catalogue, product_id)
        assert caught.value.seconds == 17

    def test_a_foreign_host_never_sees_the_login(self, real: Real) -> None:
        product_id = real.publish(SECOND, BODY)
        real.copernicus.inject(Redirect(real.copernicus.elsewhere(product_id)))
        assert fetched(real.catalogue, product_id) == BODY
        assert real.copernicus.authorizations_elsewhere == [None]

    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    def test_a_search_that_is_not_answered_is_tried_again_later(self, real: Real, status: int) -> None:
        real.publish(SECOND)
        real.copernicus.inject(Unavailable(status=status), times=3)
        for _ in range(3):
            with pytest.raises(ProviderUnavailable, match=str(status)):
                list(real.catalogue.search(MONTH))
        assert names(real.catalogue.search(MONTH)) == [SECOND]

    def test_digests_that_are_not_known_yet_are_left_out(self, real: Real) -> None:
        real.publish(SECOND, BODY)
        real.copernicus.inject(NoChecksum(), times=9)
        assert [product.checksums for product in real.catalogue.search(MONTH)] == [()]

    def test_one_entry_can_be_read_again(self, real: Real) -> None:
        product_id = real.publish(SECOND, BODY, cloud=33.0)
        assert isinstance(real.catalogue, Entries)
        real.copernicus.inject(WrongChecksum())
        wrong = real.catalogue.entry(product_id)
        right = real.catalogue.entry(product_id)
        assert wrong is not None
        assert wrong.checksums != (Checksum("MD5", hashlib.md5(BODY).hexdigest()),)
        assert [right] == list(real.catalogue.search(MONTH))
        real.withdraw(SECOND)
        assert real.catalogue.entry(product_id) is None

    def test_a_name_under_several_identifiers_comes_under_each_and_those_online_can_be_downloaded(
        self, real: Real
    ) -> None:
        for number, online in ((1, True), (2, False), (3, True), (4, False)):
            real.copernicus.publish_entry(SECOND, BODY, product_id=str(UUID(int=number)), published=NOON, online=online)
        products = list(real.catalogue.search(MONTH))
        assert {str(product.name) for product in products} == {SECOND}
        assert {UUID(product.id).int: product.online for product in products} == {1: True, 2: False, 3: True, 4: False}
        assert [fetched(real.catalogue, product.id) for product in products if product.online] == [BODY, BODY]

    def test_an_entry_listed_twice_comes_once(self, real: Real) -> None:
        real.publish(SECOND)
        real.copernicus.inject(Repeated(), times=9)
        assert names(real.catalogue.search(MONTH)) == [SECOND]


class TestChangingPages:
    """A listing of several pages that changes while it is read."""

    @pytest.fixture(params=["cdse", "dhus"])
    def many(self, request: pytest.FixtureRequest, paged: SimulatedCopernicus) -> Iterator[Real]:
        with real_catalogue(paged, request.param) as found:
            if isinstance(found.catalogue, Dhus):
                found.catalogue._api.page_size = 2
            for name in self.listed():
                found.publish(name)
            yield found

    @staticmethod
    def listed(days: int = 9) -> list[str]:
        return [
            f"S2B_MSIL1C_202107{day:02d}T151909_N0301_R068_T22WEV_202107{day:02d}T174612" for day in range(1, days + 1)
        ]

    def test_all_pages_are_read(self, many: Real) -> None:
        assert names(many.catalogue.search(MONTH)) == self.listed()

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_no_neighbour_is_lost_where_an_entry_disappears(self, many: Real, page: int) -> None:
        gone = self.listed()[0]
        many.copernicus.inject(Meanwhile(lambda: many.withdraw(gone)), after=page)
        assert names(many.catalogue.search(MONTH)) == self.listed()[1:]

    @pytest.mark.parametrize("page", [1, 2, 3])
    def test_nothing_comes_twice_where_an_entry_appears(self, many: Real, page: int) -> None:
        many.copernicus.inject(Meanwhile(lambda: many.publish(FIRST)), after=page)
        assert names(many.catalogue.search(MONTH)) == [FIRST, *self.listed()]

    def test_a_listing_that_never_rests_is_tried_again_later(self, many: Real) -> None:
        seconds = count()

        def another() -> None:
            minute, second = divmod(next(seconds), 60)
            many.publish(f"S2B_MSIL1C_20210720T15{minute:02d}{second:02d}_N0301_R068_T22WEV_20210720T174612")

        many.copernicus.inject(Meanwhile(another), times=1000)
        with pytest.raises(ProviderUnavailable, match="changed during each of 4 tries"):
            list(many.catalogue.search(MONTH))
