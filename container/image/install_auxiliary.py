"""Puts the ESA-CCI maps (land cover, water bodies, snow condition) where Sen2Cor looks for them.

    python -m container.image.install_auxiliary --url ADDRESS --sha256 DIGEST --target FOLDER

The zip is the one that ESA CCI calls the package for Sen2Cor (5 to 6 GB); its users register and download it, so its
address is one of your own. Without an address the target stays empty, and Sen2Cor tells water, land and snow apart by
the spectra alone. Exit 0, or 2 with one sentence; then nothing is left at the target.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from container.image.command import run
from container.image.fetch import Refused, checked, fetch

MAPS = ("ESACCI-LC-L4-LCCS-Map-", "ESACCI-LC-L4-WB-Map-", "ESACCI-LC-L4-Snow-Cond-")  # how the names begin
_MEMBER = re.compile(rf"(?:[^/]+/)?((?:{'|'.join(MAPS)})[\w.-]*(?:/[\w-][\w.-]*)?)", re.ASCII)
_MOST = 32 * 1024**3  # bytes, of the zip and of what is in it
_CHUNK = 1024 * 1024


def install(url: str, sha256: str, target: Path) -> None:
    """Unpack the maps below ``target``; without ``url`` make an empty folder. Refused where it cannot be done."""
    if url:
        checked("AUXILIARY", url, sha256)
    if target.exists():
        raise Refused(f"{target} is there already; the maps get a folder of their own.")
    target.mkdir(parents=True)
    if not url:
        return
    try:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:  # beside the target: /tmp may be too small
            archive = Path(folder) / "maps.zip"
            fetch(url, sha256, archive, most=_MOST)
            unpack(archive, target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def unpack(archive: Path, target: Path) -> None:
    """Unpack the maps of ``archive``, and nothing else of it; Refused where one of the three is missing."""
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > _MOST:
                raise Refused(f"The zip of the maps unpacks to over {_MOST} bytes; that is not what was expected.")
            for entry in entries:
                if (match := _MEMBER.fullmatch(entry.filename)) is None:
                    continue
                file = target / match[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as source, file.open("wb") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK)
    except zipfile.BadZipFile as cause:
        raise Refused(f"The zip of the maps cannot be read: {cause}.") from cause
    if missing := missing_maps(target):
        raise Refused(f"The zip of the maps lacks {', '.join(missing)}.")


def missing_maps(folder: Path) -> list[str]:
    """How the names of those of the three maps begin that are not below ``folder``."""
    return [f"{begin}*" for begin in MAPS if not any(folder.glob(f"{begin}*"))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Install; returns the exit code."""
    return run("container.image.install_auxiliary", install, arguments, optional=True)


if __name__ == "__main__":
    sys.exit(main())
