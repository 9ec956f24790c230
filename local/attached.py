"""Runs a module as ``python -m`` does, and ends with the process that started it, however that one died.

    python -m local.attached container.run

The starter keeps our standard input open; it closes when the starter is gone. Then this process gets SIGTERM, to
end in order, and what is left of its process group SIGKILL. Works wherever there are process groups.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_GRACE = 3.0  # seconds between SIGTERM and SIGKILL


def _watch() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Run the module that the first argument names, with the arguments that follow."""
    if os.getpgid(0) != os.getpid():
        os.setpgid(0, 0)  # what is killed at the end must be ours alone
    threading.Thread(target=_watch, name="watch the starter", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
