"""stage: queue products -> blob l1c/... and queue corrections, or blob l2a/...; what has to wait goes back."""

import azure.functions as func

from functions.outputs import Messages
from shared.messages import CORRECTIONS, PRODUCTS, ProductMessage
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("stage")
@bp.queue_trigger(arg_name="message", queue_name=PRODUCTS, connection=STORAGE)
@bp.queue_output(arg_name="corrections", queue_name=CORRECTIONS, connection=STORAGE)
def stage(message: func.QueueMessage, corrections: Messages) -> None:
    """Stream one product into blob storage and send what follows."""
    from shared.pipeline import stage as step
    from shared.pipeline.watching import settings_of, watchlist

    asked = ProductMessage.decode(message.get_body())
    outside = services()
    tile = settings_of(asked.name().tile, watchlist(outside.store), outside.settings.defaults)
    following = step.stage(
        asked,
        catalogue=outside.catalogue_of(tile.catalogue),
        store=outside.store,
        ledger=outside.ledger,
        clock=outside.clock,
        intake=outside.intake,
        resolution=tile.resolution,
        again=(message.dequeue_count or 1) > 1,
    )
    corrections.set([to.message.encode() for to in following if to.queue == CORRECTIONS])
    for to in following:
        if to.queue != CORRECTIONS:  # a binding cannot delay
            outside.queues.send(to.queue, to.message.encode(), delay_seconds=to.delay)
