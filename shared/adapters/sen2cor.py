"""Finds the processors that understand ``L2A_Process``'s command line, ESA's Sen2Cor or what stands in for it.

Several may be given in order: the next one runs where one does not read the format of a product. Without Sen2Cor on
the machine, ``python -m container.approximate`` runs: the same command line and layout, and its name in the result.
Which ones there are is decided by `choose_commands` and shown by `Command.name`.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from shared.adapters.l2a_process import Command, L2AProcess
from shared.adapters.processes import Limits
from shared.errors import BadSetting, CorrectionFailed
from shared.models import ProductName, shown
from shared.ports import Corrected
from shared.settings import Correction

__all__ = ["Command", "Sen2Cor", "choose_commands"]
_ROOT = Path(__file__).resolve().parents[2]
_log = logging.getLogger("icewatch")


def choose_commands(correction: Correction) -> tuple[Command, ...]:
    """The processors to run, in order: those named, those below SEN2COR_HOME, or the approximate one. Never none.

    Raises BadSetting where a setting names something that is not there: then nothing is replaced silently.
    """
    programs, homes = _listed(correction.command), _listed(correction.home)
    if programs:
        if len(homes) not in {0, 1, len(programs)}:
            raise BadSetting(
                f"SEN2COR_HOME names {len(homes)} folders for the {len(programs)} programs of SEN2COR_COMMAND; "
                "expected none, one, or one for each."
            )
        homes = homes * len(programs) if len(homes) == 1 else homes or [""] * len(programs)
        return tuple(_sen2cor(_runnable(one), home) for one, home in zip(programs, homes, strict=True))
    if homes:
        return tuple(_sen2cor(program, home) for home in homes for program in _below(Path(home)))
    variables = {
        name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ
    }  # this Python may need it
    return (Command("approximate", (sys.executable, "-m", "container.approximate"), variables, folder=_ROOT),)


def _listed(setting: str) -> list[str]:
    return [part for part in setting.split(os.pathsep) if part]


def _runnable(command: str) -> Path:
    found = shutil.which(command)
    if found is None:
        raise BadSetting(f"SEN2COR_COMMAND is '{shown(command)}', which is no program that can be run.")
    return Path(found).resolve()


def _below(home: Path) -> list[Path]:
    """Every L2A_Process in a folder, the newest version first."""
    found = [
        path.resolve()
        for pattern in ("bin/L2A_Process", "L2A_Process", "Sen2Cor-*/bin/L2A_Process")
        for path in sorted(home.glob(pattern), reverse=True)
        if os.access(path, os.X_OK)
    ]
    if not found:
        raise BadSetting(
            f"SEN2COR_HOME is '{shown(home)}', where there is no L2A_Process; set SEN2COR_COMMAND to its path, "
            "or neither to use the approximate processor."
        )
    return list(dict.fromkeys(found))


def _sen2cor(program: Path, home: str) -> Command:
    """The operator's parameters come before those the installation brought along: someone may have edited them."""
    own = program.parents[1] / "lib" / "python2.7" / "site-packages" / "sen2cor"
    variables = {"LC_NUMERIC": "C", "GDAL_DRIVER_PATH": "disable"}
    if own.is_dir():
        variables["SEN2COR_BIN"] = str(own)
    places = (Path(home) / "cfg", own / "cfg") if home else (own / "cfg",)
    templates = tuple(place / "L2A_GIPP.xml" for place in places)
    return Command("Sen2Cor", (str(program),), variables, takes_gipp=True, templates=templates, home=home)


class Sen2Cor:
    """Corrector that runs a command line, and leaves no process of it behind."""

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        resolution: int = 20,
        settings: Correction | None = None,
        grace: float = 10.0,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            commands: What to run, in order of preference.
            resolution: Pixel size in metres that the result must have, 20 or 60.
            settings: Limits and processing parameters; the usual ones where none are given.
            grace: Seconds between SIGTERM and SIGKILL.
            checkpoint: Called often while the process runs; raises to stop the work.
        """
        self._commands = tuple(commands)
        self._resolution = resolution
        self._settings = settings or Correction()
        self._limits = Limits(self._settings.time_limit, self._settings.silence, grace)
        self._checkpoint = checkpoint

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
        """Run to the end below ``work``; CorrectionFailed or TransientError with the reason (see `verdict`)."""
        product, refusals = ProductName.parse(l1c.name), []
        for command in self._commands:
            run = L2AProcess(
                command, self._settings, self._limits,
                l1c=l1c.absolute(), work=work.absolute(), resolution=self._resolution, checkpoint=self._checkpoint,
            )  # fmt: skip
            result = run.correct(on_progress)
            if isinstance(result, Corrected):
                return result
            _log.info("correct: %s does not read %s: %s", run.processor, product, result)
            refusals.append(f"{run.processor}: {result}")
        raise CorrectionFailed(f"No processor here reads the format of {product}; tried {'; '.join(refusals)}.")
