"""schedule: timer -> queue tile-months."""

import azure.functions as func

from functions.outputs import Messages
from shared.messages import TILE_MONTHS
from shared.settings import STORAGE
from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("schedule")
@bp.timer_trigger(arg_name="timer", schedule="%SCHEDULE%", run_on_startup=False, use_monitor=True)
@bp.queue_output(arg_name="months", queue_name=TILE_MONTHS, connection=STORAGE)
def schedule(timer: func.TimerRequest, months: Messages) -> None:
    """Ask for the tile-months that are to be looked at now."""
    from shared.pipeline import runs
    from shared.pipeline import schedule as step
    from shared.pipeline.watching import in_force

    outside = services()
    messages = step.schedule(
        in_force(outside.store, ledger=outside.ledger, clock=outside.clock),
        ledger=outside.ledger,
        queues=outside.queues,
        now=outside.clock(),
        backfill_room=outside.settings.backfill.room,
    )
    months.set([message.encode() for message in messages])
    runs.note("schedule", outside.store, outside.clock)
