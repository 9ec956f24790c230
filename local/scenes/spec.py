"""What a synthetic scene is to be, and what building it gave."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from pathlib import Path

from shared.errors import BadSetting
from shared.models import Level, ProductName

FULL_SIZE = 5490  # 20 m pixels per side of a real tile
_FIRST_OFFSET_BASELINE = 400  # 04.00, in use since 2022-01-25 and in the Collection-1 reprocessings


class Truth(IntEnum):
    """The codes of the truth raster; 1 to 6 are the classes of the ice surface."""

    NODATA = 0
    SNOW = 1
    WATER = 2
    CRYOCONITE = 3
    CLEAN_ICE = 4
    LIGHT_ALGAE = 5
    HEAVY_ALGAE = 6
    ROCK = 7
    CLOUD = 8


class Swath(StrEnum):
    """Which part of the tile holds data. Opposite parts with the same share make the whole, without overlap."""

    FULL = "full"
    WEST = "west"  # left of a slanted line, as the edge of a swath runs
    EAST = "east"
    NORTH = "north"  # above a slanted line, as a datastrip ends
    SOUTH = "south"


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """One synthetic L1C product. Specs that differ only in name, swath or baseline show the same surface."""

    name: ProductName
    seed: int  # of pixel noise, haze and clouds; the terrain comes from the tile
    size: int = 600  # 20 m pixels per side, a multiple of 3; 5490 is a full tile
    cloud: float = 0.1  # share of the tile, 0-1
    swath: Swath = Swath.FULL
    west_share: float = 0.5  # of the tile on the WEST or NORTH side of the line that cuts the swath
    noise: float = 0.75  # spread within the classes, as a fraction of the measured standard deviation

    def __post_init__(self) -> None:
        if self.name.level is not Level.L1C:
            raise BadSetting(f"{self.name} is no L1C product; scenes are made as L1C.")
        if not 30 <= self.size <= FULL_SIZE or self.size % 3:
            raise BadSetting(f"A scene is 30 to {FULL_SIZE} pixels wide, a multiple of 3; {self.size} is not.")
        for label, share in (("cloud share", self.cloud), ("west share", self.west_share)):
            if not 0 <= share <= 1:
                raise BadSetting(f"The {label} is {share:g}; expected 0 to 1.")
        if not 0 <= self.noise <= 2:
            raise BadSetting(f"The noise is {self.noise:g}; expected 0 to 2 measured standard deviations.")

    @property
    def offset(self) -> int:
        """Digital numbers to add before dividing: -1000 from baseline 04.00 on, whatever the date."""
        return -1000 if int(self.name.baseline) >= _FIRST_OFFSET_BASELINE else 0


@dataclass(frozen=True, slots=True)
class Scene:
    """A built scene."""

    spec: SceneSpec
    zip: Path  # <product>.SAFE.zip, stored without compression
    truth: Path  # GeoTIFF at 20 m, uint8, codes of Truth
    cloud_percent: float  # of the pixels with data
    data_percent: float  # of the whole tile
