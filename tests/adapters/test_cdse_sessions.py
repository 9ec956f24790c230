"""One login session for all instances of the app, and sealed where it lies."""

from __future__ import annotations

import threading
from contextlib import closing

import httpx
import pytest

from local.copernicus import Kind, Lifetimes, SimulatedCopernicus, Truncate
from shared.adapters.cdse import Cdse
from shared.adapters.cdse_login import Login
from shared.adapters.cdse_sessions import SESSION, OwnSession, SealedSession, Session
from shared.errors import ProviderLimits, ProviderUnavailable, StorageUnavailable
from tests.adapters.catalogues import BODY, SECOND, fetched, settings
from tests.adapters.cdse_provider import SETTINGS, Provider, Wire, always
from tests.fakes import FakeStore

PASSWORD = "pa55word-secret"
KEPT = Session(
    user="someone@example.org", token="token-secret", until=100.0, refresh="refresh-secret", refresh_until=200
)


class TestSealing:
    def test_who_knows_the_password_reads_what_was_kept(self) -> None:
        store = FakeStore()
        SealedSession(store, PASSWORD).save(KEPT)
        assert SealedSession(store, PASSWORD).load() == KEPT

    def test_the_blob_shows_no_secret_and_neither_does_a_repr(self) -> None:
        store = FakeStore()
        SealedSession(store, PASSWORD).save(KEPT)
        assert b"secret" not in store.read(SESSION)
        assert b"someone" not in store.read(SESSION)
        assert "secret" not in repr(KEPT)

    def test_another_password_opens_nothing(self) -> None:
        store = FakeStore()
        SealedSession(store, "another").save(KEPT)
        assert SealedSession(store, PASSWORD).load() is None

    @pytest.mark.parametrize("blob", [b"", b"short", b"x" * 16, b"x" * 500, "é".encode() * 200])
    def test_a_damaged_blob_is_as_good_as_none(self, blob: bytes) -> None:
        assert SealedSession(FakeStore({SESSION: blob}), PASSWORD).load() is None

    def test_without_a_blob_there_is_none(self) -> None:
        assert SealedSession(FakeStore(), PASSWORD).load() is None

    def test_a_store_that_is_busy_is_tried_again_later(self) -> None:
        store = FakeStore()
        store.fail("read", StorageUnavailable("busy"))
        with pytest.raises(StorageUnavailable):
            SealedSession(store, PASSWORD).load()


class TestSharing:
    def instances(self, copernicus: SimulatedCopernicus, store: FakeStore, number: int) -> list[Cdse]:
        found = settings(copernicus).copernicus
        return [Cdse(found, sessions=SealedSession(store, found.password)) for _ in range(number)]

    def test_many_instances_hold_one_session(self) -> None:
        with SimulatedCopernicus() as copernicus:
            product_id = copernicus.publish_entry(SECOND, BODY)
            for cdse in self.instances(copernicus, FakeStore(), 5):
                with closing(cdse):
                    assert fetched(cdse, product_id) == BODY
            assert copernicus.sessions == 1
            assert copernicus.requests[Kind.LOGIN] == 1

    def test_a_renewal_by_one_instance_serves_the_others(self) -> None:
        with SimulatedCopernicus() as copernicus:
            product_id = copernicus.publish_entry(SECOND, BODY)
            instances = self.instances(copernicus, FakeStore(), 3)
            for _ in range(3):
                copernicus.expire_tokens()
                for cdse in instances:
                    assert fetched(cdse, product_id) == BODY
            assert copernicus.sessions == 1
            assert copernicus.requests[Kind.LOGIN] == 3
            for cdse in instances:
                cdse.close()

    def test_instances_that_renew_at_once_end_with_one_session_each_at_most(self) -> None:
        with SimulatedCopernicus() as copernicus:
            product_id = copernicus.publish_entry(SECOND, BODY)
            instances = self.instances(copernicus, FakeStore(), 4)
            barrier = threading.Barrier(4)
            results: list[bytes] = []

            def download(cdse: Cdse) -> None:
                barrier.wait()
                results.append(fetched(cdse, product_id))

            threads = [threading.Thread(target=download, args=(cdse,)) for cdse in instances]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert results == [BODY] * 4
            assert copernicus.sessions <= 4
            for cdse in instances:
                cdse.close()

    def test_the_session_of_another_user_is_not_taken(self) -> None:
        provider, sessions = Provider(), OwnSession()
        sessions.save(KEPT.model_copy(update={"user": "somebody else", "until": 1e12}))
        with httpx.Client(transport=Wire(provider)) as client:
            assert Login(client, SETTINGS, sessions=sessions, clock=lambda: 0.0).token() == "token-1-secret"

    def test_who_lost_the_race_for_a_renewal_takes_the_winners_session(self) -> None:
        provider, sessions = Provider(), OwnSession()
        sessions.save(KEPT)
        now = 50.0
        with httpx.Client(transport=Wire(provider)) as client:
            login = Login(client, SETTINGS, sessions=sessions, clock=lambda: now)
            assert login.token() == "token-secret"
            now = 150.0

            def winner_is_faster(request: httpx.Request) -> httpx.Response:
                sessions.save(KEPT.model_copy(update={"refresh": "newer-secret"}))
                return always(400)(request)

            provider.logins = [winner_is_faster, provider.grant]
            assert login.token() == "token-1-secret"
        assert provider.grants() == ["refresh_token", "refresh_token"]
        assert b"newer-secret" in provider.requests[-1].content

    def test_a_session_that_could_not_be_shared_is_not_opened_twice(self) -> None:
        with SimulatedCopernicus() as copernicus:
            product_id, store = copernicus.publish_entry(SECOND, BODY), FakeStore()
            store.fail("write", StorageUnavailable("busy"))
            [cdse] = self.instances(copernicus, store, 1)
            with closing(cdse):
                with pytest.raises(StorageUnavailable):
                    fetched(cdse, product_id)
                assert fetched(cdse, product_id) == BODY
            assert copernicus.sessions == 1


class TestExpiry:
    def test_a_token_that_ends_in_mid_download_costs_a_new_start_and_no_session(self) -> None:
        with SimulatedCopernicus() as copernicus, closing(Cdse(settings(copernicus).copernicus)) as cdse:
            product_id = copernicus.publish_entry(SECOND, BODY)
            copernicus.inject(Truncate(then=copernicus.expire_tokens))
            with pytest.raises(ProviderUnavailable, match="broke off"):
                fetched(cdse, product_id)
            assert fetched(cdse, product_id) == BODY
            assert copernicus.sessions == 1

    def test_an_account_with_all_its_sessions_taken_is_tried_again_later(self) -> None:
        with (
            SimulatedCopernicus(lifetimes=Lifetimes(sessions=0)) as copernicus,
            closing(Cdse(settings(copernicus).copernicus)) as cdse,
            pytest.raises(ProviderUnavailable, match="as many live sessions as it may have"),
        ):
            fetched(cdse, copernicus.publish_entry(SECOND, BODY))

    def test_an_identity_service_that_asks_for_a_pause_gets_it(self) -> None:
        provider = Provider()
        provider.logins = [lambda _: httpx.Response(503, headers={"Retry-After": "40"})]
        with closing(Cdse(SETTINGS, transport=Wire(provider))) as cdse, pytest.raises(ProviderLimits) as caught:
            fetched(cdse, "id-01")
        assert caught.value.seconds == 40
