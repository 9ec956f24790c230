"""What the answers of a provider mean, and how long its bytes are waited for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.adapters.provider_answers import Patience, announced, failure, pause, received
from shared.errors import AccessDenied, IceWatchError, NotFound, ProviderLimits, ProviderUnavailable

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (204, ProviderUnavailable),
        (302, ProviderUnavailable),
        (401, ProviderUnavailable),
        (403, AccessDenied),
        (404, NotFound),
        (410, NotFound),
        (418, ProviderUnavailable),
        (422, ProviderUnavailable),
        (429, ProviderLimits),
        (500, ProviderUnavailable),
        (503, ProviderUnavailable),
        (599, ProviderUnavailable),
    ],
)
def test_each_status_has_its_error_and_says_who_what_and_why(status: int, error: type[IceWatchError]) -> None:
    found = failure("Copernicus", "the download of x", status)
    assert isinstance(found, error)
    assert str(found).startswith(f"Copernicus answers the download of x with {status}: ")


def test_a_server_in_trouble_may_ask_for_a_pause_too() -> None:
    found = failure("Copernicus", "the search", 503, "120")
    assert isinstance(found, ProviderLimits)
    assert found.seconds == 120
    assert not isinstance(failure("Copernicus", "the search", 503, "soon"), ProviderLimits)


def test_what_is_for_ever_is_not_waited_for() -> None:
    assert isinstance(failure("Copernicus", "the download of x", 404, "120"), NotFound)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("17", 17),
        (" 17 ", 17),
        ("-5", 0),
        ("1.5", 0),
        ("soon", 0),
        ("999999999", 86_400),
        ("9" * 400, 0),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("Sun, 22 Nov 2026 12:01:30 -0000", 90),
        ("Sun, 99 Nov 2026 12:01:30 GMT", 0),
        ("Sun, 22 Nov 2099 12:00:00 GMT", 86_400),
    ],
)
def test_a_pause_is_asked_for_in_seconds_or_as_a_date(text: str | None, seconds: float) -> None:
    assert pause(text, now=lambda: NOW) == seconds


@pytest.mark.parametrize(("text", "size"), [(None, None), ("", None), ("0", 0), ("12", 12), ("-1", None), ("x", None)])
def test_a_length_is_a_number_or_unknown(text: str | None, size: int | None) -> None:
    assert announced(text) == size


class Line:
    """Chunks that take their time, on a clock that only they move."""

    def __init__(self, *chunks: tuple[float, int]) -> None:
        self.now = 0.0
        self._chunks = chunks  # seconds until it comes, bytes

    def __iter__(self) -> Iterator[bytes]:
        for seconds, size in self._chunks:
            self.now += seconds
            yield b"x" * size

    def received(self, size: int | None = None) -> Iterator[bytes]:
        return received(
            iter(self),
            size=size,
            who="Copernicus",
            what="the download",
            patience=Patience(slowest=100, window=10),
            broken=(OSError,),
            clock=lambda: self.now,
        )


def test_what_comes_fast_enough_passes() -> None:
    line = Line(*[(5.0, 600)] * 10)
    assert sum(map(len, line.received(6000))) == 6000


def test_a_crawling_connection_is_given_up_after_a_window() -> None:
    line = Line((1.0, 1000), *[(1.0, 1)] * 100)
    with pytest.raises(ProviderUnavailable, match="slower than 100 bytes per second: 1019 of 5000 bytes came"):
        list(line.received(5000))


def test_the_time_of_the_reader_does_not_count() -> None:
    line = Line(*[(0.1, 200)] * 50)
    came = 0
    for chunk in line.received():
        came += len(chunk)
        line.now += 1000  # the upload of the chunk
    assert came == 10_000


def test_a_last_piece_may_be_small() -> None:
    assert sum(map(len, Line((9.9, 2000), (5.0, 1)).received(2001))) == 2001


def test_a_body_longer_than_announced_is_no_success() -> None:
    with pytest.raises(ProviderUnavailable, match="after 300 of 200 bytes"):
        list(Line((0, 300)).received(200))
