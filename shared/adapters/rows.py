"""How the ledger's values become rows of an Azure table and come back: pure functions.

A record's plain fields are columns of the same name; its maps are columns with a prefix (``time_stage``,
``seconds_stage``, ``attempts_stage``, ``percent_LA``, ``km2_LA``), so that the portal can show and filter them.
What is empty or None has no column. Columns that this version does not know are handed along by ``unknown``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from azure.data.tables import EdmType, EntityProperty

from shared.errors import BadName, BadRecord
from shared.models import State, TileMonth, shown
from shared.records import MonthRecord, Record

Row = Mapping[str, Any]

_MOST_TEXT = 16_000  # characters; a column holds 64 KiB of UTF-16, in which one character takes up to 4 bytes
_MOST_KEY = 500  # characters; a key holds 1 KiB of UTF-16
_KEYS = ("PartitionKey", "RowKey")
_FACTS = ("id", "checksum", "baseline", "l2a", "processor", "dem", "results", "model")
_TEXTS = (*_FACTS, "reason", "error", "successor", "note")
_REALS = ("usable_percent", "classified_percent", "albedo_mean", "albedo_sd", "index_mean", "index_sd", "progress")
_PEAKS = ("peak_memory", "peak_disk")  # bytes of the correction
_INSTANTS = ("searched", "checked", "tried", "asked")  # of a tile-month
_COUNTS = ("waiting", "missing", "unfinished", "failed")  # of a tile-month
_NOT_IN_A_KEY = re.compile(r"[%/\\#?\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # Azure refuses these; % marks the replaced


def _instant(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"'{shown(value)}' is no time")
    return datetime.combine(value.date(), value.timetz())  # the SDK's own kind of datetime ends here


def _whole(value: Any) -> int:
    return int(getattr(value, "value", value))  # the SDK wraps 64-bit integers


_MAPS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {  # field -> prefix of its columns, how to read one
    "times": ("time_", _instant),
    "seconds": ("seconds_", float),
    "attempts": ("attempts_", _whole),
    "class_percent": ("percent_", float),
    "class_km2": ("km2_", float),
}
_OURS = re.compile(
    rf"{'|'.join((*_KEYS, *_TEXTS, *_REALS, *_PEAKS))}|progress_at|name|state|bytes|orbit|message(_\d+)?"
)


def key_of(name: str) -> str:
    """``name`` as a table key: forbidden characters percent-encoded; a very long one cut, with a digest at its end."""
    key = _NOT_IN_A_KEY.sub(_encoded, name)
    if len(key.encode("utf-16-le")) <= 2 * _MOST_KEY:
        return key
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{key[: _MOST_KEY // 4]}~{digest}"


def name_of(key: str) -> str:
    """The name that ``key_of`` turned into ``key``, unless it was cut."""
    return unquote(key, errors="surrogatepass")


def _encoded(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def row_of(record: Record) -> dict[str, Any]:
    """The row that holds ``record``; raise BadName where a map has a key that is no column name."""
    row: dict[str, Any] = {"PartitionKey": key_of(record.partition), "RowKey": key_of(record.name)}
    if name_of(row["RowKey"]) != record.name:
        row["name"] = _bounded(record.name)
    row["state"] = record.state.value
    row |= {name: _bounded(text) for name in _TEXTS if (text := getattr(record, name))}
    row |= {name: float(value) for name in _REALS if (value := getattr(record, name)) is not None}
    row |= {"bytes": EntityProperty(record.bytes, EdmType.INT64), "orbit": record.orbit}
    row |= {name: EntityProperty(value, EdmType.INT64) for name in _PEAKS if (value := getattr(record, name))}
    if record.progress_at is not None:
        row["progress_at"] = record.progress_at
    row |= _message_columns(record.message)
    for name, (prefix, _) in _MAPS.items():
        row |= {_column(prefix, key): value for key, value in getattr(record, name).items()}
    return row


def record_of(row: Row) -> Record:
    """The record that ``row`` holds; raise BadRecord where it does not parse."""
    partition, key = str(row["PartitionKey"]), str(row["RowKey"])
    try:
        columns: dict[str, Any] = {name: str(row.get(name, "")) for name in _TEXTS}
        columns |= {name: float(row[name]) for name in _REALS if name in row}
        columns |= {name: _whole(row.get(name, 0)) for name in _PEAKS}
        columns |= {name: _map(row, prefix, read) for name, (prefix, read) in _MAPS.items()}
        return Record(
            partition=name_of(partition),
            name=str(row.get("name") or name_of(key)),
            state=State(row["state"]),
            bytes=_whole(row.get("bytes", 0)),
            orbit=_whole(row.get("orbit", 0)),
            message=_message(row),
            progress_at=_instant(row["progress_at"]) if "progress_at" in row else None,
            **columns,
        )
    except (KeyError, ValueError, TypeError) as cause:
        raise BadRecord(f"The ledger row {shown(partition)}/{shown(key)} does not parse: {shown(cause)}.") from cause


def unknown(row: Row) -> dict[str, Any]:
    """The columns that this version does not know, which a later version has written."""
    prefixes = tuple(prefix for prefix, _ in _MAPS.values())
    return {name: value for name, value in row.items() if not (_OURS.fullmatch(name) or name.startswith(prefixes))}


def row_of_month(record: MonthRecord) -> dict[str, Any]:
    """The row that holds a tile-month."""
    row: dict[str, Any] = {"PartitionKey": record.month.tile.name, "RowKey": record.month.key}
    row |= {"closed": record.closed}
    row |= {name: getattr(record, name) for name in ("found", *_COUNTS)}
    row |= {name: at for name in _INSTANTS if (at := getattr(record, name)) is not None}
    return row | ({"error": _bounded(record.error)} if record.error else {})


def month_of(row: Row) -> MonthRecord:
    """The tile-month that ``row`` holds; raise BadRecord where it does not parse."""
    partition, key = str(row["PartitionKey"]), str(row["RowKey"])
    try:
        columns: dict[str, Any] = {name: _whole(row.get(name, 0)) for name in _COUNTS}
        columns |= {name: _instant(row[name]) for name in _INSTANTS if name in row}
        return MonthRecord(
            month=TileMonth.parse(partition, key),
            found=_whole(row["found"]),
            closed=bool(row["closed"]),
            error=str(row.get("error", "")),
            **({"searched": None} | columns),
        )
    except (KeyError, ValueError, TypeError, BadName) as cause:
        raise BadRecord(f"The ledger row {shown(partition)}/{shown(key)} does not parse: {shown(cause)}.") from cause


def _bounded(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()  # a lone surrogate cannot travel
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…"


def _message_columns(message: str) -> dict[str, str]:
    """A queue message may fill several columns: it is put back as it was, so nothing may be cut off."""
    whole = message.encode("utf-8", "replace").decode()
    parts = [whole[start : start + _MOST_TEXT] for start in range(0, len(whole), _MOST_TEXT)]
    return {f"message_{i}" if i else "message": part for i, part in enumerate(parts)}


def _message(row: Row) -> str:
    names = sorted((name for name in row if re.fullmatch(r"message(_\d+)?", name)), key=lambda n: (len(n), n))
    return "".join(str(row[name]) for name in names)


def _column(prefix: str, key: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,100}", key):
        raise BadName(f"'{shown(key)}' cannot be a column of the ledger; expected letters, digits and underscores.")
    return prefix + key


def _map(row: Row, prefix: str, read: Callable[[Any], Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): read(value) for name, value in row.items() if name.startswith(prefix)}
