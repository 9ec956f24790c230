"""How pages say things: states with their marks, instants, durations, sizes, and the addresses of views."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from shared.models import State
from shared.records import REFUSED, Record

NOTHING = "–"  # shown where a value is unknown


@dataclass(frozen=True, slots=True)
class Mark:
    """How a state is shown: never by colour alone."""

    letter: str  # one sign
    word: str
    meaning: str  # for the legend
    css: str  # class that gives colour and shape


EXPECTED = Mark("?", "expected", "by its orbit, and not found", "expected")
MARKS: dict[State, Mark] = {
    State.CLASSIFIED: Mark("C", "classified", "map and numbers are there", "classified"),
    State.REJECTED: Mark("R", "rejected", "too little of the ice is visible", "rejected"),
    State.FAILED: Mark("F", "failed", "somebody has to look", "failed"),
    State.SKIPPED: Mark("S", "skipped", "superseded, or taken off", "skipped"),
    State.OFFLINE: Mark("O", "offline", "waits in the provider's archive", "offline"),
    State.DISCOVERED: Mark("1", "found", "waits to be staged", "moving"),
    State.STAGED: Mark("2", "staged", "waits to be corrected", "moving"),
    State.CORRECTED: Mark("3", "corrected", "waits to be classified", "moving"),
}

_YEAR = 365.25 * 86400  # seconds
_YEARS = 1.5 * _YEAR  # from here on days say less than years

_MOMENTS = {
    "sensing": "Sensed by the satellite",
    "published": "Published by the provider",
    "discover": "Found in the catalogue",
    "drop": "Dropped into the inbox",
    "stage": "Staged",
    "waits": "Waited for a download",
    "retrieve": "Asked back from the archive",
    "begun": "Correction begun",
    "correct": "Corrected",
    "classify": "Classified",
    "retry": "Put back by order",
    "cancel": "Taken off by order",
    "reclassify": "Asked to be classified again",
    "deleted": "Deleted by the provider",
    "refused": "Refused",
    "accepted": "Accepted again",
    "watch": "Found stuck and sent again",
}


_ENDED = {  # how a step is called that did not end as it should
    "stage": "Staging",
    "correct": "Correction",
    "classify": "Classification",
    "discover": "Search of the catalogue",
}


def moment(step: str, outcome: State | None = None) -> str:
    """What happened at the time that a record keeps under ``step``; ``outcome`` where it ended otherwise."""
    if outcome is State.FAILED and step == "watch":
        return "Found stuck and given up"
    if outcome is None or step not in _ENDED:
        return _MOMENTS.get(step, step)
    return f"{_ENDED[step]} {MARKS[outcome].word}"


def instant(at: datetime | None) -> str:
    """``2021-07-02 15:09``; every page says once that times are UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at else NOTHING


def span(time: timedelta | float | None) -> str:
    """A duration in its two largest units: ``3 d 4 h``, ``12 min 5 s``, ``0.4 s``."""
    if time is None:
        return NOTHING
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(round(seconds), length)
        if count or parts:
            parts.append(f"{count} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 "))


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, in one unit: ``4 d ago``."""
    if at is None:
        return "never"
    seconds = (now - at).total_seconds()
    if seconds >= _YEARS:
        return f"{seconds / _YEAR:.0f} years ago"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return "just now"


def size(count: float) -> str:
    """Bytes in decimal units: ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(value: float | None, digits: int = 1) -> str:
    """A number with so many digits after the point, a dash where it is unknown."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def address_of(record: Record) -> str:
    """The page of a product or of a refused thing."""
    if record.partition == REFUSED:
        return "/refused?" + urlencode({"name": record.name})
    return "/products/" + quote(record.name, safe="")


def area(km2: float | None) -> str:
    """An area in the unit that fits: ``12.30 km²``, of an orthomosaic ``35.4 m²``."""
    if km2 is None or km2 >= 0.01 or km2 == 0:
        return NOTHING if km2 is None else f"{km2:.2f} km²"
    return f"{km2 * 1e6:.1f} m²"


def title_of(record: Record) -> str:
    """What a product is called in headings: tile and day; a refused thing by its name."""
    sensing = record.times.get("sensing")
    return f"{record.partition}, {sensing:%Y-%m-%d}" if sensing and record.partition != REFUSED else record.name
