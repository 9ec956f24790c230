"""An expression as one line of text, the same however it is laid out: what a table of promises can say."""

from __future__ import annotations

from infra.check.values import (
    Call,
    Each,
    Either,
    Entry,
    Fields,
    Index,
    Items,
    Lambda,
    Member,
    Name,
    Nothing,
    Number,
    Other,
    Text,
    Truth,
    Value,
    When,
)


def spelled(value: Value | None) -> str:
    """``value`` as Bicep writes it on one line; empty where there is none."""
    match value:
        case None:
            text = ""
        case Text():
            text = "'" + "".join(p if isinstance(p, str) else f"${{{spelled(p)}}}" for p in value.parts) + "'"
        case Number():
            text = str(value.number)
        case Truth():
            text = str(value.truth).lower()
        case Nothing():
            text = "null"
        case Name():
            text = value.name
        case Items():
            text = f"[{_joined(value.values)}]"
        case Fields():
            text = f"{{ {_joined(value.entries)} }}"
        case Entry():
            text = f"{value.key or spelled(value.computed)}: {spelled(value.value)}"
        case _:
            text = _computed(value)
    return text


def _computed(value: Value) -> str:
    match value:
        case Member():
            text = f"{spelled(value.of)}.{value.name}"
        case Index():
            text = f"{spelled(value.of)}[{spelled(value.index)}]"
        case Call():
            text = f"{spelled(value.of)}{'.' if value.of else ''}{value.function}({_joined(value.arguments)})"
        case Either():
            text = f"{spelled(value.condition)} ? {spelled(value.yes)} : {spelled(value.no)}"
        case When():
            text = f"if ({spelled(value.condition)}) {spelled(value.body)}"
        case Each():
            text = f"for {', '.join(value.names)} in {spelled(value.over)}: {spelled(value.body)}"
        case Lambda():
            text = f"{', '.join(value.names)} => {spelled(value.body)}"
        case Other(parts=(one,)):
            text = f"{value.sign}{spelled(one)}"
        case Other():
            text = f" {value.sign} ".join(map(spelled, value.parts))
        case _:
            raise TypeError(f"{type(value).__name__} is no expression.")
    return text


def _joined(values: tuple[Value, ...]) -> str:
    return ", ".join(map(spelled, values))
