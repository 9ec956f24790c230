"""GeoPackage (OGC 12-128r19) as outlines, read in memory by SQLite.

The file may hold anything that SQLite runs: views, triggers, functions, tables whose columns compute. So statements may
do nothing but read columns, and only so much work.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from shared.adapters import wkb
from shared.adapters.outlines import NO_CRS, OTHER_SHAPES, Layer, Outline, Unfit, crs_of, unknown_crs
from shared.models import shown

if TYPE_CHECKING:
    from pyproj import CRS

MAGIC = b"SQLite format 3\x00"
_WAL = slice(18, 20)  # file format versions; 2 is write-ahead logging, which a database in memory cannot have
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
_LARGEST = 256 * 1024 * 1024  # bytes of a geometry or text
_MOST_WKT = 64 * 1024  # characters of a coordinate system
_STEP, _MOST_STEPS = 1_000_000, 200  # of SQLite's machine; a row of a layer takes about ten
_ENVELOPES = (0, 32, 48, 48, 64)  # bytes, by the code in the flags
_EMPTY, _EXTENDED = 0x10, 0x20
_LAYERS = """
    SELECT contents.table_name, columns.column_name, columns.srs_id
    FROM gpkg_contents AS contents, gpkg_geometry_columns AS columns
    WHERE contents.data_type = 'features' AND columns.table_name = contents.table_name LIMIT 2
"""
_SYSTEM = "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?"


def read(data: bytes) -> Layer:
    """The polygons of the one layer with features.

    Raises Unfit where there are several or none has a coordinate system, sqlite3.Error, struct.error or ValueError
    where the file is damaged; the latter three also while the outlines are read.
    """
    with closing(_opened(data)) as database:
        layers = database.execute(_LAYERS).fetchall()
        if not layers:
            raise ValueError("it has no layer with features")
        if len(layers) > 1:
            raise Unfit(f"has several layers ({', '.join(shown(name, 30) for name, *_ in layers)}, ...); expected one")
        ((table, column, system),) = layers
        crs = _crs(database.execute(_SYSTEM, (system,)).fetchone())
    return Layer(crs, _outlines(data, f"SELECT {_quoted(column)} FROM {_quoted(table)}"))  # noqa: S608  # quoted


def _opened(data: bytes) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    try:
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
        if data[_WAL] != b"\x01\x01":
            data = data[: _WAL.start] + b"\x01\x01" + data[_WAL.stop :]
        database.deserialize(data)
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("PRAGMA cell_size_check = ON")
        database.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY)
        left = iter(range(_MOST_STEPS))
        database.set_progress_handler(lambda: next(left, None) is None, _STEP)
    except BaseException:
        database.close()
        raise
    return database


def _quoted(name: object) -> str:
    if not isinstance(name, str):
        raise ValueError("a name in its table of contents is no text")  # noqa: TRY004  # it comes from outside
    return '"' + name.replace('"', '""') + '"'


def _crs(row: tuple[object, object, object] | None) -> CRS:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if row is None:
        raise Unfit(NO_CRS)
    organisation, code, definition = row
    if str(organisation).upper() == "NONE" or (definition in {None, "", "undefined"}):
        raise Unfit(NO_CRS)  # srs_id 0 and -1 stand for "undefined"
    if str(organisation).upper() == "EPSG":
        return crs_of("EPSG", str(code))
    try:
        return CRS.from_wkt(str(definition)[:_MOST_WKT])
    except CRSError as cause:
        raise unknown_crs(definition) from cause


def _outlines(data: bytes, select: str) -> Iterator[Outline]:
    with closing(_opened(data)) as database:
        for (blob,) in database.execute(select):
            if blob is None:
                continue  # a feature without a place
            if not isinstance(blob, bytes):
                raise ValueError("a geometry is no binary")  # noqa: TRY004  # it comes from outside
            start = _header(blob)
            if start is not None:
                yield from wkb.outlines(blob, start)


def _header(blob: bytes) -> int | None:
    """Where the WKB begins (2.1.3); none for an empty geometry. The envelope is not believed but passed over."""
    magic, _, flags = struct.unpack_from("<2sBB", blob)
    if magic != b"GP":
        raise ValueError("a geometry does not begin as those of a GeoPackage")
    if flags & _EXTENDED:
        raise Unfit(OTHER_SHAPES)
    envelope = flags >> 1 & 0b111
    if envelope >= len(_ENVELOPES):
        raise ValueError(f"a geometry has an envelope of kind {envelope}")
    return None if flags & _EMPTY else 8 + _ENVELOPES[envelope]
