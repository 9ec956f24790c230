"""The watchlist in force: read from the store by every step that needs it."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import NotFound
from shared.models import WATCHLIST, Tile
from shared.ports import ObjectStore
from shared.settings import Defaults
from shared.watchlist import Watchlist


def watchlist(store: ObjectStore) -> Watchlist:
    """Read ``config/watchlist.json``; an empty one where there is none; BadSetting where it is refused."""
    try:
        body = store.read(WATCHLIST)
    except NotFound:
        return Watchlist(version=1)
    return Watchlist.parse(body)


@dataclass(frozen=True, slots=True)
class TileSettings:
    """What holds for one tile: its area of the watchlist, completed by the app's defaults."""

    cloud_probability: int  # percent; a pixel at or above is cloud
    minimum_usable: float  # percent of the whole tile
    resolution: int | None  # metres, 20 or 60; none: 20, or 60 where a product has only that
    scene_cloud_limit: float  # percent by the catalogue


def settings_of(tile: Tile, watched: Watchlist, defaults: Defaults) -> TileSettings:
    """Complete the area of ``tile`` by ``defaults``; a tile in no area (a dropped product) gets the defaults."""
    area = watched.area_of(tile)
    if area is None:
        return TileSettings(defaults.cloud_probability, defaults.minimum_usable, defaults.resolution, 100.0)
    return TileSettings(
        cloud_probability=defaults.cloud_probability if area.cloud_probability is None else area.cloud_probability,
        minimum_usable=defaults.minimum_usable if area.minimum_usable is None else area.minimum_usable,
        resolution=area.resolution or defaults.resolution,
        scene_cloud_limit=area.scene_cloud_limit,
    )
