"""Decides whether a run of ``L2A_Process`` left a usable product: from what was heard, how it ended, what lies there.

Sen2Cor's exit code alone says little: "already processed" ends with 0, and so does a run with an empty IMG_DATA.
Success is exit code 0, the success sentence, and every expected file present and readable.
"""

from __future__ import annotations

import re
import struct
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from shared.errors import BadName, BadProduct, CorrectionFailed, TransientError
from shared.models import MANIFEST, Level, ProductName, shown
from shared.safe import l2a_files

_PROGRESS = re.compile(r"Progress\[%\]:\s*([0-9]{1,3}(?:\.[0-9]+)?)\s*:")
_VERSION = re.compile(r"(?:Version:|approximate correction)\s+([0-9]+(?:\.[0-9]+)*)", re.IGNORECASE)
_SUCCESS = "terminated successfully"
_ALREADY = "already processed"
_FAULT = re.compile(r"\berror\b|\bexception\b", re.IGNORECASE)
_GENERAL_FAULT = "terminated with at least one error"  # true, but says nothing
_NO_MEMORY = ("MemoryError", "Cannot allocate memory", "out of memory", "Unable to allocate")
_NO_DISK = ("No space left on device", "Disk quota exceeded", "[Errno 28]")
_SIGKILL = 9
_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"  # ISO/IEC 15444-1 annex I: the first box of every JP2
_END_OF_CODESTREAM = b"\xff\xd9"


class Kind(StrEnum):
    """How a run ended."""

    SUCCESS = "success"
    HUNG = "hung"
    OUT_OF_MEMORY = "out of memory"
    DISK_FULL = "disk full"
    CRASHED = "crashed"
    ALREADY = "already processed"
    ERROR = "error"
    MISSING = "missing outputs"
    UNREADABLE = "unreadable outputs"


