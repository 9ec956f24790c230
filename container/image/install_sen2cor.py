"""Installs ESA's Sen2Cor while the image is built.

    python -m container.image.install_sen2cor --url ADDRESS --sha256 DIGEST --target /opt/sen2cor

ESA's installer is a shell script with an archive behind it. It is run only when its SHA-256 is the one stated: then
these are the bytes that were looked at before. Exit 0, or 2 with one sentence; then nothing is left at the target.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from container.image.command import run
from container.image.fetch import Refused, checked, fetch

_MOST = 4 * 1024**3  # bytes of the installer; 02.12.03 has a few hundred million
_MINUTES = 30
_LINES = 5  # of the installer's last words that are shown


def install(url: str, sha256: str, target: Path) -> None:
    """Install below ``target``, which must not exist yet; Refused where it cannot be done."""
    checked("SEN2COR", url, sha256)
    if target.exists():
        raise Refused(f"{target} is there already; Sen2Cor is installed into a folder of its own.")
    with tempfile.TemporaryDirectory() as folder:
        installer = Path(folder) / "Sen2Cor.run"
        fetch(url, sha256, installer, most=_MOST)
        try:
            _run(installer, target, Path(folder))
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise


def _run(installer: Path, target: Path, home: Path) -> None:
    """Run the installer; what it writes into the home folder is not kept, as each run brings its own settings."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["bash", str(installer), "--target", str(target), "--nox11"],  # noqa: S607  # the base image's bash
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_MINUTES * 60,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as cause:
        raise Refused(f"The installer of Sen2Cor did not end within {_MINUTES} minutes.") from cause
    said = " / ".join(done.stdout.split("\n")[-_LINES - 1 :]).strip(" /") or "nothing"
    if done.returncode != 0:
        raise Refused(f"The installer of Sen2Cor ended with exit code {done.returncode}; it said: {said}.")
    if not os.access(target / "bin" / "L2A_Process", os.X_OK):
        raise Refused(f"The installer of Sen2Cor left no {target}/bin/L2A_Process; it said: {said}.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Install; returns the exit code."""
    return run("container.image.install_sen2cor", install, arguments)


if __name__ == "__main__":
    sys.exit(main())
