"""watch: timer -> log of the queues, and the messages of products that are stuck."""

import azure.functions as func

from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("watch")
@bp.timer_trigger(arg_name="timer", schedule="%WATCH_SCHEDULE%", run_on_startup=False, use_monitor=True)
def watch(timer: func.TimerRequest) -> None:
    """See what waits, and send again what lost its message."""
    from shared.pipeline import watch as step

    outside = services()
    for rescue in step.watch(ledger=outside.ledger, queues=outside.queues, clock=outside.clock):
        outside.queues.send(rescue.queue, rescue.message.encode())
