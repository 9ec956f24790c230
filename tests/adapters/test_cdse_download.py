"""Downloading from the Copernicus Data Space Ecosystem on good and on bad days: rules, redirects, real connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from shared.adapters.cdse import Cdse
from shared.errors import BadName, NotFound, PermanentError, ProviderUnavailable, StorageUnavailable
from shared.settings import Copernicus
from tests.adapters.cdse_provider import (
    DOWNLOAD,
    MONTH,
    ZIP,
    Provider,
    always,
    fetched,
)


class TestDownload:
    def test_a_download_gives_the_announced_size_and_all_bytes(self, cdse: Cdse, provider: Provider) -> None:
        with cdse.download("id-01") as download:
            assert download.size == len(ZIP)
            assert b"".join(download.chunks) == ZIP
        [request] = provider.sent_to("download.test")
        assert str(request.url) == f"{DOWNLOAD}/Products(id-01)/$value"
        assert request.headers["Authorization"] == "Bearer token-1-secret"
        assert request.headers["Accept-Encoding"] == "identity"

    @pytest.mark.parametrize("product_id", ["", "a)/b", "../x", "a b", "x" * 101, "id\n"])
    def test_an_identifier_that_is_none_is_not_asked_for(self, cdse: Cdse, provider: Provider, product_id: str) -> None:
        with pytest.raises(BadName, match="no product identifier"):
            fetched(cdse, product_id)
        assert provider.requests == []

    @pytest.mark.parametrize(
        ("status", "error", "says"),
        [
            (401, ProviderUnavailable, "refuses the login"),
            (403, PermanentError, "permission, or its quota"),
            (404, NotFound, "deleted, or replaced"),
            (422, ProviderUnavailable, "422"),
            (429, ProviderUnavailable, "limits the number of connections"),
            (500, ProviderUnavailable, "500"),
            (503, ProviderUnavailable, "503"),
            (206, ProviderUnavailable, "206"),
            (418, ProviderUnavailable, "418"),
        ],
    )
    def test_each_answer_has_its_rule(
        self, cdse: Cdse, provider: Provider, status: int, error: type[Exception], says: str
    ) -> None:
        provider.downloads = [always(status)]
        with pytest.raises(error, match=says) as caught:
            fetched(cdse)
        assert "id-01" in str(caught.value)

    @pytest.mark.parametrize(
        "trouble", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout, httpx.RemoteProtocolError]
    )
    def test_a_server_that_does_not_answer_is_tried_again_later(
        self, cdse: Cdse, provider: Provider, trouble: type[httpx.TransportError]
    ) -> None:
        provider.downloads = [trouble("no")]
        with pytest.raises(ProviderUnavailable, match=trouble.__name__):
            fetched(cdse)

    def test_a_connection_that_breaks_off_says_how_far_it_came(self, cdse: Cdse, provider: Provider) -> None:
        def broken() -> Iterator[bytes]:
            yield b"x" * 1000
            raise httpx.ReadError("reset")

        provider.downloads = [lambda _: httpx.Response(200, content=broken(), headers={"Content-Length": "5000"})]
        with pytest.raises(ProviderUnavailable, match="after 1000 of 5000 bytes: ReadError"):
            fetched(cdse)

    def test_a_body_shorter_than_announced_is_no_success(self, cdse: Cdse, provider: Provider) -> None:
        short = iter([b"x" * 1000])
        provider.downloads = [lambda _: httpx.Response(200, content=short, headers={"Content-Length": "5000"})]
        with pytest.raises(ProviderUnavailable, match="after 1000 of 5000 bytes"):
            fetched(cdse)

    def test_a_server_that_announces_no_size_is_taken_as_it_is(self, cdse: Cdse, provider: Provider) -> None:
        provider.downloads = [lambda _: httpx.Response(200, content=iter([ZIP]))]
        with cdse.download("id-01") as download:
            assert download.size is None
            assert b"".join(download.chunks) == ZIP

    def test_an_error_of_the_reader_passes_and_closes_the_download(self, cdse: Cdse, provider: Provider) -> None:
        answer = httpx.Response(200, content=iter([ZIP, ZIP]))
        provider.downloads = [lambda _: answer]

        def fill() -> None:
            with cdse.download("id-01") as download:
                next(download.chunks)
                raise StorageUnavailable("busy")

        with pytest.raises(StorageUnavailable, match="busy"):
            fill()
        assert answer.is_closed


class TestRedirects:
    def test_the_token_stays_at_the_download_host(self, cdse: Cdse, provider: Provider) -> None:
        provider.downloads = [
            lambda _: httpx.Response(302, headers={"Location": "/odata/elsewhere"}),
            lambda _: httpx.Response(307, headers={"Location": "https://storage.test/file?signed=1"}),
        ]
        assert fetched(cdse) == ZIP
        assert [r.headers.get("Authorization") for r in provider.sent_to("download.test")] == [
            "Bearer token-1-secret"
        ] * 2
        [outside] = provider.sent_to("storage.test")
        assert "Authorization" not in outside.headers
        assert "secret" not in str(outside.headers)

    @pytest.mark.parametrize(
        "location", ["http://download.test/odata", "https://download.test:444/", "https://download.test.evil.test/"]
    )
    def test_another_scheme_port_or_suffix_is_another_host(self, cdse: Cdse, provider: Provider, location: str) -> None:
        served = iter([httpx.Response(302, headers={"Location": location}), httpx.Response(200, content=ZIP)])
        provider.downloads = [lambda _: next(served)]
        if location.startswith("http:"):
            with pytest.raises(ProviderUnavailable, match="no safe address"):
                fetched(cdse)
        else:
            fetched(cdse)
        assert all("Authorization" not in request.headers for request in provider.requests[2:])

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/", "https://x:y/", "javascript:0"])
    def test_an_address_that_is_none_is_not_followed(self, cdse: Cdse, provider: Provider, location: str) -> None:
        provider.downloads = [lambda _: httpx.Response(302, headers={"Location": location})]
        with pytest.raises(ProviderUnavailable):
            fetched(cdse)
        assert len(provider.requests) == 2  # the login and the first address

    def test_redirects_without_end_end(self, cdse: Cdse, provider: Provider) -> None:
        provider.downloads = [lambda _: httpx.Response(302, headers={"Location": "/again"})]
        with pytest.raises(ProviderUnavailable, match="more than 5 times"):
            fetched(cdse)
        assert len(provider.sent_to("download.test")) == 6


class Cutter(BaseHTTPRequestHandler):
    """Gives a token; every download announces 5000 bytes, and those of ``cut`` end after 1000."""

    def do_POST(self) -> None:  # the standard library's name
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b'{"access_token": "token"}', None)

    def do_GET(self) -> None:
        self.answer(b"x" * (1000 if "cut" in self.path else 5000), 5000)

    def answer(self, body: bytes, announced: int | None) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(announced or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on this machine, beside a proxy for everything else that does not answer."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Cutter) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class TestRealConnections:
    @pytest.fixture
    def cdse(self, address: str) -> Iterator[Cdse]:
        found = Cdse(Copernicus("user", "password", address, address, address))
        yield found
        found.close()

    def test_a_server_on_this_machine_is_reached_past_any_proxy(self, cdse: Cdse) -> None:
        assert fetched(cdse, "whole") == b"x" * 5000

    def test_a_connection_that_ends_early_is_no_success(self, cdse: Cdse) -> None:
        with pytest.raises(ProviderUnavailable, match="after 1000 of 5000 bytes: RemoteProtocolError"):
            fetched(cdse, "cut")

    def test_a_download_that_is_given_up_leaves_the_next_one_unharmed(self, cdse: Cdse) -> None:
        with cdse.download("whole") as download:
            next(download.chunks)
        assert fetched(cdse, "whole") == b"x" * 5000

    def test_a_server_that_is_not_there_is_tried_again_later(self) -> None:
        nobody = "http://127.0.0.1:9"
        cdse = Cdse(Copernicus("user", "password", nobody, nobody, nobody))
        with pytest.raises(ProviderUnavailable, match="login does not answer: ConnectError"):
            fetched(cdse)
        with pytest.raises(ProviderUnavailable, match="ConnectError"):
            list(cdse.search(MONTH))
        cdse.close()
