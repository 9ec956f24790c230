"""discover: queue tile-months -> queue products."""

import azure.functions as func

from functions.outputs import Messages
from shared.messages import PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("discover")
@bp.queue_trigger(arg_name="message", queue_name=TILE_MONTHS, connection=STORAGE)
@bp.queue_output(arg_name="products", queue_name=PRODUCTS, connection=STORAGE)
def discover(message: func.QueueMessage, products: Messages) -> None:
    """Search the catalogue for one tile-month and ask for what is new."""
    from shared.pipeline import discover as step
    from shared.pipeline.discover_choice import Rules
    from shared.pipeline.watching import in_force, settings_of

    asked = TileMonthMessage.decode(message.get_body())
    outside = services()
    watched = in_force(outside.store, ledger=outside.ledger, clock=outside.clock)
    tile = settings_of(asked.value().tile, watched, outside.settings.defaults)
    found = step.discover(
        asked,
        catalogue=outside.catalogue_of(tile.catalogue),
        ledger=outside.ledger,
        clock=outside.clock,
        rules=Rules(tile.scene_cloud_limit, official=tile.correction == "official"),
        again=(message.dequeue_count or 1) > 1,
    )
    products.set([product.encode() for product in found])
