"""The month of acquisitions that the demo, and the end-to-end test, run on."""

from __future__ import annotations

from local.scenes.spec import SceneSpec, Swath
from shared.models import ProductName, Tile

DEMO_TILE = Tile("22WEV")
DEMO_MONTH = "2021-07"

# Satellites, dates, hours and relative orbits are those of real acquisitions of 22WEV; discriminators are made up.
_NAMES = {
    "offset": "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500",
    "no offset": "S2A_MSIL1C_20210705T151911_N0301_R068_T22WEV_20210705T171432",
    "too cloudy": "S2B_MSIL1C_20210710T151909_N0511_R068_T22WEV_20240612T142011",
    "split, north": "S2A_MSIL1C_20210715T151911_N0511_R068_T22WEV_20240613T081207",
    "split, south": "S2A_MSIL1C_20210715T151911_N0511_R068_T22WEV_20240613T084455",
    "older": "S2A_MSIL1C_20210719T145921_N0500_R125_T22WEV_20230203T164310",
    "newer": "S2A_MSIL1C_20210719T145921_N0511_R125_T22WEV_20240613T133026",
    "swath edge": "S2B_MSIL1C_20210727T150909_N0511_R025_T22WEV_20240614T070148",
}


def demo_month(size: int = 600) -> list[SceneSpec]:
    """Six acquisitions of 22WEV in July 2021 as eight products, in the order of their sensing.

    One in an old baseline without offset, one too cloudy, one split into two granules, one published in two
    baselines, one with the edge of the swath; ``size`` in 20 m pixels per side.
    """
    names = {label: ProductName.parse(name) for label, name in _NAMES.items()}
    return [
        SceneSpec(names["offset"], seed=702, size=size, cloud=0.12),
        SceneSpec(names["no offset"], seed=705, size=size, cloud=0.05),
        SceneSpec(names["too cloudy"], seed=710, size=size, cloud=0.88),
        SceneSpec(names["split, north"], seed=715, size=size, cloud=0.03, swath=Swath.NORTH),
        SceneSpec(names["split, south"], seed=715, size=size, cloud=0.03, swath=Swath.SOUTH),
        SceneSpec(names["older"], seed=719, size=size, cloud=0.08),
        SceneSpec(names["newer"], seed=719, size=size, cloud=0.08),
        SceneSpec(names["swath edge"], seed=727, size=size, cloud=0.06, swath=Swath.EAST, west_share=0.2),
    ]
