"""The watchlist in force: read from the store by every step that needs it.

In force is ``config/watchlist.json`` if it validates, else the last text that did, which is kept beside it as
``config/watchlist.accepted.json``. The steps that run by themselves (schedule, discover, watch) call `in_force`, which
also writes that copy and keeps one row in the ledger that says why a watchlist is refused; the others call `watchlist`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache

from shared.cloud import CloudRule
from shared.errors import BadName, BadSetting, NotFound
from shared.models import CONFIG, WATCHLIST, BlobPath, Keep, State, Tile
from shared.pipeline.refused import refuse, settle
from shared.ports import Clock, Ledger, ObjectStore
from shared.records import REFUSED
from shared.science.tilegrid import tiles_of
from shared.settings import Defaults
from shared.watchlist import CATALOGUES, CORRECTIONS, MAX_TILES, Area, Watchlist

ACCEPTED = BlobPath(CONFIG, "watchlist.accepted.json")
_EMPTY = Watchlist(version=1)
_log = logging.getLogger("icewatch")


def parse(body: bytes) -> Watchlist:
    """Read the text of a watchlist and find the tiles of its polygons; BadSetting with the place and the reason."""
    watched = Watchlist.parse(body)
    return watched.model_copy(
        update={"areas": tuple(_with_tiles(area, f"areas.{place}") for place, area in enumerate(watched.areas))}
    )


def _with_tiles(area: Area, place: str) -> Area:
    if area.tiles or area.polygon is None:
        return area
    try:
        tiles = _touched(tuple(area.polygon.polygons()))
    except BadName as cause:
        raise BadSetting(f"The watchlist is refused at {place}.polygon: {cause}") from cause
    return area.model_copy(update={"tiles": tuple(tile.name for tile in tiles)})


@lru_cache(maxsize=100)  # half a second for the first small polygon of a process, nothing afterwards
def _touched(polygons: tuple[tuple[tuple[tuple[float, float], ...], ...], ...]) -> tuple[Tile, ...]:
    return tiles_of(polygons, most=MAX_TILES)


def watchlist(store: ObjectStore) -> Watchlist:
    """The watchlist in force; an empty one where there is none, or none that ever validated."""
    body = _read(store, WATCHLIST)
    if body is None:
        return _EMPTY
    try:
        return parse(body)
    except BadSetting as error:
        _log.error("%s", error)
        return _accepted(store) or _EMPTY


def in_force(store: ObjectStore, *, ledger: Ledger, clock: Clock) -> Watchlist:
    """As `watchlist`; keeps the copy of the last good one and the ledger's row about a refusal up to date."""
    body = _read(store, WATCHLIST)
    if body is None:
        settle(str(WATCHLIST), "Removed", ledger, clock)
        return _EMPTY
    try:
        watched = parse(body)
    except BadSetting as error:
        return _last_good(str(error), store, ledger, clock)
    if body != _read(store, ACCEPTED):
        store.write(ACCEPTED, body, content_type="application/json")
        _log.info("The watchlist is accepted: %d areas", len(watched.areas))
    settle(str(WATCHLIST), "Mended, and accepted", ledger, clock)
    return watched


def _last_good(error: str, store: ObjectStore, ledger: Ledger, clock: Clock) -> Watchlist:
    accepted = _accepted(store)
    kept = "nothing is watched until it is mended" if accepted is None else "the one accepted last stays in force"
    reason = f"{error.removesuffix('.')}; {kept}."
    known = ledger.get(REFUSED, str(WATCHLIST))
    if known is None or (known.state, known.reason) != (State.FAILED, reason):
        refuse(str(WATCHLIST), reason, ledger, clock)
    _log.error("%s", reason)
    return accepted or _EMPTY


def _accepted(store: ObjectStore) -> Watchlist | None:
    body = _read(store, ACCEPTED)
    try:
        return parse(body) if body is not None else None
    except BadSetting as error:  # accepted by another version, or edited by hand
        _log.error("The copy %s is of no use: %s", ACCEPTED, error)
        return None


def _read(store: ObjectStore, path: BlobPath) -> bytes | None:
    try:
        return store.read(path)
    except NotFound:
        return None


@dataclass(frozen=True, slots=True)
class TileSettings:
    """What holds for one tile: its area of the watchlist, completed by the app's defaults."""

    cloud_probability: int  # percent; a pixel at or above is cloud
    minimum_usable: float  # percent of the whole tile
    resolution: int | None  # metres, 20 or 60; none: 20, or 60 where a product has only that
    cloud_rule: CloudRule = CloudRule.EITHER  # which of a product's two cloud masks count
    scene_cloud_limit: float = 100.0  # percent by the catalogue
    catalogue: CATALOGUES = "cdse"  # where the tile's products come from
    correction: CORRECTIONS = "sen2cor"  # who makes its L2A
    ice_mask: BlobPath | None = None  # none: the whole tile is mapped
    model: str | None = None  # folder in the container models; none: the shipped classifier
    keep: Keep | None = None  # how much of the corrected product is kept; none: what CORRECTION_KEEP says


def settings_of(tile: Tile, watched: Watchlist, defaults: Defaults) -> TileSettings:
    """Complete the area of ``tile`` by ``defaults``; a tile in no area (a dropped product) gets the defaults."""
    area = watched.area_of(tile)
    if area is None:
        return TileSettings(
            defaults.cloud_probability, defaults.minimum_usable, defaults.resolution, defaults.cloud_rule
        )
    return TileSettings(
        cloud_probability=defaults.cloud_probability if area.cloud_probability is None else area.cloud_probability,
        minimum_usable=defaults.minimum_usable if area.minimum_usable is None else area.minimum_usable,
        resolution=area.resolution or defaults.resolution,
        cloud_rule=area.cloud_rule or defaults.cloud_rule,
        scene_cloud_limit=area.scene_cloud_limit,
        catalogue=area.catalogue,
        correction=area.correction,
        ice_mask=BlobPath.parse(area.ice_mask) if area.ice_mask else None,
        model=area.model,
        keep=area.keep,
    )
