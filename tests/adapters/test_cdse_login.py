"""The login at the Copernicus Data Space Ecosystem: few sessions, and no secret where people look."""

from __future__ import annotations

import logging
import threading
from urllib.parse import parse_qs

import httpx
import pytest

from shared.adapters.cdse import Cdse
from shared.adapters.cdse_login import Login
from shared.adapters.cdse_sessions import OwnSession
from shared.errors import BadSetting, PermanentError, ProviderUnavailable
from shared.settings import Copernicus
from tests.adapters.cdse_provider import (
    CATALOGUE,
    DOWNLOAD,
    IDENTITY,
    SETTINGS,
    ZIP,
    Answer,
    Provider,
    Wire,
    always,
    fetched,
)


class TestLogin:
    def test_one_session_serves_many_downloads(self, cdse: Cdse, provider: Provider) -> None:
        for _ in range(3):
            fetched(cdse)
        assert provider.grants() == ["password"]
        form = parse_qs(provider.requests[0].content.decode())
        assert form == {
            "client_id": ["cdse-public"],
            "grant_type": ["password"],
            "username": ["someone@example.org"],
            "password": ["pa55word-secret"],
        }

    def test_a_refused_token_is_refreshed_once_and_the_download_asked_for_again(
        self, cdse: Cdse, provider: Provider
    ) -> None:
        provider.downloads = [always(401), lambda _: httpx.Response(200, content=ZIP)]
        assert fetched(cdse) == ZIP
        assert provider.grants() == ["password", "refresh_token"]
        assert provider.sent_to("download.test")[-1].headers["Authorization"] == "Bearer token-2-secret"

    def test_a_token_refused_for_ever_is_not_asked_for_for_ever(self, cdse: Cdse, provider: Provider) -> None:
        provider.downloads = [always(401)]
        with pytest.raises(ProviderUnavailable):
            fetched(cdse)
        assert len(provider.sent_to("download.test")) == 2
        assert provider.grants() == ["password", "refresh_token"]

    def test_a_session_that_is_over_is_opened_again_with_the_password(self, cdse: Cdse, provider: Provider) -> None:
        provider.downloads = [always(401), lambda _: httpx.Response(200, content=ZIP)]
        provider.logins = [provider.grant, always(400), provider.grant]
        assert fetched(cdse) == ZIP
        assert provider.grants() == ["password", "refresh_token", "password"]

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_a_wrong_password_is_a_setting_to_correct(self, cdse: Cdse, provider: Provider, status: int) -> None:
        provider.logins = [always(status)]
        with pytest.raises(BadSetting, match="COPERNICUS_PASSWORD"):
            fetched(cdse)
        assert provider.grants() == ["password"]

    def test_without_an_account_nothing_is_asked(self, provider: Provider) -> None:
        cdse = Cdse(Copernicus("", "", IDENTITY, CATALOGUE, DOWNLOAD), transport=Wire(provider))
        with pytest.raises(BadSetting, match="COPERNICUS_USER"):
            fetched(cdse)
        assert provider.requests == []
        cdse.close()

    @pytest.mark.parametrize(
        "answer",
        [
            always(500),
            always(429),
            lambda _: httpx.Response(302, headers={"Location": "https://evil.test/"}),
            lambda _: httpx.Response(200, content=b"<html>"),
            lambda _: httpx.Response(200, json={"access_token": "secret\nX-Header: injected"}),
            lambda _: httpx.Response(200, json={"refresh_token": "refresh-secret", "expires_in": "secret"}),
        ],
    )
    def test_an_identity_service_that_answers_no_token_is_tried_again_later(
        self, cdse: Cdse, provider: Provider, answer: Answer
    ) -> None:
        provider.logins = [answer]
        with pytest.raises(ProviderUnavailable, match="login answers") as caught:
            fetched(cdse)
        assert "secret" not in "".join(map(str, (caught.value, caught.value.__cause__)))
        assert provider.sent_to("evil.test") == []

    def test_a_token_is_renewed_before_it_ends_and_by_password_only_after_an_hour(self, provider: Provider) -> None:
        instants = iter([0.0, 569.0, 571.0, 1000.0, 1000.0 + 3571.0])
        now = [0.0]
        with httpx.Client(transport=Wire(provider)) as client:
            login = Login(client, SETTINGS, sessions=OwnSession(), clock=lambda: now[0])
            given = []
            for now[0] in instants:
                given += [login.token()]
        assert given == [f"token-{i}-secret" for i in (1, 1, 2, 2, 3)]
        assert provider.grants() == ["password", "refresh_token", "password"]

    def test_a_token_of_a_few_seconds_is_used_for_most_of_them(self, provider: Provider) -> None:
        now, provider.expires_in = 0.0, 10.0
        with httpx.Client(transport=Wire(provider)) as client:
            login = Login(client, SETTINGS, sessions=OwnSession(), clock=lambda: now)
            tokens = [login.token(), login.token()]
            now = 9.5
            tokens.append(login.token())
        assert tokens == ["token-1-secret", "token-1-secret", "token-2-secret"]

    def test_many_threads_share_one_session_and_one_renewal(self, cdse: Cdse, provider: Provider) -> None:
        login = cdse._login
        barrier = threading.Barrier(8)
        given: list[str] = []

        def ask(refused: str) -> None:
            barrier.wait()
            given.append(login.token(refused=refused))

        for refused in ("", "token-1-secret"):
            threads = [threading.Thread(target=ask, args=(refused,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert given == ["token-1-secret"] * 8 + ["token-2-secret"] * 8
        assert provider.grants() == ["password", "refresh_token"]

    def test_no_log_and_no_error_shows_a_secret(
        self, cdse: Cdse, provider: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        provider.downloads = [always(401), always(403)]
        with caplog.at_level(logging.DEBUG), pytest.raises(PermanentError) as caught:
            fetched(cdse)
        shown = caplog.text + repr(caught.value) + repr(SETTINGS) + repr(cdse._login.__dict__)
        assert "secret" not in shown
        assert provider.tokens == 2
