"""Well-known binary polygons (OGC 06-103r4, 8.2) as outlines, every count compared with the bytes that are there."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from shared.adapters.outlines import OTHER_SHAPES, Outline, Unfit

_POLYGON, _MULTIPOLYGON = 3, 6
_NUMBERS = (2, 3, 3, 4)  # per corner: plain, with Z, with M, with both, as the thousands of the type say
_OLD_Z = 0x80000000  # how Z was marked before the thousands were agreed


def outlines(data: bytes, at: int) -> Iterator[Outline]:
    """The polygons of one geometry at byte ``at``; Unfit for other shapes, ValueError or struct.error where damaged."""
    kind, order, width, at = _head(data, at)
    if kind == _POLYGON:
        outline, at = _polygon(data, at, order, width)
        yield outline
    elif kind == _MULTIPOLYGON:
        (count,) = struct.unpack_from(f"{order}I", data, at)
        at += 4
        for _ in range(count):
            # One level, no deeper: parts are polygons, whatever they say.
            kind, order, width, at = _head(data, at)
            if kind != _POLYGON:
                raise ValueError(f"a part of a multipolygon is of type {kind}")
            outline, at = _polygon(data, at, order, width)
            yield outline
    else:
        raise Unfit(OTHER_SHAPES)
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes follow a geometry")


def _head(data: bytes, at: int) -> tuple[int, str, int, int]:
    """Type, byte order, numbers per corner, and where the rest begins."""
    (first,) = struct.unpack_from("B", data, at)
    if first > 1:
        raise ValueError(f"a geometry has byte order {first}")
    order = "<" if first else ">"
    (code,) = struct.unpack_from(f"{order}I", data, at + 1)
    if code & _OLD_Z:
        code = (code & ~_OLD_Z) + 1000
    dimensions, kind = divmod(code, 1000)
    if dimensions >= len(_NUMBERS):
        raise ValueError(f"a geometry is of type {code}")
    return kind, order, _NUMBERS[dimensions], at + 5


def _polygon(data: bytes, at: int, order: str, width: int) -> tuple[Outline, int]:
    (count,) = struct.unpack_from(f"{order}I", data, at)
    at += 4
    rings = []
    for _ in range(count):
        (corners,) = struct.unpack_from(f"{order}I", data, at)
        at += 4
        end = at + corners * width * 8
        if end > len(data):
            raise ValueError(f"a ring of {corners} corners ends behind its geometry")
        numbers = np.frombuffer(data, f"{order}f8", corners * width, at).reshape(corners, width)
        rings.append(numbers[:, :2].astype(np.float64))
        at = end
    return rings, at
