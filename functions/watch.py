"""watch: timer -> metrics, and the messages of products that are stuck or lack something."""

import azure.functions as func

from shared.wiring import services

bp = func.Blueprint()


@bp.function_name("watch")
@bp.timer_trigger(arg_name="timer", schedule="%WATCH_SCHEDULE%", run_on_startup=False, use_monitor=True)
def watch(timer: func.TimerRequest) -> None:
    """See what waits, send again what lost its message, heal what lost its blobs, and measure it all."""
    from functions.measuring import export, measured
    from shared.errors import TransientError
    from shared.measures import RESCUES, Measure
    from shared.messages import CLASSIFICATIONS
    from shared.pipeline import runs
    from shared.pipeline import watch as step
    from shared.pipeline.reconcile import reconcile
    from shared.pipeline.watch_poison import enter_poison
    from shared.pipeline.watching import in_force

    outside = services()
    in_force(outside.store, ledger=outside.ledger, clock=outside.clock)  # says soon that a watchlist is refused
    trouble = None
    try:
        enter_poison(queues=outside.queues, ledger=outside.ledger, clock=outside.clock)
    except TransientError as error:
        trouble = error
    sent = 0
    for rescue in step.watch(ledger=outside.ledger, queues=outside.queues, clock=outside.clock):
        outside.queues.send(rescue.queue, rescue.message.encode())
        sent += 1
    waiting = outside.queues.depth(CLASSIFICATIONS)
    for rescue in reconcile(ledger=outside.ledger, store=outside.store, clock=outside.clock, waiting=waiting):
        outside.queues.send(rescue.queue, rescue.message.encode())
        sent += 1
    export([*measured(), Measure(RESCUES, sent)])
    if trouble is not None:
        raise trouble  # only now: it hides nothing else, and a run that fails is seen
    runs.note("watch", outside.store, outside.clock)
