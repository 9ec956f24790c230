"""Poison queues -> ledger: what the queues and blob triggers gave up on, with the reason."""

from datetime import datetime

import azure.functions as func

from shared.messages import BLOB_TRIGGER_POISON, CLASSIFICATIONS, CORRECTIONS, PRODUCTS, TILE_MONTHS, poison_of
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


def _record(queue: str, message: func.QueueMessage) -> None:
    from shared.pipeline import poison as step

    outside = services()
    since = _since(message)
    step.poison(queue, message.get_body(), ledger=outside.ledger, clock=outside.clock, since=since)


def _since(message: func.QueueMessage) -> datetime | None:
    """When the message was put into the poison queue; None where the host gives a time without its zone."""
    at = message.insertion_time
    return at if at is not None and at.tzinfo else None


@bp.function_name("poison_tile_months")
@bp.queue_trigger(arg_name="message", queue_name=poison_of(TILE_MONTHS), connection=STORAGE)
def poison_tile_months(message: func.QueueMessage) -> None:
    """Record a tile-month that could not be searched."""
    _record(TILE_MONTHS, message)


@bp.function_name("poison_products")
@bp.queue_trigger(arg_name="message", queue_name=poison_of(PRODUCTS), connection=STORAGE)
def poison_products(message: func.QueueMessage) -> None:
    """Record a product that could not be staged."""
    _record(PRODUCTS, message)


@bp.function_name("poison_corrections")
@bp.queue_trigger(arg_name="message", queue_name=poison_of(CORRECTIONS), connection=STORAGE)
def poison_corrections(message: func.QueueMessage) -> None:
    """Record a product that could not be corrected."""
    _record(CORRECTIONS, message)


@bp.function_name("poison_classifications")
@bp.queue_trigger(arg_name="message", queue_name=poison_of(CLASSIFICATIONS), connection=STORAGE)
def poison_classifications(message: func.QueueMessage) -> None:
    """Record a product that could not be classified again."""
    _record(CLASSIFICATIONS, message)


@bp.function_name("poison_blobs")
@bp.queue_trigger(arg_name="message", queue_name=BLOB_TRIGGER_POISON, connection=STORAGE)
def poison_blobs(message: func.QueueMessage) -> None:
    """Record a blob whose trigger failed on every try."""
    from shared.pipeline import poison as step

    outside = services()
    since = _since(message)
    step.poison_blob(message.get_body(), ledger=outside.ledger, clock=outside.clock, since=since)
