"""drop: blob created drop/... -> the step the product is ready for; an orthomosaic is classified at once."""

import azure.functions as func

from functions.blob_name import BlobName
from functions.outputs import Messages
from shared.messages import CLASSIFICATIONS, CORRECTIONS, CorrectionMessage
from shared.models import DROP
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("drop")
@bp.blob_trigger(arg_name="blob", path=f"{DROP}/{{name}}", connection=STORAGE, source=func.BlobSource.EVENT_GRID)
@bp.queue_output(arg_name="corrections", queue_name=CORRECTIONS, connection=STORAGE)
@bp.queue_output(arg_name="classifications", queue_name=CLASSIFICATIONS, connection=STORAGE)
def drop(blob: BlobName, corrections: Messages, classifications: Messages) -> None:
    """Bring a product that somebody put into the inbox on its way."""
    from shared.pipeline import drop as step
    from shared.pipeline.drone_drop import drop_orthomosaic, is_orthomosaic

    outside = services()
    if is_orthomosaic(blob.path):
        drop_orthomosaic(
            blob.path,
            store=outside.store,
            ledger=outside.ledger,
            load_classifier=outside.load_drone_classifier,
            tools=lambda: outside.drone_tools,
            locks=outside.surface_locks,
            clock=outside.clock,
        )
        return
    following = step.drop(blob.path, store=outside.store, ledger=outside.ledger, clock=outside.clock)
    corrections.set([message.encode() for message in following if isinstance(message, CorrectionMessage)])
    classifications.set([message.encode() for message in following if not isinstance(message, CorrectionMessage)])
