"""Runs a host on a small app until it is asked to end: `python -m tests.adapters.standin_host FOLDER`."""

import sys
from pathlib import Path

import azure.functions as func

from local.host import Host
from tests.adapters.hosting import FAST, STORAGE, host_json

app = func.FunctionApp()


@app.queue_trigger("message", "greetings", STORAGE)
def greet(message: func.QueueMessage) -> None:
    """Nothing more than being there."""


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    Host(
        app,
        {"STANDIN_NOTES": str(folder / "notes")},
        folder=folder / "host",
        workers=1,
        worker_module="tests.adapters.standin_worker",
        host_json=host_json(folder),
        pace=FAST,
    ).run_forever()
