"""A SAFE folder and a result folder on a local disk, for the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

from shared.errors import BadProduct, BadSetting, NotFound
from shared.models import MANIFEST, RESULT_MANIFEST, Level, ProductName, shown

_LEFT_BEHIND = 3600.0  # seconds; a file is written in a few


class FolderMembers:
    """The files of a local SAFE folder, as `shared.pipeline.surface_ports.Members`."""

    def __init__(self, folder: Path) -> None:
        """Raise BadProduct or BadName with one sentence where ``folder`` is no L2A SAFE folder."""
        self._folder = folder.resolve()
        if not self._folder.is_dir():
            what = "a file, not a folder; unpack it first" if self._folder.is_file() else "not there"
            raise BadProduct(f"{shown(folder)} is {what}; expected the .SAFE folder of an L2A product.")
        if self._folder.suffix != ".SAFE" or not (self._folder / MANIFEST).is_file():
            raise BadProduct(f"{shown(folder)} is no SAFE folder: expected <product>.SAFE with a {MANIFEST} inside.")
        self.product = ProductName.parse(self._folder.name)
        if self.product.level is not Level.L2A:
            raise BadProduct(f"{self.product} is {self.product.level}; classify takes L2A, surface reflectance.")

    def names(self) -> Iterable[str]:
        """Paths of all files relative to the folder, sorted."""
        return sorted(path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if path.is_file())

    def read(self, name: str) -> bytes:
        """One whole file; NotFound where there is none."""
        try:
            return (self._folder / name).read_bytes()
        except OSError as cause:
            raise NotFound(f"{name} of {self.product} cannot be read: {cause.strerror}.") from cause


class ResultFolder:
    """A local folder that holds the results of one product; files appear whole, the manifest last.

    Two runs may write into one folder: each file is whole, and the last of each name stays.
    """

    def __init__(self, folder: Path, owner: object) -> None:
        """``owner`` is what is mapped; BadSetting where ``folder`` cannot be one or holds the results of another."""
        self._folder, self._new = folder, list[str]()
        if folder.exists() and not folder.is_dir():
            raise BadSetting(f"{shown(folder)} is a file; expected a folder for the results.")
        self._old = self._files_of(str(owner))

    def _files_of(self, owner: str) -> tuple[str, ...]:
        """Names that an older manifest of the same owner lists."""
        manifest = self._folder / RESULT_MANIFEST
        if not manifest.exists():
            return ()
        try:
            content = json.loads(manifest.read_bytes())
            found, names = str(content["product"]), [str(file["name"]) for file in content["files"]]
        except (OSError, ValueError, TypeError, KeyError) as cause:
            raise BadSetting(f"{shown(manifest)} is not one of ours; choose another folder.") from cause
        if found != owner:
            raise BadSetting(f"{shown(self._folder)} holds the results of {shown(found)}; choose another folder.")
        return tuple(name for name in names if Path(name).name == name)

    def emit(self, name: str, data: bytes, content_type: str) -> None:  # noqa: ARG002  # a disk keeps no types
        """Write one result file in one step; BadSetting where the disk refuses."""
        try:
            if not self._new:
                self._folder.mkdir(parents=True, exist_ok=True)
                (self._folder / RESULT_MANIFEST).unlink(missing_ok=True)
                self._sweep_partial()
            self._write(name, data)
            self._new.append(name)
            if name == RESULT_MANIFEST:
                self._sweep()
        except OSError as cause:
            raise BadSetting(f"{shown(self._folder / name)} cannot be written: {cause.strerror}.") from cause

    def _write(self, name: str, data: bytes) -> None:
        partial = self._folder / f".{name}.{uuid4().hex}.part"  # of this run alone
        try:
            partial.write_bytes(data)
            partial.replace(self._folder / name)
        except OSError:
            partial.unlink(missing_ok=True)
            raise

    def _sweep_partial(self) -> None:
        """Remove what killed runs left half-written; what is young may be another run's."""
        for partial in self._folder.glob(".*.part"):
            if time.time() - partial.stat().st_mtime > _LEFT_BEHIND:
                partial.unlink(missing_ok=True)

    def _sweep(self) -> None:
        for name in set(self._old) - set(self._new):
            (self._folder / name).unlink(missing_ok=True)
