"""Looking into a JPEG 2000 file without decoding it: whole or not, and how large."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from shared.adapters.jp2 import jp2_of
from tests.conftest import SHARED, needs_shared

SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
END = b"\xff\xd9"


def header(rows: int = 3, columns: int = 5, *, tile: int = 4, origin: tuple[int, int] = (0, 0)) -> bytes:
    """SOC and SIZ of an image of one component, in square tiles; ``origin`` is its column and row offset."""
    left, top = origin
    sizes = struct.pack(">8I", columns + left, rows + top, left, top, tile, tile, 0, 0)
    return b"\xff\x4f\xff\x51" + struct.pack(">HH", 41, 0) + sizes + b"\x00\x01\x0f\x01\x01"


def part(number: int, length: int = 14) -> bytes:
    """A tile-part that says it has ``length`` bytes and has 14."""
    return b"\xff\x90" + struct.pack(">HHIBB", 10, number, length, 0, 1) + b"\xff\x93"


def boxed(stream: bytes, *, length: int | None = None, after: bytes = b"") -> bytes:
    size = len(stream) + 8 if length is None else length
    return SIGNATURE + struct.pack(">I", size) + b"jp2c" + stream + after


WHOLE = header() + part(0) + part(1) + END


@pytest.mark.parametrize(
    "body",
    [
        boxed(WHOLE),
        boxed(WHOLE, length=0),  # to the end of the file
        SIGNATURE + b"\x00\x00\x00\x01jp2c" + (len(WHOLE) + 16).to_bytes(8, "big") + WHOLE,
        boxed(WHOLE, after=b"\x00\x00\x00\x08uuid"),
        boxed(
            header() + b"\xff\x5c\x00\x04ab" + part(1) + part(0) + part(1) + END
        ),  # more segments, parts in any order
        boxed(header() + part(0) + part(1, 0) + END),  # the last part may leave its length open
        boxed(header(origin=(2, 0), columns=3, tile=4) + part(0) + part(1) + END),
    ],
)
def test_a_whole_file_gives_its_size(body: bytes) -> None:
    found = jp2_of(io.BytesIO(body))
    assert found.fault == ""
    assert (found.rows, found.columns) in {(3, 5), (3, 3)}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (boxed(WHOLE[:-2] + b"\x00\x00"), "without an end"),
        (boxed(WHOLE, length=255), "cut short"),
        (boxed(WHOLE, length=3), "cut short"),
        (SIGNATURE + b"\x00\x00\x00\x01jp2c\x00", "cut short"),
        (boxed(b"\xff\x4f" + END), "without a header"),
        (boxed(header(rows=0) + part(0) + END), "0 x 5 pixels"),
        (boxed(header(tile=0) + part(0) + END), "pixels"),
        (boxed(header() + part(0) + END), "holds 1 of its 2 tiles"),
        (boxed(header() + END), "holds 0 of its 2 tiles"),
        (boxed(header() + part(0, 20) + part(1) + END), "holds 1 of its 2 tiles"),  # a gap
        (boxed(header() + part(0) + b"\x00" * 14 + END), "holds 1 of its 2 tiles"),  # a hole
        (boxed(header() + part(0) + part(1, 99) + END), "holds 1 of its 2 tiles"),
        (boxed(header() + b"\xff\x5c\x00\x00" * 3 + END), "holds 0 of its 2 tiles"),
        (SIGNATURE, "no code stream"),
        (b"II*\x00 a GeoTIFF", "no JPEG 2000"),
        (b"", "no JPEG 2000"),
    ],
)
def test_a_file_that_is_not_whole_is_told_by_what_is_wrong(body: bytes, fault: str) -> None:
    assert fault in jp2_of(io.BytesIO(body)).fault


@needs_shared
def test_real_esa_bands_are_whole_and_damaged_ones_are_not() -> None:
    paths = sorted((SHARED / "data" / "safe").glob("*.SAFE/GRANULE/*/IMG_DATA/R60m/*.jp2"))
    assert len(paths) > 10
    for path in paths:
        body = path.read_bytes()
        whole = jp2_of(io.BytesIO(body))
        assert (whole.fault, whole.rows, whole.columns) == ("", 1830, 1830)
        assert jp2_of(io.BytesIO(body[: len(body) - 1])).fault != ""
        assert jp2_of(io.BytesIO(body[: len(body) // 2])).fault != ""


@needs_shared
def test_a_hole_in_a_real_band_is_noticed_where_a_tile_begins() -> None:
    path: Path = sorted((SHARED / "data" / "safe").glob("*.SAFE/GRANULE/*/IMG_DATA/R60m/*_B04_60m.jp2"))[0]
    body = bytearray(path.read_bytes())
    second = body.index(b"\xff\x90\x00\x0a\x00\x01")
    body[second : second + 4096] = bytes(4096)
    assert "of its" in jp2_of(io.BytesIO(bytes(body))).fault
