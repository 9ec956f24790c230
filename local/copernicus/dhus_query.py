"""The part of DHuS' query language that Sentinel-2 searches use: terms side by side, all of which must hold.

term = key ':' ( '"' text '"' | pattern with '*' | '[' bound 'TO' bound ']' )        bound = '"' text '"' | '*'

Both bounds belong to a range. Source: DHuS user guide, "Full Text Search".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from local.copernicus.errors import Refusal

_TERM = re.compile(
    r'\s*(?P<key>[A-Za-z]+):(?:"(?P<text>[^"]*)"|\[(?P<low>\S+) TO (?P<high>\S+)\]|(?P<pattern>[\w*?.-]+))(?=\s|$)'
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index knows about one product, by key in lower case."""

    texts: Mapping[str, str]
    times: Mapping[str, datetime]
    numbers: Mapping[str, float]


Test = Callable[[Indexed], bool]


def parse_query(text: str) -> Test:
    """Read the parameter ``q``; raise the hub's refusal where it does not parse or names an unknown key."""
    tests: list[Test] = []
    place = 0
    while place < len(text.rstrip()):
        match = _TERM.match(text, place)
        if match is None:
            raise _bad(text)
        tests.append(_test(match))
        place = match.end()
    if not tests:
        raise _bad(text)
    return lambda product: all(test(product) for test in tests)


def _test(match: re.Match[str]) -> Test:
    key = match["key"].lower()
    if (exact := match["text"]) is not None:
        return lambda product: _text(product, key) == exact
    if (pattern := match["pattern"]) is not None:
        return lambda product: fnmatchcase(_text(product, key), pattern)
    low, high = _bound(match["low"]), _bound(match["high"])
    return lambda product: _within(product, key, low, high)


def _text(product: Indexed, key: str) -> str:
    if key not in product.texts:
        raise _bad(key)
    return product.texts[key]


def _within(product: Indexed, key: str, low: str | None, high: str | None) -> bool:
    if key in product.times:
        at = product.times[key]
        return (low is None or datetime.fromisoformat(low) <= at) and (
            high is None or at <= datetime.fromisoformat(high)
        )
    if key in product.numbers:
        number = product.numbers[key]
        return (low is None or float(low) <= number) and (high is None or number <= float(high))
    raise _bad(key)


def _bound(text: str) -> str | None:
    return None if text == "*" else text.strip('"')


def _bad(text: str) -> Refusal:
    return Refusal(500, f"<html><body><h1>HTTP Status 500</h1>Cannot parse '{text}'</body></html>")
