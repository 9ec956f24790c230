"""Where a tile lies, and where the sun stands over it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from shared.models import Tile

_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
_SQUARE = 100_000
_CYCLE = 2_000_000  # metres of northing after which the row letters repeat
_METRES_PER_DEGREE = 110_574 * 0.9996  # of latitude, at the equator; enough to tell cycles apart


@dataclass(frozen=True, slots=True)
class Corner:
    """The outer upper left corner of a tile."""

    epsg: int
    east: float  # metres
    north: float  # metres


def corner(tile: Tile) -> Corner:
    """The corner of ``tile`` on ESA's grid.

    The 100 km square comes from the MGRS letters; ESA's tiles begin at the next multiple of 60 m outside it,
    counted from the equator, so that 10, 20 and 60 m pixels share the corner.
    """
    zone, band = int(tile.name[:2]), tile.name[2]
    south = band < "N"
    east = (_COLUMNS[(zone - 1) % 3].index(tile.name[3]) + 1) * _SQUARE
    letter = (_ROWS.index(tile.name[4]) - (5 if zone % 2 == 0 else 0)) % len(_ROWS)
    middle = (_BANDS.index(band) * 8 - 76) * _METRES_PER_DEGREE + (10_000_000 if south else 0)
    cycles = round((middle - (letter + 0.5) * _SQUARE) / _CYCLE)
    top = (letter + 1) * _SQUARE + cycles * _CYCLE
    false_northing = 10_000_000 if south else 0
    return Corner(
        epsg=(32700 if south else 32600) + zone,
        east=float(east // 60 * 60),
        north=float(false_northing + math.ceil((top - false_northing) / 60) * 60),
    )


def sun(when: datetime, latitude: float, longitude: float) -> tuple[float, float]:
    """Zenith and azimuth (clockwise from north) of the sun in degrees, good to half a degree.

    Source: Spencer (1971), "Fourier series representation of the position of the sun", Search 2(5).
    """
    day = when.timetuple().tm_yday - 1 + (when.hour + when.minute / 60) / 24
    g = 2 * math.pi * day / 365
    declination = (
        0.006918
        - 0.399912 * math.cos(g)
        + 0.070257 * math.sin(g)
        - 0.006758 * math.cos(2 * g)
        + 0.000907 * math.sin(2 * g)
        - 0.002697 * math.cos(3 * g)
        + 0.00148 * math.sin(3 * g)
    )
    minutes = 229.18 * (
        0.000075
        + 0.001868 * math.cos(g)
        - 0.032077 * math.sin(g)
        - 0.014615 * math.cos(2 * g)
        - 0.040849 * math.sin(2 * g)
    )
    solar_hour = when.hour + (when.minute + minutes) / 60 + longitude / 15
    hour_angle, phi = math.radians(15 * (solar_hour - 12)), math.radians(latitude)
    up = math.sin(phi) * math.sin(declination) + math.cos(phi) * math.cos(declination) * math.cos(hour_angle)
    east = -math.cos(declination) * math.sin(hour_angle)
    north = math.cos(phi) * math.sin(declination) - math.sin(phi) * math.cos(declination) * math.cos(hour_angle)
    return math.degrees(math.acos(up)), math.degrees(math.atan2(east, north)) % 360
