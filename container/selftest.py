"""Says whether this image, or machine, can do the correct step: ``python -m container.selftest [--image] [--json]``.

``--image`` leaves out what belongs to the machine it runs on (work folder, memory, storage); the image's build ends
with that. Prints a table, or JSON. Exit 0 where nothing is at fault, else 1. A note is worth reading and no fault.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import ParamSpec

from container.image.install_auxiliary import missing_maps
from container.mounts import file_system_of, network_file_system
from shared.adapters.gipp import dem_for, gipp_xml, parameters
from shared.adapters.l2a_process import Command, stated
from shared.adapters.sen2cor import choose_commands
from shared.errors import BadSetting, IceWatchError
from shared.models import ProductName, shown
from shared.safe import xml_root
from shared.settings import DEVELOPMENT, STORAGE, Correction, Settings

_GIB = 1024**3
_MEMORY = 4 * _GIB  # Sen2Cor stays below that with one product
_AUX_DATA = Path("lib/python2.7/site-packages/sen2cor/aux_data")  # below the folder of Sen2Cor
_ANY = ProductName.parse("S2B_MSIL1C_20240716T151809_N0510_R068_T22WEV_20240716T184612")  # beyond 60 N
_CGROUP = Path("/sys/fs/cgroup")


class Finding(StrEnum):
    """What came out of one look."""

    OK = "ok"
    NOTE = "note"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    finding: Finding
    told: str  # a value or a sentence


Checks = Iterator[Check]
_P = ParamSpec("_P")


def checks(env: Mapping[str, str], work: Path, *, machine: bool, mounts: str | None = None) -> list[Check]:
    """Everything looked at, in the order of the table.

    Args:
        env: The environment with the app settings.
        work: An empty folder for what is tried out; removed by the caller.
        machine: Whether the machine is looked at too, not only what the image brings along.
        mounts: The text of /proc/mounts; by default this machine's.
    """
    found = [*_tried("Python", _python), *_tried("rasters", _rasters), *_tried("worker", _worker)]
    try:
        correction = Settings.from_env({**env, STORAGE: DEVELOPMENT}).correction
        commands = choose_commands(correction)
    except BadSetting as error:
        return [*found, Check("processor", Finding.FAULT, str(error))]
    for number, command in enumerate(commands):
        found += _of_command(command, correction, work / str(number))
    if any(command.takes_gipp for command in commands):
        found += _tried("elevation", _elevation, correction)
    if machine:
        found += _tried("storage", _storage, env)
        found += _tried("work folder", _work_folder, correction, mounts)
        found += _tried("memory", _memory, _CGROUP)
        found += _tried("processors", _processors, _CGROUP)
    return found


def _of_command(command: Command, correction: Correction, work: Path) -> list[Check]:
    work.mkdir()
    found = _tried("processor", _processor, command, work)
    if command.takes_gipp:
        found += _tried("parameters", _parameters, command, correction, work)
        found += _tried("ESA-CCI maps", _maps, command)
    return found


def _tried(name: str, look: Callable[_P, Checks], *args: _P.args, **kwargs: _P.kwargs) -> list[Check]:
    """What ``look`` finds; whatever goes wrong on the way is a fault with its reason."""
    try:
        return list(look(*args, **kwargs))
    except IceWatchError as error:
        return [Check(name, Finding.FAULT, str(error))]
    except Exception as error:  # noqa: BLE001  # a self-test that ends with a traceback tells nobody anything
        return [Check(name, Finding.FAULT, f"{type(error).__name__}: {shown(error)}")]


def _python() -> Checks:
    yield Check("Python", Finding.OK, f"{platform.python_version()} on {platform.platform(terse=True)}")


def _rasters() -> Checks:
    import rasterio

    with rasterio.Env() as gdal:
        drivers = gdal.drivers()
    finding = Finding.OK if "JP2OpenJPEG" in drivers else Finding.FAULT
    told = "reads JPEG 2000" if finding is Finding.OK else "lacks the driver JP2OpenJPEG"
    yield Check("rasters", finding, f"rasterio {rasterio.__version__}, GDAL {rasterio.__gdal_version__}, {told}")


def _worker() -> Checks:
    import container.run  # noqa: F401

    yield Check("worker", Finding.OK, f"container.run from {Path(__file__).resolve().parent}")


def _processor(command: Command, work: Path) -> Checks:
    told = f"{stated(command, work)} ({' '.join(command.arguments)})"
    if not command.takes_gipp:
        yield Check("processor", Finding.NOTE, f"{told}: for trials, not for science")
    elif "not stated" in told:
        yield Check("processor", Finding.FAULT, f"{told}: it does not answer --help as Sen2Cor does")
    else:
        yield Check("processor", Finding.OK, told)


def _parameters(command: Command, correction: Correction, work: Path) -> Checks:
    """Write the parameters as a run would, and read them back."""
    values = parameters(_ANY, correction, dem=dem_for(_ANY.tile), dem_folder="dem")
    file = work / "L2A_GIPP.xml"
    file.write_bytes(gipp_xml(values, command.templates))
    root = xml_root(file.read_bytes(), file.name)
    lost = [name for name, value in values.items() if all(element.text != value for element in root.iter(name))]
    template = next((path for path in command.templates if path.is_file()), None)
    origin = f"into {template}" if template else "into IceWatch's own, as the processor brings none"
    if lost:
        yield Check("parameters", Finding.NOTE, f"written {origin}; that knows no {', '.join(lost)}")
    else:
        yield Check("parameters", Finding.OK, f"written {origin}")


def _maps(command: Command) -> Checks:
    folder = Path(command.arguments[0]).parents[1] / _AUX_DATA
    if missing := missing_maps(folder):
        told = f"missing in {folder}: {', '.join(missing)}; land, water and snow are told apart by spectra alone"
        yield Check("ESA-CCI maps", Finding.NOTE, told)
    else:
        yield Check("ESA-CCI maps", Finding.OK, str(folder))


def _elevation(correction: Correction) -> Checks:
    if correction.dem == "none":
        yield Check("elevation", Finding.NOTE, "CORRECTION_DEM is none: flat ground is assumed everywhere")
        return
    kept = Path(correction.dem_folder) if correction.dem_folder else None
    if kept is not None and not (kept.is_dir() and os.access(kept, os.W_OK)):
        yield Check("elevation", Finding.FAULT, f"SEN2COR_DEM is {kept}, which is no folder that can be written")
        return
    source = dem_for(_ANY.tile)
    north = source.address if source else "none"
    yield Check("elevation", Finding.OK, f"{correction.dem}; {north} beyond 60 N, kept in {kept or 'the run alone'}")


def _storage(env: Mapping[str, str]) -> Checks:
    storage = Settings.from_env(env).storage
    yield Check("storage", Finding.OK, storage.blob_uri or "by connection string")


def _work_folder(correction: Correction, mounts: str | None) -> Checks:
    folder = Path(correction.work or tempfile.gettempdir())
    if foreign := network_file_system(folder, mounts):
        told = f"{folder} is on a network file system ({foreign}); Sen2Cor leaves empty products there"
        yield Check("work folder", Finding.FAULT, told)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"icewatch")
        file.flush()
    kind, free = file_system_of(folder, mounts) or "unknown", shutil.disk_usage(folder).free
    needed = correction.scratch_bytes
    told = f"{folder} ({kind}), {free / _GIB:.1f} GiB free; one product may fill {needed / _GIB:.1f}"
    yield Check("work folder", Finding.OK if free >= needed else Finding.NOTE, told)


def _memory(cgroup: Path) -> Checks:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [_number(cgroup / name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    limit = min([machine, *filter(None, limits)])
    told = f"{limit / _GIB:.1f} GiB"
    if limit < _MEMORY:
        yield Check("memory", Finding.NOTE, f"{told}; Sen2Cor needs up to {_MEMORY / _GIB:.0f}")
    else:
        yield Check("memory", Finding.OK, told)


def _processors(cgroup: Path) -> Checks:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    share = int(quota) / int(period) if quota.isdecimal() and period.isdecimal() else float(count)
    yield Check("processors", Finding.OK, f"{min(share, count):g}")


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdecimal() else None  # "max": no limit


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at everything and print it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m container.selftest", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--image", action="store_true", help="only what the image brings along")
    parser.add_argument("--json", action="store_true", help="for machines")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="icewatch-selftest-") as work:
        found = checks(os.environ, Path(work), machine=not asked.image)
    faults = sum(check.finding is Finding.FAULT for check in found)
    if asked.json:
        text = json.dumps({"ok": not faults, "checks": [asdict(check) for check in found]}, indent=2)
    else:
        text = "\n".join(f"{check.finding:6s}{check.name:14s}{check.told}" for check in found)
        text += f"\n{'This can correct products.' if not faults else f'{faults} at fault: see above.'}"
    sys.stdout.write(text + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
