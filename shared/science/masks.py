"""What can be said about a pixel before any spectral band is decoded, and whether an acquisition is worth it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.cloud import CloudRule
from shared.science.classes import MASKED, Quality

_Mask = npt.NDArray[np.bool_]
# The scene classification (SCL) of Sen2Cor: code -> what it means here. 2, 4 to 7 and 11 (snow) say nothing.
# A code beyond is none, and whoever wrote it may have meant cloud: it is defective, which the summary counts.
_LAST_SCL = 11
_SCL: dict[int, Quality] = {
    0: Quality.NODATA,
    1: Quality.DEFECTIVE,
    3: Quality.SHADOW,
    8: Quality.CLOUD,
    9: Quality.CLOUD,
    10: Quality.CIRRUS,
}
_SCL_TABLE = np.full(65536, Quality.DEFECTIVE, np.uint8)
_SCL_TABLE[: _LAST_SCL + 1] = Quality.CLASSIFIED
for _code, _quality in _SCL.items():
    _SCL_TABLE[_code] = _quality
# Below this share of the tile a map is all but empty: 1 in 1000 pixels is 12 km2, which a glacier worth watching has.
NEXT_TO_NOTHING = 0.1  # percent


def masked(
    scl: npt.NDArray[np.uint16],
    cloud_probability: npt.NDArray[np.uint16],
    ice: npt.NDArray[np.bool_] | None,
    *,
    cloud_limit: int,
    rule: CloudRule = CloudRule.EITHER,
) -> npt.NDArray[np.uint8]:
    """Quality codes from the masks alone, CLASSIFIED standing for "usable so far"; all arrays have one shape.

    ``cloud_probability`` is in percent, a pixel at or above ``cloud_limit`` is cloud by it; ``rule`` says what that
    and the scene classification have to agree on; ``ice`` is True on ice. Where several reasons hold, the first of
    these counts: nodata, defective, outside the ice, cloud, shadow, cirrus.
    """
    quality = _SCL_TABLE[scl]
    has_data = (quality != Quality.NODATA) & (quality != Quality.DEFECTIVE)
    by_scl = quality == Quality.CLOUD
    quality[by_scl] = Quality.CLASSIFIED
    quality[has_data & _cloudy(by_scl, cloud_probability >= cloud_limit, rule)] = Quality.CLOUD
    if ice is not None:
        quality[has_data & ~ice] = Quality.OUTSIDE_ICE
    return np.asarray(quality)


def _cloudy(by_scl: _Mask, by_probability: _Mask, rule: CloudRule) -> _Mask:
    if rule is CloudRule.SCL:
        return by_scl
    if rule is CloudRule.PROBABILITY:
        return by_probability
    return by_scl & by_probability if rule is CloudRule.BOTH else by_scl | by_probability


def count(quality: npt.NDArray[np.uint8]) -> dict[Quality, int]:
    """Pixels per quality code."""
    return {code: int(np.count_nonzero(quality == code)) for code in Quality}  # bincount would widen every code


@dataclass(frozen=True, slots=True)
class Usability:
    """How much of a tile can be used: data, inside the ice mask, no cloud, cirrus or shadow.

    Whether a pixel's spectrum is that of ice is asked later; without an ice mask, land counts as usable, and how
    much of the tile got a class is a second number.
    """

    counts: Mapping[Quality, int]  # pixels per code over the whole tile

    @property
    def pixels(self) -> int:
        """All pixels of the tile."""
        return sum(self.counts.values())

    @property
    def usable_percent(self) -> float:
        """Percent of the whole tile."""
        unusable = sum(self.counts[code] for code in MASKED)
        return 100 * (self.pixels - unusable) / self.pixels

    @property
    def classified_percent(self) -> float:
        """Percent of the whole tile that has a class; known once the spectra were looked at."""
        return 100 * self.counts[Quality.CLASSIFIED] / self.pixels

    @property
    def note(self) -> str:
        """A sentence where a map would be all but empty although enough is usable, else nothing.

        Such an acquisition is a result all the same: QUALITY shows why, and a season may melt the last ice away.
        """
        if self.classified_percent >= NEXT_TO_NOTHING:
            return ""
        why = ", ".join(
            f"{code.label} {100 * self.counts[code] / self.pixels:.1f} %"
            for code in (Quality.NOT_ICE, Quality.IMPLAUSIBLE)
        )
        return (
            f"Next to nothing is ice: {self.classified_percent:.2f} % of the tile has a class, "
            f"{self.usable_percent:.1f} % is usable ({why})."
        )

    @property
    def shares(self) -> dict[Quality, float]:
        """Percent of the whole tile per reason that makes a pixel unusable."""
        return {code: 100 * self.counts[code] / self.pixels for code in MASKED}

    def suffices(self, minimum: float) -> bool:
        """Whether ``minimum`` percent are reached; nothing usable at all never suffices."""
        return self.usable_percent > 0 and self.usable_percent >= minimum

    def reason(self, minimum: float) -> str:
        """The sentence for an acquisition that does not suffice."""
        largest = sorted(self.shares.items(), key=lambda item: -item[1])
        why = ", ".join(f"{code.label} {share:.1f} %" for code, share in largest if share >= 0.05)
        if not self.usable_percent:
            return f"Nothing of the tile is usable ({why})."
        return f"Only {self.usable_percent:.1f} % of the tile is usable; at least {minimum:g} % are required ({why})."
