"""A worker for the tests of the host: takes one message of the queue `corrections`, as container.run does.

What it does with the message is the message: "take" deletes it, "hang" waits for SIGTERM and gives it back,
"stubborn" ignores SIGTERM. With STANDIN_CRASH in the environment it fails before it takes any. Each line of
the file STANDIN_NOTES tells what happened.
"""

import os
import signal
import sys
import time
from pathlib import Path

from azure.storage.queue import QueueClient

from shared.settings import STORAGE

NOTES = Path(os.environ["STANDIN_NOTES"])


def note(text: str) -> None:
    with NOTES.open("a") as out:
        out.write(f"{text} {os.getpid()}\n")


def main() -> int:
    print("standin at work", flush=True)  # noqa: T201
    if "STANDIN_CRASH" in os.environ:
        note("crash")
        return 7
    queue = QueueClient.from_connection_string(os.environ[STORAGE], "corrections")
    message = queue.receive_message(visibility_timeout=30)
    if message is None:
        note("nothing")
        return 0
    if message.content == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif message.content == "hang":

        def give_back(_number: int, _frame: object) -> None:
            queue.update_message(message, visibility_timeout=0)
            note("gave back")
            sys.exit(0)

        signal.signal(signal.SIGTERM, give_back)
    note(message.content)
    while message.content != "take":
        time.sleep(0.05)
    time.sleep(0.2)
    queue.delete_message(message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
