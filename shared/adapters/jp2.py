"""Whether a JPEG 2000 file is whole, and how large its image is: told from its headers, without decoding.

Sources: ISO/IEC 15444-1, annex I (boxes of a JP2 file) and annex A (markers of a code stream).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"  # the first box of every JP2
_START, _SIZE, _TILE_PART, _END = b"\xff\x4f", b"\xff\x51", b"\xff\x90", b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class Jp2:
    """What the headers of a file say."""

    fault: str = ""  # what is wrong, as the end of a sentence; empty where it is whole
    rows: int = 0
    columns: int = 0


def jp2_of(file: BinaryIO) -> Jp2:
    """Look into a JP2 file: its boxes, the size of its image, and the chain of its tile-parts to the end.

    Every tile must be there. Of each tile-part only the header is read, so that a whole band takes some 80 short reads.
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return Jp2("is no JPEG 2000 file")
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = struct.unpack(">I4s", header[:8])
        start = position + (16 if length == 1 else 8)
        if length == 1:  # the true length follows
            length = max(int.from_bytes(header[8:], "big"), 1)
        end = position + length if length else size  # 0: to the end of the file
        if end > size or end < start:
            return Jp2(f"is cut short after {size} bytes")
        if kind == b"jp2c":
            return _code_stream(file, start, end)
        position = end
    return Jp2("holds no code stream")


def _code_stream(file: BinaryIO, start: int, end: int) -> Jp2:
    file.seek(start)
    head = file.read(40)  # SOC, then SIZ: capabilities, sizes and offsets of image and tiles (A.5.1)
    if len(head) < 40 or head[:2] != _START or head[2:4] != _SIZE:
        return Jp2("has a code stream without a header")
    width, height, left, top, tile_width, tile_height, tiles_left, tiles_top = struct.unpack(">8I", head[8:40])
    file.seek(end - 2)
    if file.read(2) != _END:
        return Jp2("has a code stream without an end")
    if not (left < width and top < height and tile_width and tile_height):
        return Jp2(f"says that its image has {height - top} x {width - left} pixels")
    across, down = -(-(width - tiles_left) // tile_width), -(-(height - tiles_top) // tile_height)
    found = _tiles(file, start + 2, end - 2)
    if len(found) != across * down:
        return Jp2(f"holds {len(found)} of its {across * down} tiles")
    return Jp2(rows=height - top, columns=width - left)


def _tiles(file: BinaryIO, position: int, end: int) -> set[int]:
    """The numbers of the tiles whose parts follow one another without a gap from ``position`` on."""
    found: set[int] = set()
    while position < end:
        file.seek(position)
        header = file.read(12)
        if len(header) < 4 or header[0] != 0xFF:
            break
        if header[:2] != _TILE_PART:  # a marker segment of the main header (A.4)
            if found:
                break
            position += 2 + int.from_bytes(header[2:4], "big")
            continue
        if len(header) < 12:
            break
        tile, length = struct.unpack(">HI", header[4:10])
        step = length or end - position  # 0: to the end of the code stream
        if step < 12 or position + step > end:
            break
        found.add(tile)
        position += step
    return found
