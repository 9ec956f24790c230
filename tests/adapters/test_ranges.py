"""A file over fetched ranges: what is fetched, when, and that it reads as a plain file does."""

from __future__ import annotations

import io
import random
import threading
import zipfile

import pytest

from shared.adapters.ranges import range_file
from shared.errors import StorageUnavailable

BIG = random.Random(1).randbytes(9 * 1024 * 1024 + 17)  # more than two blocks


class Fetches:
    """Counts what a range file fetches."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.lengths: list[int] = []

    def __call__(self, offset: int, length: int) -> bytes:
        assert offset >= 0
        assert 0 < length <= len(self.data) - offset
        self.lengths.append(length)
        return self.data[offset : offset + length]


def test_the_directory_of_a_zip_costs_one_fetch() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i in range(100):
            archive.writestr(f"S2.SAFE/GRANULE/band{i}.jp2", BIG[: 50_000 + i])
    fetches = Fetches(packed.getvalue())
    with zipfile.ZipFile(range_file(fetches, len(packed.getvalue()))) as archive:
        assert len(archive.namelist()) == 100
    assert len(fetches.lengths) == 1


def test_reading_straight_on_fetches_more_and_more_but_never_too_much() -> None:
    fetches = Fetches(bytes(40 * 1024 * 1024))
    file = range_file(fetches, len(fetches.data))
    while file.read(50_000):
        pass
    assert len(fetches.lengths) < 16
    assert max(fetches.lengths) <= 4 * 1024 * 1024
    assert sum(fetches.lengths) == len(fetches.data)


@pytest.mark.parametrize("size", [0, 5, 21])
def test_what_is_too_short_for_a_zip_is_none_as_a_plain_file_would_be(size: int) -> None:
    data = bytes(size)
    with pytest.raises(zipfile.BadZipFile) as plain:
        zipfile.ZipFile(io.BytesIO(data))
    with pytest.raises(zipfile.BadZipFile) as ranged:
        zipfile.ZipFile(range_file(Fetches(data), size))
    assert str(ranged.value) == str(plain.value)


def test_reading_anywhere_gives_what_a_plain_file_gives() -> None:
    data, chance = BIG[:500_000], random.Random(7)
    file, plain = range_file(Fetches(data), len(data)), io.BytesIO(data)
    for _ in range(300):
        position, length = chance.randrange(510_000), chance.choice([0, 1, 30, 5_000, 200_000])
        assert (file.seek(position), file.read(length)) == (plain.seek(position), plain.read(length))


def test_who_reads_straight_on_gets_the_next_ranges_fetched_meanwhile_and_never_more_than_two() -> None:
    data, counting, both = bytes(64 * 1024 * 1024), threading.Lock(), threading.Event()
    open_now, most = 0, 0

    def fetch(offset: int, length: int) -> bytes:
        nonlocal open_now, most
        with counting:
            open_now += 1
            most = max(most, open_now)
            if most == 2:
                both.set()
        if threading.current_thread() is not threading.main_thread():
            both.wait(60)
        with counting:
            open_now -= 1
        return data[offset : offset + length]

    with range_file(fetch, len(data)) as file:
        while file.read(1024 * 1024):
            pass
    assert most == 2


def test_a_range_that_fails_ahead_of_time_fails_when_it_is_read_and_may_be_read_again() -> None:
    data, failing = random.Random(3).randbytes(24 * 1024 * 1024), [True]

    def fetch(offset: int, length: int) -> bytes:
        if offset + length == len(data) and failing:
            failing.clear()
            raise StorageUnavailable("The connection broke.")
        return data[offset : offset + length]

    with range_file(fetch, len(data)) as file:
        assert file.read(12 * 1024 * 1024) == data[: 12 * 1024 * 1024]
        with pytest.raises(StorageUnavailable):
            file.read()
        file.seek(12 * 1024 * 1024)
        assert file.read() == data[12 * 1024 * 1024 :]


def test_a_closed_file_ends_its_threads() -> None:
    fetches = Fetches(bytes(40 * 1024 * 1024))
    before = set(threading.enumerate())
    with range_file(fetches, len(fetches.data)) as file:
        for _ in range(16):
            file.read(1024 * 1024)
        mine = set(threading.enumerate()) - before
    assert mine
    for thread in mine:
        thread.join(10)
        assert not thread.is_alive()
