"""Running a program: limits, peaks, and that no process outlives its run, not even when the worker is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shared.adapters.measuring import Peaks
from shared.adapters.processes import MARKER, Limits, Run, end_orphans
from shared.adapters.verdict import Ended
from shared.errors import TransientError

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to look for processes")
SLEEP = "import time; time.sleep(600)"
ALONE = (
    f"import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid(); print('up', flush=True); {SLEEP}"
)


class Stop(BaseException):
    """Raised by a checkpoint."""


def alive(pid: int) -> bool:
    """True where the process runs; a zombie waiting for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int) -> bool:
    """True once the process has ended; the kernel may need a moment."""
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def run(
    folder: Path, program: str, limits: Limits | None = None, *, checkpoint: Callable[[], None] = lambda: None
) -> Ended:
    one = Run([sys.executable, "-c", program], folder, folder, {"PATH": os.environ["PATH"]}, measured=(folder,))
    return one.to_end(limits or Limits(60.0, grace=0.3), on_progress=lambda _: None, checkpoint=checkpoint)


def starting(child: str, then: str = "") -> str:
    """A program that starts ``child``, waits for its first word, writes its number down and goes on."""
    return (
        "import subprocess, sys, pathlib\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
        f"{then}"
    )


@pytest.fixture
def stray(tmp_path: Path) -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Starts processes that carry the mark of a folder, as a worker that was killed leaves them."""
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", ALONE], env={MARKER: str(folder)}, stdout=subprocess.PIPE, start_new_session=False
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("then", ["", SLEEP, f"import os; os.kill(os.getpid(), {signal.SIGSEGV:d})"])
def test_a_child_that_left_the_group_and_ignores_sigterm_is_ended_too(tmp_path: Path, then: str) -> None:
    run(tmp_path, starting(ALONE, then), Limits(2.0, grace=0.3))
    assert gone(int((tmp_path / "child").read_text()))


def test_a_grandchild_whose_parent_has_ended_is_ended_too(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open('name', 'w').write(str(os.getpid()))\n"
        "    os.rename('name', 'grandchild')\n"
        "    time.sleep(600)\n"
        "while not os.path.exists('grandchild'): time.sleep(.01)\n"
    )
    assert run(tmp_path, program).code == 0
    assert gone(int((tmp_path / "grandchild").read_text()))


def test_a_run_is_ended_when_its_time_is_up(tmp_path: Path) -> None:
    ended = run(tmp_path, SLEEP, Limits(0.5, grace=0.3))
    assert ended.timed_out
    assert ended.signal == signal.SIGTERM


def test_a_program_may_tidy_up_before_it_is_ended(tmp_path: Path) -> None:
    def checkpoint() -> None:
        if (tmp_path / "up").exists():
            raise Stop

    tidy = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: (open('tidied', 'w'), sys.exit(3)))"
    with pytest.raises(Stop):
        run(tmp_path, f"{tidy}; open('up', 'w'); {SLEEP}", Limits(60.0, grace=30.0), checkpoint=checkpoint)
    assert (tmp_path / "tidied").exists()


def test_silence_without_work_counts_as_hung(tmp_path: Path) -> None:
    ended = run(tmp_path, f"print('Progress[%]: 5.00 : x', flush=True); {SLEEP}", Limits(60.0, silence=1.0, grace=0.3))
    assert ended.silent > 1.0
    assert not ended.timed_out
    assert ended.heard.percent == 5


def test_progress_is_told_when_it_grows_and_again_as_a_sign_of_life(tmp_path: Path) -> None:
    told: list[float] = []
    program = "import time\nfor n in (1, 2): print(f'Progress[%]: {n}.00 : x', flush=True); time.sleep(.8)"
    one = Run([sys.executable, "-c", program], tmp_path, tmp_path, {})
    one.to_end(Limits(60.0, heartbeat=0.3), on_progress=told.append, checkpoint=lambda: None)
    assert told == sorted(told)
    assert told.count(1.0) > 1
    assert told.count(2.0) > 1


def test_who_talks_has_not_hung(tmp_path: Path) -> None:
    talk = "import time\nfor _ in range(20): print('at work', flush=True); time.sleep(.1)"
    ended = run(tmp_path, talk, Limits(60.0, silence=1.8))
    assert ended.silent == 0
    assert ended.code == 0


def test_who_computes_has_not_hung() -> None:
    peaks = Peaks(lambda: [os.getpid()], ())
    peaks.sample()
    before, until = peaks.active_at, time.process_time() + 1.2
    while time.process_time() < until:
        peaks.sample()
    time.sleep(1.0)  # between two looks
    peaks.sample()
    assert peaks.active_at > before


def test_what_the_checkpoint_raises_ends_the_run(tmp_path: Path) -> None:
    def checkpoint() -> None:
        if (tmp_path / "child").exists() and (tmp_path / "child").read_text():
            raise Stop

    with pytest.raises(Stop):
        run(tmp_path, starting(ALONE, SLEEP), checkpoint=checkpoint)
    assert gone(int((tmp_path / "child").read_text()))


def test_memory_of_all_processes_and_room_on_the_disk_are_measured(tmp_path: Path) -> None:
    holds = "held = b'x' * 40_000_000; print('up', flush=True); import time; time.sleep(1.5)"
    ended = run(tmp_path, starting(holds, "open('file', 'wb').write(b'x' * 30_000_000); child.wait(); " + holds))
    assert 40e6 < ended.peak_memory < 200e6
    assert 30e6 <= ended.peak_disk < 31e6


def test_only_the_processes_of_the_folder_and_below_are_orphans(
    tmp_path: Path, stray: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    mine = [stray(tmp_path / "a"), stray(tmp_path / "a" / "run")]
    others = [stray(tmp_path / "ab"), stray(tmp_path)]
    assert end_orphans(tmp_path / "a") == 2
    assert all(gone(process.pid) for process in mine)
    assert all(alive(process.pid) for process in others)
    assert end_orphans(tmp_path / "a") == 0


WORKER = """
import os, sys
from pathlib import Path
from shared.adapters.measuring import Peaks
from shared.adapters.processes import Limits, Run
folder = Path(sys.argv[1])
Run([sys.executable, "-c", sys.argv[2]], folder, folder, {"PATH": os.environ["PATH"]}).to_end(
    Limits(60.0), on_progress=lambda _: None, checkpoint=lambda: None)
"""


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="needs setpriv")
def test_a_killed_worker_takes_its_program_along_and_the_next_one_ends_the_rest(tmp_path: Path) -> None:
    program = starting(ALONE, "pathlib.Path('self').write_text(str(__import__('os').getpid())); " + SLEEP)
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), program], cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + 60
        while not ((tmp_path / "self").exists() and (tmp_path / "self").read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        with suppress(ProcessLookupError):
            worker.kill()
        worker.wait()
    assert gone(int((tmp_path / "self").read_text()))
    child = int((tmp_path / "child").read_text())
    assert alive(child)
    assert end_orphans(tmp_path) == 1
    assert gone(child)


def test_a_program_that_is_not_there_is_no_fault_of_the_product(tmp_path: Path) -> None:
    missing = Run(["/no/such/program"], tmp_path, tmp_path / "no-such-folder", {})
    with pytest.raises(TransientError, match="'/no/such/program' cannot be run"):
        missing.to_end(Limits(5.0), on_progress=lambda _: None, checkpoint=lambda: None)
