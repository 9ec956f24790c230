"""stage: queue products -> blob l1c/... and queue corrections."""

import azure.functions as func

from shared.messages import CORRECTIONS, PRODUCTS, ProductMessage
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("stage")
@bp.queue_trigger(arg_name="message", queue_name=PRODUCTS, connection=STORAGE)
@bp.queue_output(arg_name="corrections", queue_name=CORRECTIONS, connection=STORAGE)
def stage(message: func.QueueMessage, corrections: func.Out[list[str]]) -> None:
    """Stream one L1C product into blob storage and ask for its correction."""
    from shared.pipeline import stage as step

    asked = ProductMessage.decode(message.get_body())
    outside = services()
    staged = step.stage(
        asked,
        catalogue=outside.catalogue,
        store=outside.store,
        ledger=outside.ledger,
        clock=outside.clock,
        again=(message.dequeue_count or 1) > 1,
    )
    corrections.set([following.encode() for following in staged])
