"""Finds and runs the ``L2A_Process`` command line: ESA's Sen2Cor, or what stands in for it.

Without Sen2Cor on the machine, ``python -m container.approximate`` runs: the same command line and layout, and
its name in the result. Which one runs is decided by `choose_command` and shown by `Command.name`.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from shared.adapters.verdict import Ended, Heard, Kind, Verdict, jp2_fault, l2a_of, of_files, of_process
from shared.errors import BadProduct, BadSetting, CorrectionFailed, TransientError
from shared.models import ProductName, shown
from shared.ports import Corrected
from shared.safe import parse_product_metadata, parse_tile_metadata
from shared.settings import Correction

_ROOT = Path(__file__).resolve().parents[2]
_PASSED_ON = ("PATH", "LANG", "TZ", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY", "https_proxy", "no_proxy")
_POLL = 0.1  # seconds between two looks at the process
_LINE_LIMIT = 64 * 1024  # characters
_CGROUP_EVENTS = Path("/sys/fs/cgroup/memory.events")


@dataclass(frozen=True, slots=True)
class Command:
    """One processor that understands L2A_Process's arguments."""

    name: str  # "Sen2Cor" or "approximate"
    arguments: tuple[str, ...]  # the program and what always comes first
    variables: Mapping[str, str] = field(default_factory=dict)  # environment it needs
    gipp: Path | None = None  # processing parameters to pass explicitly
    folder: Path | None = None  # working directory; none: the work folder


def choose_command(correction: Correction) -> Command:
    """The processor to run: the named command, L2A_Process below SEN2COR_HOME, or the approximate one.

    Raises BadSetting where a setting names something that is not there: then nothing is replaced silently.
    """
    if correction.command:
        return _sen2cor(_runnable(correction.command), correction.home)
    if correction.home:
        return _sen2cor(_below(Path(correction.home)), correction.home)
    variables = {
        name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ
    }  # this Python may need it
    return Command("approximate", (sys.executable, "-m", "container.approximate"), variables, folder=_ROOT)


def _runnable(command: str) -> Path:
    found = shutil.which(command)
    if found is None:
        raise BadSetting(f"SEN2COR_COMMAND is '{shown(command)}', which is no program that can be run.")
    return Path(found).resolve()


def _below(home: Path) -> Path:
    for pattern in ("bin/L2A_Process", "L2A_Process", "Sen2Cor-*/bin/L2A_Process"):
        for path in sorted(home.glob(pattern), reverse=True):  # the newest version first
            if os.access(path, os.X_OK):
                return path.resolve()
    raise BadSetting(
        f"SEN2COR_HOME is '{shown(home)}', where there is no L2A_Process; set SEN2COR_COMMAND to its path, "
        "or neither to use the approximate processor."
    )


def _sen2cor(program: Path, home: str) -> Command:
    variables = {"LC_NUMERIC": "C", "GDAL_DRIVER_PATH": "disable"}
    gipp = None
    if home:
        variables["SEN2COR_HOME"] = home
        stated = Path(home) / "cfg" / "L2A_GIPP.xml"
        gipp = stated if stated.is_file() else None
    return Command("Sen2Cor", (str(program),), variables, gipp)


