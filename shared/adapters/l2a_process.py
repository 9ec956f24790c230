"""Runs one ``L2A_Process`` on one product, in a folder and an environment of its own, and judges what it leaves."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from shared.adapters.gipp import FLAT, DemSource, dem_for, gipp_xml, parameters
from shared.adapters.heard import says_flat
from shared.adapters.jp2 import Jp2, jp2_of
from shared.adapters.processes import Limits, Run
from shared.adapters.removal import remove
from shared.adapters.verdict import NOT_RUN, Ended, Kind, Verdict, l2a_of, of_files, of_images, of_process
from shared.errors import BadProduct, TransientError
from shared.models import ProductName, shown
from shared.ports import Corrected
from shared.safe import TileMetadata, parse_product_metadata, parse_tile_metadata
from shared.settings import Correction

GIPP = "AUX_DATA/L2A_GIPP.xml"  # member of the L2A folder that keeps the parameters; its manifest.safe does not name it
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")  # for elevation tiles
_SEN2CORS_OWN = ("AOT", "WVP")  # layers that classification does not read, and users do
_PASSED_ON = ("PATH", "LANG", "TZ", "SSL_CERT_FILE", *_PROXIES)
_HELP = Limits(120.0)  # for stating a version
_MOST_REPORT = 8 * 1024 * 1024  # bytes of a log that are looked through
_BEGINNING = 4096  # bytes of a metadata file, which hold its name space
_NAME_SPACE = re.compile(rb"https?://psd-([0-9]{2})\.sentinel2\.eo\.esa\.int")
_log = logging.getLogger("icewatch")


@dataclass(frozen=True, slots=True)
class Command:
    """One processor that understands L2A_Process's arguments."""

    name: str  # "Sen2Cor" or "approximate"
    arguments: tuple[str, ...]  # the program and what always comes first
    variables: Mapping[str, str] = field(default_factory=dict)  # environment it needs
    takes_gipp: bool = False  # processing parameters are passed, and elevation is asked for
    templates: tuple[Path, ...] = ()  # where its own parameters may lie, the best first
    home: str = ""  # SEN2COR_HOME; empty: a new one for each run
    folder: Path | None = None  # working directory; none: the work folder