# Another try may have more room, on another machine; everything else would end the same way again.
TRANSIENT = frozenset({Kind.OUT_OF_MEMORY, Kind.DISK_FULL})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The kind of ending, with a sentence for people."""

    kind: Kind
    reason: str = ""  # empty on success

    def enforce(self) -> None:
        """Return on success; raise TransientError where another try may help, else CorrectionFailed."""
        if self.kind is Kind.SUCCESS:
            return
        if self.kind in TRANSIENT:
            raise TransientError(self.reason)
        raise CorrectionFailed(self.reason)


@dataclass(slots=True)
class Heard:
    """What the processor has said so far; grows by ``hear``, keeps the last lines only."""

    percent: float = 0.0
    version: str = ""  # the first that it states
    succeeded: bool = False
    already: bool = False
    fault: str = ""  # the last line that speaks of an error
    no_memory: bool = False
    no_disk: bool = False
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    def hear(self, line: str) -> None:
        """Take in one line of output."""
        line = shown(line.strip(), 300)
        if not line:
            return
        before = self.tail[-1] if self.tail else ""
        self.tail.append(line)
        if not self.version and (stated := _VERSION.search(f"{before} {line}")) is not None:  # it may be wrapped
            self.version = stated[1]
        if (match := _PROGRESS.search(line)) is not None:
            self.percent = min(float(match[1]), 100.0)
        self.succeeded |= _SUCCESS in line
        self.already |= _ALREADY in line
        self.no_memory |= any(sign in line for sign in _NO_MEMORY)
        self.no_disk |= any(sign in line for sign in _NO_DISK)
        if _FAULT.search(line) and _GENERAL_FAULT not in line:
            self.fault = line

    def last(self) -> str:
        """The line that best says what went wrong."""
        if self.fault:
            return self.fault
        words = [line for line in self.tail if not _PROGRESS.search(line)] or [*self.tail]
        return words[-1] if words else "it said nothing"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int  # exit code; negative: the signal that ended it
    seconds: float
    timed_out: bool  # ended by us because the time was up
    heard: Heard
    killed_for_memory: bool = False  # the kernel says that it ended processes of this group for memory

    @property
    def signal(self) -> int:
        """The signal that ended it, 0 for none; a shell between reports 128 + signal."""
        if self.code < 0:
            return -self.code
        return self.code - 128 if 128 < self.code < 160 else 0


def of_process(ended: Ended, product: ProductName) -> Verdict:
    """Judge the process alone; SUCCESS means that its outputs are worth a look."""
    heard, ok, at = ended.heard, ended.code == 0, f"at {ended.heard.percent:.0f} %"
    killed = heard.no_memory or ended.killed_for_memory or ended.signal == _SIGKILL
    endings = (  # the first that holds
        (ended.timed_out, Kind.HUNG, f"was stopped {at} after {ended.seconds:.0f} s, the time limit."),
        (ok and heard.already, Kind.ALREADY, "wrote nothing: the processor says 'already processed'."),
        (ok and heard.succeeded, Kind.SUCCESS, ""),
        (heard.no_disk, Kind.DISK_FULL, f"ended {at}: the disk was full."),
        (killed, Kind.OUT_OF_MEMORY, f"was killed {at}: most likely memory ran out."),
        (ended.signal > 0, Kind.CRASHED, f"crashed {at} with signal {ended.signal}: {heard.last()}"),
        (ok, Kind.ERROR, f"ended with exit code 0 but without the success sentence: {heard.last()}"),
        (True, Kind.ERROR, f"ended {at} with exit code {ended.code}: {heard.last()}"),
    )
    kind, what = next((kind, what) for holds, kind, what in endings if holds)
    return Verdict(kind, f"Correcting {product} {what}" if what else "")


def l2a_of(names: Iterable[str], l1c: ProductName) -> ProductName:
    """The one L2A product of ``l1c`` among folder names; BadProduct where there is none, or more than one.

    The baseline (N9999 marks local processing) and the processing time are new, so they may be anything.
    """
    found = []
    for name in names:
        try:
            product = ProductName.parse(name)
        except BadName:
            continue
        if name == product.safe and product.level is Level.L2A and product.acquisition == l1c.acquisition:
            found.append(product)
    if len(found) != 1:
        told = ", ".join(str(product) for product in sorted(found)) or "none"
        raise BadProduct(f"Correcting {l1c} should leave one L2A folder; it left {told}.")
    return found[0]


def of_files(sizes: Mapping[str, int], resolution: int, product: ProductName) -> tuple[Verdict, Sequence[str]]:
    """Judge the members of an L2A folder (path -> bytes), and name the images to look into."""
    try:
        files = l2a_files(sizes, resolution, str(product))
    except BadProduct as error:
        return Verdict(Kind.MISSING, str(error)), ()
    if MANIFEST not in sizes:
        return Verdict(Kind.MISSING, f"{product} is incomplete: {MANIFEST} missing."), ()
    images = [*files.bands.values(), files.scl, files.cloud_probability]
    if empty := [name for name in (*images, files.product_metadata, files.tile_metadata, MANIFEST) if not sizes[name]]:
        return Verdict(Kind.MISSING, f"{product} holds empty files: {', '.join(empty)}."), ()
    return Verdict(Kind.SUCCESS), images


def jp2_fault(file: BinaryIO) -> str:
    """What is wrong with a JPEG 2000 file, as the end of a sentence; "" where it is whole.

    Reads the box headers and the last two bytes of the code stream only (ISO/IEC 15444-1 annex I).
    """
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return "is no JPEG 2000 file"
    position = 0
    while position + 8 <= size:
        file.seek(position)
        header = file.read(16)
        length, kind = struct.unpack(">I4s", header[:8])
        if length == 1:  # the true length follows
            length = max(int.from_bytes(header[8:], "big"), 1)
        end = position + length if length else size  # 0: to the end of the file
        if end > size or end < position + 8:
            return f"is cut short after {size} bytes"
        if kind == b"jp2c":
            file.seek(end - 2)
            return "" if file.read(2) == _END_OF_CODESTREAM else "has a code stream without an end"
        position = end
    return "holds no code stream"
