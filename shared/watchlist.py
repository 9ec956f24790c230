"""What to monitor: ``config/watchlist.json``, edited by people in the portal, so parsed with care.

{"version": 1,
 "areas": [{"name": "Dark zone", "tiles": ["22WEV"], "months": [6, 7, 8],
            "since": "2019-06-01", "minimum_usable": 40}]}

Every field, with its default and an example, is in ``docs/watchlist.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.cloud import CloudRule
from shared.errors import BadName, BadSetting
from shared.models import CONFIG, MODELS, BlobPath, Keep, Tile, shown
from shared.refusals import first_fault

MAX_BYTES = 1024 * 1024
MAX_TILES = 1000  # of one area
FIRST_IMAGE = "2015-06-27"  # of Sentinel-2A
CATALOGUES = Literal["cdse", "dhus"]
CORRECTIONS = Literal["official", "sen2cor", "approximate"]

_Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
_Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
_Height = Annotated[float, Field(allow_inf_nan=False)]


def _flat(position: Any) -> Any:
    """A position without its height, which RFC 7946, 3.1.1 lets stand third."""
    has_height = isinstance(position, list | tuple) and len(position) == 3 and type(position[2]) in {int, float}
    return position[:2] if has_height else position


_Position = Annotated[
    tuple[_Longitude, _Latitude],
    BeforeValidator(_flat, json_schema_input_type=tuple[_Longitude, _Latitude] | tuple[_Longitude, _Latitude, _Height]),
]
_Ring = Annotated[tuple[_Position, ...], Field(min_length=4)]
_Rings = Annotated[tuple[_Ring, ...], Field(min_length=1)]


class _Geometry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def polygons(self) -> Iterator[tuple[_Ring, ...]]:
        """The polygons, each as its outer ring and its holes."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _check_rings(self) -> Self:
        for rings in self.polygons():
            if open_ring := next((ring for ring in rings if ring[0] != ring[-1]), None):
                raise ValueError(f"a ring that begins at {open_ring[0]} ends at {open_ring[-1]}; it must be closed.")
        return self


class Polygon(_Geometry):
    """A GeoJSON polygon, degrees longitude and latitude (WGS 84)."""

    type: Literal["Polygon"]
    coordinates: _Rings

    def polygons(self) -> Iterator[tuple[_Ring, ...]]:
        """The polygon itself."""
        yield self.coordinates


class MultiPolygon(_Geometry):
    """A GeoJSON multipolygon, degrees longitude and latitude (WGS 84)."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[tuple[_Rings, ...], Field(min_length=1)]

    def polygons(self) -> Iterator[tuple[_Ring, ...]]:
        """Each of the polygons."""
        yield from self.coordinates


Outline = Annotated[Polygon | MultiPolygon, Field(discriminator="type")]


class Area(BaseModel):
    """Tiles that are watched with the same settings. What is left out follows the app settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    tiles: tuple[str, ...] = Field(default=(), max_length=MAX_TILES)
    polygon: Outline | None = None  # resolved to tiles where none are given
    months: tuple[int, ...] = Field(default=tuple(range(1, 13)), min_length=1)  # of the year, 1-12
    since: date | None = None  # backfill from this day; none: only the current and the previous month
    until: date | None = None  # last day to watch; none: go on
    catalogue: CATALOGUES = "cdse"
    correction: CORRECTIONS = "sen2cor"  # official: take the provider's own L2A where it is offered
    scene_cloud_limit: float = Field(default=100, ge=0, le=100)  # percent by the catalogue; above: not fetched
    cloud_probability: int | None = Field(default=None, ge=0, le=100)  # percent per pixel; at or above: cloud
    cloud_rule: CloudRule | None = None  # which of the product's cloud masks count
    minimum_usable: float | None = Field(default=None, ge=0, le=100)  # percent of the whole tile
    ice_mask: str | None = None  # blob: config/... or models/...; none: the whole tile is mapped
    resolution: Literal[20, 60] | None = None  # metres
    keep: Keep | None = None  # how much of the corrected product is kept
    model: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")  # folder in models/

    @field_validator("tiles")
    @classmethod
    def _parse_tiles(cls, tiles: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(Tile.parse(tile).name for tile in tiles))
        except BadName as cause:
            raise ValueError(str(cause)) from cause

    @field_validator("months")
    @classmethod
    def _check_months(cls, months: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [month for month in months if not 1 <= month <= 12]:
            raise ValueError(f"{wrong[0]} is no month of the year; expected 1 to 12.")
        return months

    @field_validator("since", "until")
    @classmethod
    def _check_day(cls, day: date | None) -> date | None:
        if day and not FIRST_IMAGE <= day.isoformat() < "2100":
            raise ValueError(f"{day} is outside the time of Sentinel-2, which begins on {FIRST_IMAGE}.")
        return day

    @field_validator("ice_mask")
    @classmethod
    def _check_ice_mask(cls, text: str | None) -> str | None:
        if text is None:
            return None
        try:
            path = BlobPath.parse(text)
        except BadName as cause:
            raise ValueError(str(cause)) from cause
        if path.container not in {CONFIG, MODELS}:
            raise ValueError(f"'{shown(text)}' is not in the container {CONFIG} or {MODELS}.")
        return str(path)

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.tiles and self.polygon is None:
            raise ValueError("neither tiles nor a polygon is given.")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since {self.since} lies after until {self.until}.")
        return self


class Watchlist(BaseModel):
    """All watched areas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    areas: tuple[Area, ...] = ()

    @classmethod
    def parse(cls, body: bytes | str) -> Self:
        """Read the JSON text; raise BadSetting with the place and the reason."""
        if len(body) > MAX_BYTES:
            raise BadSetting(f"The watchlist is {len(body)} bytes long; at most {MAX_BYTES} are accepted.")
        if isinstance(body, bytes):
            body = body.removeprefix(b"\xef\xbb\xbf")  # editors on Windows put a byte order mark there
        try:
            return cls.model_validate_json(body)
        except ValidationError as cause:
            raise BadSetting(f"The watchlist is refused at {first_fault(cause, 'the whole file')}.") from cause

    def area_of(self, tile: Tile) -> Area | None:
        """The first area that names ``tile``."""
        return next((area for area in self.areas if tile.name in area.tiles), None)
