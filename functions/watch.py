"""watch: timer -> metrics, and the messages of products that are stuck or lack something."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import azure.functions as func

from shared.errors import TransientError
from shared.wiring import services

if TYPE_CHECKING:
    from shared.pipeline.watch import Rescue
    from shared.ports import Queues

bp = func.Blueprint()


@bp.function_name("watch")
@bp.timer_trigger(arg_name="timer", schedule="%WATCH_SCHEDULE%", run_on_startup=False, use_monitor=True)
def watch(timer: func.TimerRequest) -> None:
    """See what waits, send again what lost its message, heal what lost its blobs, and measure it all."""
    from functions.measuring import export, measured
    from shared.measures import RESCUES, Measure
    from shared.messages import CLASSIFICATIONS
    from shared.pipeline import runs
    from shared.pipeline import watch as step
    from shared.pipeline.reconcile import reconcile
    from shared.pipeline.watch_poison import enter_poison
    from shared.pipeline.watching import in_force

    outside = services()
    store, ledger, queues, clock = outside.store, outside.ledger, outside.queues, outside.clock
    in_force(store, ledger=ledger, clock=clock)  # says soon that a watchlist is refused
    troubles: list[TransientError] = []  # of single queues
    try:
        enter_poison(queues=queues, ledger=ledger, clock=clock)
    except TransientError as error:
        troubles.append(error)
    stuck = step.watch(ledger=ledger, queues=queues, clock=clock, unread=troubles.append)
    sent = _send(stuck, queues, troubles)
    waiting = step.depth(CLASSIFICATIONS, queues, troubles.append)
    sent += _send(reconcile(ledger=ledger, store=store, clock=clock, waiting=waiting), queues, troubles)
    export([*measured(), Measure(RESCUES, sent)])
    if troubles:
        raise troubles[0]  # only now: it hides nothing else, and a run that fails is seen
    runs.note("watch", store, clock)


def _send(rescues: "Iterable[Rescue]", queues: "Queues", troubles: list[TransientError]) -> int:
    """Send ``rescues``; how many went out. A queue that takes none is left: its products are found stuck again."""
    closed, sent = set[str](), 0
    for rescue in rescues:
        if rescue.queue in closed:
            continue
        try:
            queues.send(rescue.queue, rescue.message.encode())
        except TransientError as error:
            closed.add(rescue.queue)
            troubles.append(error)
        else:
            sent += 1
    return sent