class Sen2Cor:
    """Corrector that runs a command line in a process group of its own."""

    def __init__(
        self,
        command: Command,
        *,
        resolution: int = 20,
        time_limit: float = 5400.0,
        grace: float = 10.0,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            command: What to run.
            resolution: Pixel size in metres that the result must have, 20 or 60.
            time_limit: Seconds for one product.
            grace: Seconds between SIGTERM and SIGKILL.
            checkpoint: Called often while the process runs; raises to stop the work.
        """
        self._command = command
        self._resolution = resolution
        self._time_limit = time_limit
        self._grace = grace
        self._checkpoint = checkpoint

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
        """Run to the end below ``work``; CorrectionFailed or TransientError with the reason (see `verdict`)."""
        product = ProductName.parse(l1c.name)
        shutil.rmtree(work, ignore_errors=True)  # a stale partial result would make it say "already processed"
        output, scratch = work / "l2a", work / "work"
        for folder in (output, scratch, work / "home", work / "tmp"):
            folder.mkdir(parents=True)
        processor = self.version(work)
        arguments = [*self._command.arguments, "--resolution", str(self._resolution)]
        arguments += ["--output_dir", str(output), "--work_dir", str(scratch)]
        if self._command.gipp is not None:
            arguments += ["--GIP_L2A", str(self._command.gipp)]
        ended = self._run([*arguments, str(l1c)], work, self._time_limit, on_progress)
        of_process(ended, product).enforce()
        folder = self._found(output, product)
        shutil.rmtree(scratch, ignore_errors=True)
        return Corrected(folder, processor)

    def version(self, work: Path) -> str:
        """Name and version of the processor, as its help text states it: "Sen2Cor 02.12.03"."""
        ended = self._run([*self._command.arguments, "--help"], work, 120.0, lambda _: None)
        return f"{self._command.name} {ended.heard.version or '(version not stated)'}"

    def _found(self, output: Path, product: ProductName) -> Path:
        try:
            l2a = l2a_of((path.name for path in output.iterdir() if path.is_dir()), product)
        except BadProduct as cause:
            raise CorrectionFailed(str(cause)) from cause
        folder = output / l2a.safe
        paths = (path for path in folder.rglob("*") if path.is_file())
        sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
        verdict, images = of_files(sizes, self._resolution, l2a)
        verdict.enforce()
        for name in images:
            with (folder / name).open("rb") as file:
                if fault := jp2_fault(file):
                    Verdict(Kind.UNREADABLE, f"{name} of {l2a} {fault}.").enforce()
        _check_metadata(folder, sizes)
        return folder

    def _run(self, arguments: list[str], work: Path, time_limit: float, on_progress: Callable[[float], None]) -> Ended:
        kills, started = _memory_kills(), time.monotonic()
        try:
            process = subprocess.Popen(  # noqa: S603  # a list of arguments, no shell; the program is the operator's choice
                arguments,
                cwd=self._command.folder or work,
                env=self._environment(work),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a process group of its own, ended as a whole
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as cause:
            # Not the product's fault, so no product may fail for good by it.
            raise TransientError(f"'{arguments[0]}' cannot be run: {cause.strerror}.") from cause
        heard = Heard()
        listener = threading.Thread(target=_listen, args=(process.stdout, heard), daemon=True)
        try:
            listener.start()
            timed_out = self._wait(process, started + time_limit, heard, on_progress)
        finally:
            self._end(process, listener)
        seconds = time.monotonic() - started
        return Ended(process.returncode, seconds, timed_out, heard, _memory_kills() > kills)

    def _wait(
        self, process: subprocess.Popen[str], deadline: float, heard: Heard, on_progress: Callable[[float], None]
    ) -> bool:
        """Wait for the end, passing progress on; True where the time was up first."""
        told = 0.0
        while process.poll() is None:
            self._checkpoint()
            if heard.percent > told:
                told = heard.percent
                on_progress(told)
            if time.monotonic() > deadline:
                return True
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL)
        return False

    def _end(self, process: subprocess.Popen[str], listener: threading.Thread) -> None:
        """End the whole process group, children that outlived their parent too, and hear the last words."""
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._grace)
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        listener.join(5.0)  # a child that left the group may hold the pipe open for ever
        if process.stdout is not None and not listener.is_alive():
            process.stdout.close()

    def _environment(self, work: Path) -> dict[str, str]:
        """A small environment: no secrets of the app, and no PYTHONPATH or LD_LIBRARY_PATH, which break Sen2Cor."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        own = {"HOME": str(work / "home"), "TMPDIR": str(work / "tmp"), "PYTHONUNBUFFERED": "1"}
        return passed_on | own | dict(self._command.variables)


def _listen(stream: IO[str], heard: Heard) -> None:
    while line := stream.readline(_LINE_LIMIT):
        heard.hear(line)


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # nobody left; macOS says EPERM for zombies
        os.killpg(group, number)


def _memory_kills() -> int:
    """How often the kernel ended a process of this container because memory ran out; 0 where it does not say."""
    try:
        text = _CGROUP_EVENTS.read_text(encoding="ascii")
    except OSError:
        return 0
    match = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(match[1]) if match else 0


def _check_metadata(folder: Path, sizes: Mapping[str, int]) -> None:
    """Raise CorrectionFailed where a metadata file does not parse."""
    try:
        parse_product_metadata((folder / "MTD_MSIL2A.xml").read_bytes(), f"{folder.name}/MTD_MSIL2A.xml")
        for name in sizes:
            if name.endswith("/MTD_TL.xml"):
                parse_tile_metadata((folder / name).read_bytes(), f"{folder.name}/{name}")
    except BadProduct as cause:
        Verdict(Kind.UNREADABLE, str(cause)).enforce()
