"""What ``L2A_Process`` says while it runs: progress, version, and the sentences that tell how it went.

Sources: Sen2Cor's own help text and log lines as people quote them (STEP forum; issues of sen2r, sen2like and pyeo).
"""

from __future__ import annotations

import re
import time
from collections import deque
from dataclasses import dataclass, field

from shared.models import shown

_PROGRESS = re.compile(r"Progress\[%\]:\s*([0-9]{1,3}(?:\.[0-9]+)?)\s*:")
_VERSION = re.compile(r"(?:Version:|approximate correction)\s+([0-9]+(?:\.[0-9]+)*)", re.IGNORECASE)
_FORMAT = r"([0-9]{1,2}(?:\.[0-9]{1,2})?)"
_SUPPORTS = re.compile(rf"supporting Level-1C product version:?\s*(<=\s*)?{_FORMAT}(?:\s*-\s*{_FORMAT})?")
_HAS = re.compile(rf"\bProduct version:\s*{_FORMAT}")
_REFUSES = re.compile(
    r"\b(?:version|format|baseline|schema|PSD)\b[^.:]{0,60}?(?:[0-9.]+ )?\b(?:is )?(?:not|un)[ -]?supported"
    r"|\bunsupported (?:[a-z0-9-]+ ){0,3}(?:version|format|baseline|schema|PSD)\b",
    re.IGNORECASE,
)
_FLAT = re.compile(r"\bflat (?:terrain|surface)\b|\bno DEM\b|\bwithout (?:a )?DEM\b", re.IGNORECASE)
_DEM_FAULT = re.compile(
    r"\bDEM\b.{0,80}\b(?:error|fail\w*|not (?:found|available)|cannot|could not|missing)\b"
    r"|\b(?:error|fail\w*|cannot|could not)\b.{0,80}\bDEM\b",
    re.IGNORECASE,
)
_SUCCESS = "terminated successfully"
_ALREADY = "already processed"
_FAULT = re.compile(r"\berror\b|\bexception\b|\bcritical\b|\bfatal\b", re.IGNORECASE)
_GENERAL_FAULT = "terminated with at least one error"  # true, but says nothing
_NO_MEMORY = ("MemoryError", "Cannot allocate memory", "out of memory", "Unable to allocate")
_NO_DISK = ("No space left on device", "Disk quota exceeded", "[Errno 28]")


def says_flat(line: str) -> bool:
    """True where a line of a log says that no elevation was used."""
    return _FLAT.search(line) is not None


@dataclass(slots=True)
class Heard:
    """What the processor has said so far; grows by ``hear``, keeps the last lines only."""

    percent: float = 0.0
    version: str = ""  # the first that it states
    succeeded: bool = False
    already: bool = False
    fault: str = ""  # the last line that speaks of an error
    refusal: str = ""  # the first line that says that it does not read this format of product
    flat: bool = False  # it took the ground for flat
    dem_fault: bool = False  # it complained about elevation
    no_memory: bool = False
    no_disk: bool = False
    at: float = field(default_factory=time.monotonic)  # when it last said anything
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    _reads: str = ""  # the formats it says it reads: "14.2 - 15.0"
    _lowest: tuple[int, ...] = ()
    _highest: tuple[int, ...] = ()

    def hear(self, line: str) -> None:
        """Take in one line of output."""
        self.at = time.monotonic()
        line = shown(line.strip(), 300)
        if not line:
            return
        self._hear_versions(f"{self.tail[-1] if self.tail else ''} {line}", line)
        self.tail.append(line)
        general = _GENERAL_FAULT in line  # says 100 %, however far it came
        if (match := _PROGRESS.search(line)) is not None and not general:
            self.percent = min(float(match[1]), 100.0)
        self.succeeded |= _SUCCESS in line
        self.already |= _ALREADY in line
        self.flat |= says_flat(line)
        self.dem_fault |= _DEM_FAULT.search(line) is not None
        self.no_memory |= any(sign in line for sign in _NO_MEMORY)
        self.no_disk |= any(sign in line for sign in _NO_DISK)
        if not self.refusal and _REFUSES.search(line) is not None:
            self.refusal = line
        if _FAULT.search(line) and not general:
            self.fault = line

    def _hear_versions(self, both: str, line: str) -> None:
        """``both`` are the last line and this one: the help text wraps where it likes."""
        if not self.version and (stated := _VERSION.search(both)) is not None:
            self.version = stated[1]
        if not self._highest and (range_ := _SUPPORTS.search(both)) is not None:
            at_most, first, last = range_.groups()
            self._lowest = () if at_most else _numbers(first)
            self._highest = _numbers(last or first)
            self._reads = f"up to {first}" if at_most else f"{first} to {last}" if last else first
        if (has := _HAS.search(line)) is not None:
            self.compare(has[1])

    def compare(self, form: str) -> None:
        """Note a refusal where the product's format, "15.0" or only "15", is none of those it says it reads."""
        if self.refusal or not self._highest:
            return
        own = _numbers(form)
        if own < self._lowest[: len(own)] or own[: len(self._highest)] > self._highest[: len(own)]:
            self.refusal = f"it reads product formats {self._reads}, and this one is {form}"

    def last(self) -> str:
        """The line that best says what went wrong."""
        if self.fault:
            return self.fault
        words = [line for line in self.tail if not _PROGRESS.search(line)] or [*self.tail]
        return words[-1] if words else "it said nothing"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
