"""What failed, grouped by reason: sentences that differ in their values only belong together."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from shared.models import State
from shared.records import Record

_VALUES = (  # what differs between two sentences of the same kind, the widest first
    re.compile(r"S2[A-Z]_[A-Z0-9_]{20,}(\.SAFE)?(\.zip)?(/\S+)?"),
    re.compile(r"[\w./-]+\.(jp2|xml|tif|zip|json|safe|skops|SAFE)\b"),
    re.compile(r"'[^']*'|\"[^\"]*\""),
    re.compile(r"\b[0-9a-f]{8,}…?|\b[0-9a-f]{8}-[0-9a-f-]{27}\b"),
    re.compile(r"\b(T?[0-9]{2}[C-X][A-Z]{2})\b"),
    re.compile(r"\bB(0[1-9]|1[0-2]|8A)\b"),
    re.compile(
        r"(?<![A-Za-z0-9_])(?<![A-Za-z]-)[0-9]+([.,:Tx-][0-9]+)*Z?(?![A-Za-z0-9_])"
    ),  # not the 2 of L2A, Sentinel-2
)
_STEPS = ("stage", "correct", "classify", "watch", "discover", "refused")


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of one kind."""

    key: str  # 12 hexadecimal digits that name the kind, the same on every machine
    reason: str  # the sentence with "…" for its values
    step: str  # that most of them failed in; "" where no row says
    records: tuple[Record, ...]


_MOST = 1000  # characters of a reason that tell its kind; looking for values takes the square of the time


def pattern(reason: str) -> str:
    """``reason`` without its values."""
    reason = reason[:_MOST]
    for values in _VALUES:
        reason = values.sub("…", reason)
    return re.sub(r"…([\s,;:/x]*…)+", "…", reason).strip().replace("….", "…")  # one end of a sentence is enough


def key(reason: str) -> str:
    """What names the kind of ``reason``."""
    return hashlib.sha256(pattern(reason).encode("utf-8", "replace")).hexdigest()[:12]


def failures(records: Iterable[Record]) -> list[Failures]:
    """The kinds of failures among ``records``, the most frequent first; records in the order given."""
    kinds: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if record.state is State.FAILED:
            kinds[pattern(record.reason)].append(record)
    found = [Failures(key(reason), reason, _step(rows), tuple(rows)) for reason, rows in kinds.items()]
    return sorted(found, key=lambda kind: (-len(kind.records), kind.reason))


def failed_in(record: Record) -> str:
    """The step in which ``record`` failed: the last one that its row has a time of; "" where it has none."""
    times = {step: at for step in _STEPS if (at := record.times.get(step))}
    return max(times, key=lambda step: times[step], default="")


def _step(records: list[Record]) -> str:
    steps = [failed_in(record) for record in records]
    return max(sorted(set(steps)), key=steps.count)
