"""The pipeline, in the order a product passes it. Every step is one file in `functions/`."""

from functions import api, classify, discover, drop, poison, schedule, stage, watch
from shared.logs import hush

hush()
app = api.app  # timer, queue and blob steps join the app that answers HTTP

app.register_functions(schedule.bp)
app.register_functions(discover.bp)
app.register_functions(stage.bp)
# The correction runs in a container: container/run.py takes queue corrections and fills l2a/.
app.register_functions(drop.bp)
app.register_functions(classify.bp)
app.register_functions(watch.bp)
app.register_functions(poison.bp)
