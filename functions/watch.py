"""watch: timer -> log of the queues, and the messages of products that are stuck or lack something."""

import azure.functions as func

from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("watch")
@bp.timer_trigger(arg_name="timer", schedule="%WATCH_SCHEDULE%", run_on_startup=False, use_monitor=True)
def watch(timer: func.TimerRequest) -> None:
    """See what waits, send again what lost its message, and heal what lost its blobs."""
    from shared.pipeline import watch as step
    from shared.pipeline.reconcile import reconcile
    from shared.pipeline.watching import in_force

    outside = services()
    in_force(outside.store, ledger=outside.ledger, clock=outside.clock)  # says soon that a watchlist is refused
    for rescue in step.watch(ledger=outside.ledger, queues=outside.queues, clock=outside.clock):
        outside.queues.send(rescue.queue, rescue.message.encode())
    for rescue in reconcile(ledger=outside.ledger, store=outside.store, clock=outside.clock):
        outside.queues.send(rescue.queue, rescue.message.encode())
