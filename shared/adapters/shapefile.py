"""A zipped Shapefile as outlines, unpacked in memory only (ESRI Shapefile Technical Description, July 1998).

Read here and not by a package: pyshp, the usual one, never ends on a record of negative length, keeps what it has read
for as long as the process lives, and holds every corner as Python objects, several times the size of the file.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from shared.adapters.outlines import NO_CRS, OTHER_SHAPES, Layer, Outline, Unfit, unknown_crs
from shared.archive import MAX_MEMBERS, BoundedDirectory
from shared.models import shown

if TYPE_CHECKING:
    from pyproj import CRS

MAGIC = b"PK"
MOST_BYTES = 512 * 1024 * 1024  # of the .shp, unpacked
_MOST_PRJ = 64 * 1024  # bytes
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others ask for memory before they give anything
_CODE, _HEADER, _RECORD = 9994, 100, 8  # first number of the file; bytes of its header and of a record's
_FIXED = 44  # bytes of a polygon before its parts: type, box, two counts
_NULL, _POLYGONS = 0, (5, 15, 25)  # plain, with Z and M, with M: the corners' x and y come first in all


def read(data: bytes) -> Layer:
    """The polygons of the one Shapefile in a zip.

    Raises Unfit where there are several, it is too large or has no .prj, one of archive.DAMAGE where it is damaged;
    ValueError and struct.error also while the outlines are read.
    """
    with zipfile.ZipFile(cast("IO[bytes]", BoundedDirectory(io.BytesIO(data)))) as archive:
        if len(archive.filelist) > MAX_MEMBERS:
            raise ValueError(f"its zip has {len(archive.filelist)} files, at most {MAX_MEMBERS} are accepted")
        entries = [entry for entry in archive.infolist() if _counts(entry)]
        shapes = [entry for entry in entries if entry.filename.lower().endswith(".shp")]
        if not shapes:
            raise ValueError("there is no .shp in the zip")
        if len(shapes) > 1:
            names = ", ".join(shown(entry.filename, 30) for entry in shapes[:2])
            raise Unfit(f"has several layers ({names}, ...); expected one")
        (shape,) = shapes
        beside = f"{shape.filename[:-4]}.prj".lower()
        projection = next((entry for entry in entries if entry.filename.lower() == beside), None)
        if projection is None:
            raise Unfit(NO_CRS)
        crs = _crs(_unpacked(archive, projection, _MOST_PRJ))
        return Layer(crs, _outlines(_unpacked(archive, shape, MOST_BYTES)))


def _counts(entry: zipfile.ZipInfo) -> bool:
    """Whether it is a file to look at; ValueError for names that climb, though nothing is written anywhere."""
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"'{shown(entry.filename)}' in its zip is no path inside it")
    # macOS puts a shadow of every file into its zips.
    return not entry.is_dir() and "__MACOSX" not in path.parts and not path.name.startswith("._")


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    kind = PurePosixPath(entry.filename).suffix
    if entry.file_size > most:
        raise Unfit(f"has {entry.file_size} bytes of {kind} in its zip; at most {most} are accepted")
    if entry.compress_type not in _METHODS:
        raise ValueError(f"its {kind} is packed by method {entry.compress_type}")
    return archive.read(entry)  # never more than the size that it states


def _crs(text: bytes) -> CRS:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    wkt = text.decode("utf-8-sig", errors="replace").strip()
    if not wkt:
        raise Unfit(NO_CRS)
    try:
        return CRS.from_wkt(wkt)
    except CRSError as cause:
        raise unknown_crs(wkt) from cause


def _outlines(data: bytes) -> Iterator[Outline]:
    if len(data) < _HEADER or struct.unpack_from(">i", data) != (_CODE,):
        raise ValueError("its .shp does not begin as one")
    at = _HEADER
    while at < len(data):
        number, words = struct.unpack_from(">ii", data, at)  # words of 16 bits
        start, at = at + _RECORD, at + _RECORD + 2 * words
        if words < 2 or at > len(data):
            raise ValueError(f"record {number} of its .shp has {2 * words} bytes of {len(data) - start}")
        (kind,) = struct.unpack_from("<i", data, start)
        if kind in _POLYGONS:
            yield _rings(data[start:at], number)
        elif kind != _NULL:
            raise Unfit(OTHER_SHAPES)


def _rings(record: bytes, number: int) -> Outline:
    parts, corners = struct.unpack_from("<ii", record, _FIXED - 8)
    if parts < 0 or corners < 0 or _FIXED + 4 * parts + 16 * corners > len(record):
        raise ValueError(f"record {number} of its .shp has {parts} parts and {corners} corners in {len(record)} bytes")
    starts = np.frombuffer(record, "<i4", parts, _FIXED)
    points = np.frombuffer(record, "<f8", 2 * corners, _FIXED + 4 * parts).reshape(corners, 2).astype(np.float64)
    if not parts:
        return []
    if starts[0] != 0 or (np.diff(starts) <= 0).any() or starts[-1] >= corners:
        raise ValueError(f"the parts of record {number} of its .shp do not follow each other")
    return np.split(points, starts[1:])
