"""What to monitor: ``config/watchlist.json``, edited by people in the portal, so parsed with care.

{"version": 1,
 "areas": [{"name": "Dark zone", "tiles": ["22WEV"], "months": [6, 7, 8],
            "since": "2019-06-01", "minimum_usable": 40}]}
"""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.errors import BadName, BadSetting
from shared.models import Tile, shown

MAX_BYTES = 1024 * 1024
FIRST_IMAGE = "2015-06-27"  # of Sentinel-2A


class Area(BaseModel):
    """Tiles that are watched with the same settings. What is left out follows the app settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    tiles: tuple[str, ...] = Field(min_length=1, max_length=1000)
    months: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)  # of the year, 1-12
    since: date | None = None  # backfill from this day; none: only the current and the previous month
    until: date | None = None  # last day to watch; none: go on
    scene_cloud_limit: float = Field(default=100, ge=0, le=100)  # percent by the catalogue; above: not fetched
    cloud_probability: int | None = Field(default=None, ge=0, le=100)  # percent per pixel; at or above: cloud
    minimum_usable: float | None = Field(default=None, ge=0, le=100)  # percent of the whole tile
    resolution: Literal[20, 60] | None = None  # metres

    @field_validator("tiles")
    @classmethod
    def _parse_tiles(cls, tiles: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(Tile.parse(tile).name for tile in tiles)
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

    @model_validator(mode="after")
    def _check_order(self) -> Self:
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
            fault = cause.errors(include_url=False)[0]
            place = ".".join(str(part) for part in fault["loc"]) or "the whole file"
            raise BadSetting(f"The watchlist is refused at {place}: {shown(fault['msg'])}.") from cause

    def area_of(self, tile: Tile) -> Area | None:
        """The first area that names ``tile``."""
        return next((area for area in self.areas if tile.name in area.tiles), None)