class L2AProcess:
    """One run of one processor on one product; ``processor`` is its name and version, as its help text states it."""

    def __init__(
        self,
        command: Command,
        settings: Correction,
        limits: Limits,
        *,
        l1c: Path,
        work: Path,
        resolution: int,
        checkpoint: Callable[[], None],
    ) -> None:
        """Empty ``work`` and ask the processor for its version; TransientError where it cannot be run."""
        self._command, self._settings, self._limits = command, settings, limits
        self._l1c, self._work, self._resolution, self._checkpoint = l1c, work, resolution, checkpoint
        self._product = ProductName.parse(l1c.name)
        self._output, self._scratch = work / "l2a", work / "work"
        self._home = _home_of(command, work)
        remove(work)  # a stale partial result would make it say "already processed"
        for folder in (self._output, self._scratch, work / "tmp", work / "home" / "cfg", work / "home" / "log"):
            folder.mkdir(parents=True)
        version = _version(command, work, checkpoint)
        self.processor = _named(command, version)
        self._dem = self._dem_source(version)

    def correct(self, on_progress: Callable[[float], None]) -> Corrected | str:
        """Run to the end; the result, or what the processor says where it does not read this format of product.

        Raises CorrectionFailed or TransientError where there is no usable result (see `verdict`).
        """
        if self._needs_dem and self._dem is None:
            return "it is too old to fetch the Copernicus DEM, and one is required"
        ended = self._run(on_progress)
        if form := _format_of(self._l1c):  # an old version may stumble over a new format without naming it
            ended.heard.compare(form)
        verdict = of_process(ended, self._product, dem_required=self._needs_dem)
        self._log_end(ended, verdict.kind)
        if verdict.kind is Kind.UNSUPPORTED:
            return ended.heard.refusal
        verdict.enforce()
        folder = self._found(says_done=ended.heard.already)
        remove(self._scratch)
        return Corrected(
            folder,
            self.processor,
            dem=self._dem_used(folder, flat=ended.heard.flat),
            gipp=self._kept_gipp(folder),
            seconds=ended.seconds,
            peak_memory=ended.peak_memory,
            peak_disk=ended.peak_disk,
        )

    def _log_end(self, ended: Ended, kind: Kind) -> None:
        elevation = self._dem.name if self._dem and not ended.heard.flat else FLAT
        _log.info(
            "correct: %s by %s: %s after %.0f s, elevation %s, at most %.0f MB of memory and %.0f MB on disk",
            self._product, self.processor, kind, ended.seconds, elevation,
            ended.peak_memory / 1e6, ended.peak_disk / 1e6,
        )  # fmt: skip

    # -- running -------------------------------------------------------------------------------------------------

    def _arguments(self) -> list[str]:
        arguments = ["--resolution", str(self._resolution)]
        arguments += ["--output_dir", str(self._output), "--work_dir", str(self._scratch)]
        if self._command.takes_gipp:
            self._gipp.write_bytes(gipp_xml(self._parameters(), self._command.templates))
            arguments += ["--GIP_L2A", str(self._gipp)]
        return [*arguments, str(self._l1c)]

    def _run(self, on_progress: Callable[[float], None]) -> Ended:
        run = Run(
            [*self._command.arguments, *self._arguments()],
            folder=self._work,
            directory=self._command.folder or self._work,
            variables=_environment(self._command, self._work),
            measured=(self._work, self._l1c),
        )
        return run.to_end(self._limits, on_progress=on_progress, checkpoint=self._checkpoint)

    # -- parameters and elevation --------------------------------------------------------------------------------

    @property
    def _gipp(self) -> Path:
        return self._work / "L2A_GIPP.xml"

    @property
    def _needs_dem(self) -> bool:
        """The approximate processor knows no elevation; who asks for it does not ask for that."""
        return self._command.takes_gipp and self._settings.dem == "required"

    def _dem_source(self, version: str) -> DemSource | None:
        wanted = self._command.takes_gipp and self._settings.dem != "none"
        return dem_for(self._product.tile, version) if wanted else None

    def _parameters(self) -> dict[str, str]:
        return parameters(self._product, self._settings, dem=self._dem, dem_folder=self._dem_folder())

    def _dem_folder(self) -> str:
        """Where tiles of elevation are kept; in the work folder, for this run only, where that cannot be written."""
        if self._dem is None:
            return ""
        usual = self._home / "dem"
        kept = Path(self._settings.dem_folder).absolute() if self._settings.dem_folder else usual
        try:  # Sen2Cor makes the last folder of the path only
            (kept / self._dem.folder).mkdir(parents=True, exist_ok=True)
            writable = os.access(kept / self._dem.folder, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            kept = self._work / "dem"
            (kept / self._dem.folder).mkdir(parents=True)
        return "dem" if kept == usual else str(kept)

    def _dem_used(self, folder: Path, *, flat: bool) -> str:
        """Name of the elevation that was used. Raises TransientError where there was none and one is required."""
        if not self._command.takes_gipp:
            return FLAT
        if self._dem is not None and not flat and not any(map(says_flat, _report_lines(folder))):
            return self._dem.name
        if self._needs_dem:
            reason = f"Correcting {self._product} found no elevation model, and one is required."
            raise Verdict(Kind.NO_DEM, reason).error()
        if self._settings.dem != "none":
            _log.warning("correct: %s was corrected without elevation, as if the ground were flat", self._product)
        return FLAT

    def _kept_gipp(self, folder: Path) -> str:
        if not self._command.takes_gipp:
            return ""
        try:
            (folder / GIPP).parent.mkdir(exist_ok=True)
            shutil.copyfile(self._gipp, folder / GIPP)
        except OSError as cause:
            reason = f"Correcting {self._product} left no place for {GIPP}: {cause}."
            raise Verdict(Kind.MISSING, reason).error() from cause
        return GIPP

    # -- judging what lies there -----------------------------------------------------------------------------------

    def _found(self, *, says_done: bool) -> Path:
        """The L2A folder, judged. What cannot be looked at counts as missing."""
        try:
            return self._judged()
        except (BadProduct, OSError) as cause:
            if says_done:
                reason = f"Correcting {self._product} wrote nothing: the processor says 'already processed'."
                raise Verdict(Kind.ALREADY, reason).error() from cause
            raise Verdict(Kind.MISSING, f"Correcting {self._product}: {cause}").error() from cause

    def _judged(self) -> Path:
        l2a = l2a_of((path.name for path in self._output.iterdir() if path.is_dir()), self._product)
        folder = self._output / l2a.safe
        sizes = _sizes(folder)
        verdict, images = of_files(sizes, self._resolution, l2a, more=_SEN2CORS_OWN if self._command.takes_gipp else ())
        verdict.enforce()
        tile = _metadata(folder, sizes)
        of_images({name: _image(folder / name) for name in images}, tile.shapes, l2a).enforce()
        return folder


def _sizes(folder: Path) -> dict[str, int]:
    """Path -> bytes of all files; BadProduct where there is anything but files and folders.

    A link would have us upload, or write over, what lies outside of the folder.
    """
    sizes = {}
    for path in (folder, *folder.rglob("*")):
        mode, name = path.lstat().st_mode, path.relative_to(folder).as_posix()
        if S_ISREG(mode):
            sizes[name] = path.lstat().st_size
        elif not S_ISDIR(mode):
            raise BadProduct(f"{folder.name} holds '{shown(name)}', which is no file and no folder.")
    return sizes


def stated(command: Command, work: Path) -> str:
    """Name and version of a processor, as its help text states them: "Sen2Cor 02.12.03".

    ``work`` is a folder for it to work in, made where it is not there. TransientError where it cannot be run.
    """
    work = work.absolute()
    for folder in (work / "tmp", work / "home"):
        folder.mkdir(parents=True, exist_ok=True)
    return _named(command, _version(command, work, lambda: None))


def _named(command: Command, version: str) -> str:
    return f"{command.name} {version or '(version not stated)'}"


def _version(command: Command, work: Path, checkpoint: Callable[[], None]) -> str:
    """The version that the help text states; empty where it states none. TransientError where it cannot be run."""
    arguments, directory = [*command.arguments, "--help"], command.folder or work
    run = Run(arguments, folder=work, directory=directory, variables=_environment(command, work))
    ended = run.to_end(_HELP, on_progress=lambda _: None, checkpoint=checkpoint)
    if ended.code in NOT_RUN:
        raise TransientError(f"'{command.arguments[0]}' cannot be run: {ended.heard.last()}.")
    return ended.heard.version


def _home_of(command: Command, work: Path) -> Path:
    return Path(command.home).absolute() if command.home else work / "home"


def _environment(command: Command, work: Path) -> dict[str, str]:
    """A small environment: no secrets of the app, and no PYTHONPATH or LD_LIBRARY_PATH, which break Sen2Cor."""
    passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    own = {"HOME": str(work / "home"), "TMPDIR": str(work / "tmp"), "PYTHONUNBUFFERED": "1"}
    if command.takes_gipp:
        own["SEN2COR_HOME"] = str(_home_of(command, work))
    return passed_on | own | dict(command.variables)


def _image(path: Path) -> Jp2:
    with path.open("rb") as file:
        return jp2_of(file)


def _metadata(folder: Path, names: Mapping[str, int]) -> TileMetadata:
    """What the tile's metadata says; CorrectionFailed where that or the product's does not parse."""
    tile = next(name for name in names if name.endswith("/MTD_TL.xml"))
    try:
        parse_product_metadata((folder / "MTD_MSIL2A.xml").read_bytes(), f"{folder.name}/MTD_MSIL2A.xml")
        return parse_tile_metadata((folder / tile).read_bytes(), f"{folder.name}/{tile}")
    except BadProduct as cause:
        raise Verdict(Kind.BAD_METADATA, str(cause)).error() from cause


def _format_of(l1c: Path) -> str:
    """The format of a product as the name space of its metadata has it, "14" or "15"; empty where it does not say."""
    try:
        with (l1c / "MTD_MSIL1C.xml").open("rb") as file:
            found = _NAME_SPACE.search(file.read(_BEGINNING))
    except OSError:
        return ""
    return found[1].decode() if found else ""


def _report_lines(folder: Path) -> Iterator[str]:
    """The lines of the log that Sen2Cor leaves in its product; not all it logs is printed."""
    for path in sorted(folder.glob("GRANULE/*/QI_DATA/*report*.xml")):
        with path.open("rb") as file:
            yield from file.read(_MOST_REPORT).decode("utf-8", errors="replace").splitlines()
