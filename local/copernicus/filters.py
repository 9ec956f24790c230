"""The part of OData's ``$filter`` and ``$orderby`` that Sentinel-2 searches use, parsed into predicates.

    expression  = term { 'or' term }
    term        = factor { 'and' factor }
    factor      = 'not' factor | '(' expression ')' | call | comparison
    call        = ('contains' | 'startswith' | 'endswith') '(' path ',' text ')'
                | 'Attributes/OData.CSC.<Kind>Attribute/any(' name ':' expression ')'
    comparison  = path ('eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge') literal

What does not parse is refused as the catalogue refuses it. Source: Copernicus Data Space Ecosystem documentation,
"OData"; OASIS, "OData Version 4.01 Part 2: URL Conventions".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.copernicus.errors import bad_query

Entry = Mapping[str, Any]  # a product as the catalogue answers it, always with its Attributes
Value = str | float | bool | datetime
Scope = Mapping[str, Any]  # what paths are looked up in: an entry, or one attribute
Predicate = Callable[[Scope], bool]

# Paths of a product that can be compared -> their type.
FIELDS: Mapping[str, type] = {
    "Collection/Name": str,
    "Name": str,
    "Id": str,
    "S3Path": str,
    "Online": bool,
    "ContentLength": float,
    "ContentDate/Start": datetime,
    "ContentDate/End": datetime,
    "OriginDate": datetime,
    "PublicationDate": datetime,
    "ModificationDate": datetime,
    "EvictionDate": datetime,
    "DeletionDate": datetime,
    "DeletionCause": str,
}
_KINDS: Mapping[str, type] = {"String": str, "Double": float, "Integer": float, "DateTimeOffset": datetime}
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")
}
_TEXT_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<time>\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2}))?)
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<path>[A-Za-z_][\w.]*(?:/[A-Za-z_][\w.]*)*)
    | (?P<mark>[():,])
    )""",
    re.VERBOSE,
)
_DEEPEST = 50  # nested parentheses


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, time, number, path, mark or end
    text: str


def parse_filter(text: str) -> Predicate:
    """Read ``$filter``; raise the catalogue's refusal where it does not parse or names an unknown field."""
    return _Parser(_tokens(text)).whole()


def parse_orderby(text: str) -> tuple[Callable[[Entry], Any], bool]:
    """Read ``$orderby`` as a sort key and whether to sort descending; raise the catalogue's refusal."""
    match = re.fullmatch(r"\s*([\w/]+)(?:\s+(asc|desc))?\s*", text)
    if match is None or match[1] not in FIELDS:
        raise bad_query(f"Invalid orderby: {text}")
    path, kind = match[1], FIELDS[match[1]]
    return lambda entry: _converted(_reached(entry, path), kind), match[2] == "desc"


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise bad_query(f"Invalid filter at character {place}: {text[place : place + 20]}")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return [*tokens, _Token("end", "")]


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0
        # The variable of the any() being read and its kind; None outside.
        self._attribute: tuple[str, str] | None = None

    def whole(self) -> Predicate:
        found = self._either()
        if self._next.kind != "end":
            raise bad_query(f"Invalid filter: unexpected '{self._next.text}'")
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += 1
        return token

    def _expect(self, text: str) -> None:
        if (token := self._take()).text != text:
            raise bad_query(f"Invalid filter: expected '{text}', found '{token.text or 'the end'}'")

    def _word(self, text: str) -> bool:
        """Take the keyword ``text`` if it comes next."""
        if self._next == _Token("path", text):
            self._place += 1
            return True
        return False

    def _either(self) -> Predicate:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise bad_query("Invalid filter: nested too deeply")
        parts = [self._both()]
        while self._word("or"):
            parts.append(self._both())
        self._depth -= 1
        return lambda scope: any(part(scope) for part in parts)

    def _both(self) -> Predicate:
        parts = [self._factor()]
        while self._word("and"):
            parts.append(self._factor())
        return lambda scope: all(part(scope) for part in parts)

    def _factor(self) -> Predicate:
        negations = 0
        while self._word("not"):
            negations += 1
        found = self._positive()
        return (lambda scope: not found(scope)) if negations % 2 else found

    def _positive(self) -> Predicate:
        token = self._take()
        if token.text == "(" and token.kind == "mark":
            found = self._either()
            self._expect(")")
            return found
        if token.kind != "path":
            raise bad_query(f"Invalid filter: unexpected '{token.text or 'end'}'")
        if token.text in _TEXT_TESTS and self._next.text == "(":
            return self._text_test(token.text)
        if token.text.endswith("/any") and self._next.text == "(":
            return self._any(token.text.removesuffix("/any"))
        return self._comparison(token.text)

    def _text_test(self, name: str) -> Predicate:
        self._expect("(")
        path = self._take().text
        self._expect(",")
        part = self._literal(str)
        self._expect(")")
        if self._type_of(path) is not str:
            raise bad_query(f"Invalid filter: {name} needs a text, {path} is none")
        return lambda scope: _TEXT_TESTS[name](str(_reached(scope, path)), str(part))

    def _any(self, collection: str) -> Predicate:
        match = re.fullmatch(r"Attributes/OData\.CSC\.(\w+)Attribute", collection)
        if match is None or match[1] not in _KINDS or self._attribute is not None:
            raise bad_query(f"Invalid field: {collection}")
        self._expect("(")
        self._attribute = (self._take().text, match[1])
        self._expect(":")
        inner = self._either()
        self._expect(")")
        self._attribute = None
        kind = f"#OData.CSC.{match[1]}Attribute"
        return lambda entry: any(
            attribute["@odata.type"] == kind and inner(attribute) for attribute in entry["Attributes"]
        )

    def _comparison(self, path: str) -> Predicate:
        kind = self._type_of(path)
        compare = _OPERATORS.get(name := self._take().text)
        if compare is None:
            raise bad_query(f"Invalid filter: '{name}' is no operator")
        wanted = self._literal(kind)
        leaf = path.rsplit("/", maxsplit=1)[-1] if self._attribute else path
        return lambda scope: compare(_converted(_reached(scope, leaf), kind), wanted)

    def _type_of(self, path: str) -> type:
        if self._attribute is None:
            if path not in FIELDS:
                raise bad_query(f"Invalid field: {path}")
            return FIELDS[path]
        variable, kind = self._attribute
        if path == f"{variable}/Name":
            return str
        if path == f"{variable}/OData.CSC.{kind}Attribute/Value":
            return _KINDS[kind]
        raise bad_query(f"Invalid field: {path}")

    def _literal(self, kind: type) -> Value:
        token = self._take()
        if kind is str and token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if kind is float and token.kind == "number":
            return float(token.text)
        if kind is bool and token.text in {"true", "false"}:
            return token.text == "true"
        if kind is datetime and token.kind == "time":
            return _instant(token.text)
        raise bad_query(f"Invalid value: {token.text or 'nothing'}")


def _instant(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise bad_query(f"Invalid value: {text}") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _reached(scope: Scope, path: str) -> Any:
    for step in path.split("/"):
        scope = scope[step]
    return scope


def _converted(value: Any, kind: type) -> Any:
    return _instant(value) if kind is datetime else float(value) if kind is float else value
