"""discover: queue tile-months -> queue products."""

import azure.functions as func

from shared.messages import PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("discover")
@bp.queue_trigger(arg_name="message", queue_name=TILE_MONTHS, connection=STORAGE)
@bp.queue_output(arg_name="products", queue_name=PRODUCTS, connection=STORAGE)
def discover(message: func.QueueMessage, products: func.Out[list[str]]) -> None:
    """Search the catalogue for one tile-month and ask for what is new."""
    from shared.pipeline import discover as step
    from shared.pipeline.watching import settings_of, watchlist

    asked = TileMonthMessage.decode(message.get_body())
    outside = services()
    tile = settings_of(asked.value().tile, watchlist(outside.store), outside.settings.defaults)
    found = step.discover(
        asked,
        catalogue=outside.catalogue,
        ledger=outside.ledger,
        clock=outside.clock,
        scene_cloud_limit=tile.scene_cloud_limit,
        again=(message.dequeue_count or 1) > 1,
    )
    products.set([product.encode() for product in found])
