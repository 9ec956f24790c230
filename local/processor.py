"""Which processor corrects on this machine: where Sen2Cor is, and how that is told at the start."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.adapters.l2a_process import stated
from shared.adapters.sen2cor import choose_commands
from shared.errors import BadSetting, TransientError
from shared.models import shown
from shared.settings import DEVELOPMENT, STORAGE, Correction, Settings

COMMAND, HOME = "SEN2COR_COMMAND", "SEN2COR_HOME"
NO_SEN2COR = {COMMAND: "", HOME: ""}  # settings that lead to the approximate processor


def sen2cor_settings(path: Path | None) -> dict[str, str]:
    """The app settings that lead to the Sen2Cor at ``path``, its L2A_Process or a folder above; none for None.

    Raises BadSetting where there is no Sen2Cor: nothing else is taken in its place.
    """
    if path is None:
        return {}
    path = path.expanduser().absolute()
    if not path.exists():
        raise BadSetting(f"--sen2cor names '{shown(path)}', which is not there.")
    if path.is_dir():
        try:
            choose_commands(Correction(home=str(path)))
        except BadSetting as cause:
            raise BadSetting(
                f"--sen2cor names '{shown(path)}', where there is no L2A_Process; expected the folder that Sen2Cor "
                "was installed to, or its bin/L2A_Process."
            ) from cause
        return {COMMAND: "", HOME: str(path)}
    if path.name != "L2A_Process":
        raise BadSetting(f"--sen2cor names the file '{shown(path)}'; expected L2A_Process or a folder that holds it.")
    return {COMMAND: str(path)}


def processors(settings: Mapping[str, str]) -> str:
    """What corrects, as a sentence with name, version and place of each processor in order of preference.

    Raises BadSetting where a setting names something that is not there or that cannot be run.
    """
    told = []
    with tempfile.TemporaryDirectory(prefix="icewatch-processor-") as work:
        for number, command in enumerate(choose_commands(_correction(settings))):
            try:
                name = stated(command, Path(work) / str(number))
            except TransientError as cause:
                raise BadSetting(str(cause)) from cause
            if not command.takes_gipp:
                return f"Corrections are made by {name}, a simple processor for trials; --sen2cor names a real one."
            told.append(f"{name} ({command.arguments[0]})")
    return f"Corrections are made by {', where that does not read a product by '.join(told)}."


def _correction(settings: Mapping[str, str]) -> Correction:
    """The part of the settings that needs no storage account, which the host may only be about to bring."""
    return Settings.from_env({**settings, STORAGE: DEVELOPMENT}).correction
