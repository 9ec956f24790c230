"""notified: the provider says by itself that it has published or changed a product.

The word is a hint and no more: what follows is a search of the product's month, so that the catalogue alone says what
there is, and a forged or repeated notification costs one search. The timer looks anyway; this is sooner.
"""

from __future__ import annotations

from datetime import datetime

from shared.messages import TileMonthMessage
from shared.models import Product, TileMonth
from shared.pipeline.schedule import is_watched
from shared.watchlist import Watchlist


def notified(product: Product, watched: Watchlist, now: datetime) -> TileMonthMessage | None:
    """The message for queue ``tile-months``; None where the watchlist does not ask for the product's month."""
    tile, sensing = product.name.tile, product.name.sensing
    month = TileMonth(tile, sensing.year, sensing.month)
    is_old = month < TileMonth(tile, now.year, now.month).previous()
    areas = (area for area in watched.areas if tile.name in area.tiles and is_watched(area, month))
    if not any(area.since is not None or not is_old for area in areas):  # without since nothing old is asked for
        return None
    return TileMonthMessage.of(month, backfill=is_old)
