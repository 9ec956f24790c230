"""classify: blob created l2a/.../manifest.safe -> surface/... ; reclassify: the same step, asked for by queue."""

import os
from collections.abc import Callable
from functools import partial

import azure.functions as func

from functions.blob_name import BlobName
from shared.errors import BadName
from shared.messages import CLASSIFICATIONS, ClassificationMessage
from shared.models import L2A, MANIFEST, ProductName, l2a_of_manifest
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("classify")
@bp.blob_trigger(arg_name="blob", path=f"{L2A}/{{name}}", connection=STORAGE, source=func.BlobSource.EVENT_GRID)
def classify(blob: BlobName) -> None:
    """Classify a product whose L2A folder has become complete."""
    from shared.pipeline.refused import refuse

    if not blob.path.name.endswith(f"/{MANIFEST}"):
        return  # Event Grid filters by ending; a subscription without the filter must do no harm
    try:
        product = l2a_of_manifest(blob.path)
    except BadName as error:
        outside = services()
        refuse(str(blob.path), str(error), outside.ledger, outside.clock)
        return
    _classify(product, again=False)


@bp.function_name("reclassify")
@bp.queue_trigger(arg_name="message", queue_name=CLASSIFICATIONS, connection=STORAGE)
def reclassify(message: func.QueueMessage) -> None:
    """Classify a product (again): a retry, a new model, late files."""
    asked = ClassificationMessage.decode(message.get_body())
    _classify(asked.name(), again=True, because=asked.because)


def _classify(product: ProductName, *, again: bool, because: str = "") -> None:
    from shared.pipeline import classify as step

    outside = services()
    lock = outside.surface_locks.take(product)
    if lock is None:
        waits = step.put_back(product, again=again, because=because)
        outside.queues.send(CLASSIFICATIONS, waits.encode(), delay_seconds=step.WAIT)
        return
    with lock:
        _classify_alone(product, again=again, because=because, check=lock.check)


def _classify_alone(product: ProductName, *, again: bool, because: str, check: Callable[[], None]) -> None:
    from shared.pipeline import classify as step
    from shared.pipeline.surface import Options
    from shared.pipeline.watching import settings_of, watchlist

    outside = services()
    tile = settings_of(product.tile, watchlist(outside.store), outside.settings.defaults)
    step.classify(
        product,
        store=outside.store,
        ledger=outside.ledger,
        load_classifier=partial(outside.load_classifier, tile.model),
        tools=outside.surface_tools,
        options=lambda: Options(
            ice_mask=outside.ice_mask(tile.ice_mask, product.tile) if tile.ice_mask else None,
            resolution=tile.resolution,
            cloud_probability=tile.cloud_probability,
            cloud_rule=tile.cloud_rule,
            minimum_usable=tile.minimum_usable,
            threads=os.cpu_count() or 1,
            lookup_table=outside.lookup_table(),
        ),
        clock=outside.clock,
        again=again,
        because=because,
        check=check,
    )
