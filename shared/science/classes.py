"""The six classes of the ice surface, and why a pixel has none.

Codes and classes after Cook et al. (2020), The Cryosphere 14, 309-330, doi 10.5194/tc-14-309-2020.
"""

from __future__ import annotations

from enum import IntEnum

Colour = tuple[int, int, int]  # red, green, blue, 0-255


class SurfaceClass(IntEnum):
    """What covers the ice at a pixel; the code is the value in the CLASS layer, where 0 means no class."""

    SNOW = 1
    WATER = 2
    CRYOCONITE = 3
    CLEAN_ICE = 4
    LIGHT_ALGAE = 5
    HEAVY_ALGAE = 6

    @property
    def short(self) -> str:
        """Short name, as in the literature, the summary and the ledger."""
        return _CLASSES[self][0]

    @property
    def label(self) -> str:
        """Name for people."""
        return _CLASSES[self][1]

    @property
    def colour(self) -> Colour:
        """Colour on maps; light to dark as the surface is, distinguishable without red-green vision."""
        return _CLASSES[self][2]

    @classmethod
    def of(cls, short: str) -> SurfaceClass:
        """The class with this short name; ValueError where there is none."""
        for member in cls:
            if member.short == short:
                return member
        raise ValueError(f"'{short}' is no surface class; the classes are {', '.join(m.short for m in cls)}.")


_CLASSES: dict[SurfaceClass, tuple[str, str, Colour]] = {
    SurfaceClass.SNOW: ("SN", "Snow", (240, 246, 252)),
    SurfaceClass.WATER: ("WAT", "Water", (8, 81, 156)),
    SurfaceClass.CRYOCONITE: ("CC", "Cryoconite", (84, 39, 136)),
    SurfaceClass.CLEAN_ICE: ("CI", "Clean ice", (158, 202, 225)),
    SurfaceClass.LIGHT_ALGAE: ("LA", "Light algae", (253, 174, 97)),
    SurfaceClass.HEAVY_ALGAE: ("HA", "Heavy algae", (168, 56, 0)),
}
ALGAL_ICE = (SurfaceClass.CLEAN_ICE, SurfaceClass.LIGHT_ALGAE, SurfaceClass.HEAVY_ALGAE)  # where 2DBA means algae


class Quality(IntEnum):
    """Why a pixel has no class; the code is the value in the QUALITY layer."""

    CLASSIFIED = 0
    NODATA = 1
    DEFECTIVE = 2
    OUTSIDE_ICE = 3
    CLOUD = 4
    SHADOW = 5
    CIRRUS = 6
    NOT_ICE = 7
    IMPLAUSIBLE = 8

    @property
    def label(self) -> str:
        """Name for people."""
        return _QUALITY[self][0]

    @property
    def colour(self) -> Colour:
        """Colour on maps."""
        return _QUALITY[self][1]


_QUALITY: dict[Quality, tuple[str, Colour]] = {
    Quality.CLASSIFIED: ("classified", (255, 255, 255)),
    Quality.NODATA: ("nodata", (0, 0, 0)),
    Quality.DEFECTIVE: ("defective", (90, 0, 90)),
    Quality.OUTSIDE_ICE: ("outside the ice mask", (190, 190, 180)),
    Quality.CLOUD: ("cloud", (196, 148, 190)),
    Quality.SHADOW: ("shadow", (110, 100, 125)),
    Quality.CIRRUS: ("cirrus", (250, 206, 226)),
    Quality.NOT_ICE: ("not ice", (140, 150, 110)),
    Quality.IMPLAUSIBLE: ("implausible reflectance", (220, 0, 120)),
}
# What is known before any spectral band is decoded; the other codes need the reflectances.
MASKED = (
    Quality.NODATA,
    Quality.DEFECTIVE,
    Quality.OUTSIDE_ICE,
    Quality.CLOUD,
    Quality.SHADOW,
    Quality.CIRRUS,
)
