"""Nodes of the syntax tree of tree-sitter-bicep, turned into values."""

from __future__ import annotations

from collections.abc import Callable

from tree_sitter import Node

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


def text_of(node: Node) -> str:
    """The source of the node."""
    return (node.text or b"").decode()


def expression(node: Node) -> Value:
    """The value that ``node`` stands for."""
    line, parts = node.start_point.row + 1, [child for child in node.named_children if child.type != "comment"]
    make = _MAKE.get(node.type)
    if make is not None:
        return make(line, parts, node)
    sign = "".join(text_of(child) for child in node.children if not child.is_named)
    return Other(line, tuple(expression(part) for part in parts), sign)


def _part(node: Node) -> str | Value:
    if node.type == "interpolation":
        return expression(node.named_children[0])
    if node.type == "escape_sequence":
        return {"\\n": "\n", "\\r": "\r", "\\t": "\t"}.get(text_of(node), text_of(node)[1:])
    return text_of(node)


def _index(line: int, of: Value, index: Value) -> Value:
    if isinstance(index, Text) and index.plain is not None:
        return Member(line, of, index.plain)
    return Index(line, of, index)


def _call(line: int, parts: list[Node]) -> Value:
    called, arguments = expression(parts[0]), parts[-1]
    given = tuple(expression(part) for part in arguments.named_children if part.type != "comment")
    if isinstance(called, Member):
        return Call(line, called.name, given, called.of)
    return Call(line, called.name if isinstance(called, Name) else "", given)


def _entry(node: Node) -> Entry:
    key, value = node.named_children[0], expression(node.named_children[-1])
    line = node.start_point.row + 1
    if key.type == "string":
        name = expression(key)
        plain = name.plain if isinstance(name, Text) else None
        return Entry(line, plain, None if plain is not None else name, value)
    return Entry(line, text_of(key), None, value)


def _each(line: int, parts: list[Node]) -> Value:
    return Each(line, tuple(_names(parts[0])), expression(parts[1]), expression(parts[-1]))


def _names(node: Node) -> list[str]:
    if node.type == "identifier" or not node.named_children:
        return [text_of(node)]
    return [name for child in node.named_children for name in _names(child)]


_MAKE: dict[str, Callable[[int, list[Node], Node], Value]] = {
    "string": lambda line, parts, _: Text(line, tuple(_part(part) for part in parts)),
    "number": lambda line, _, node: Number(line, int(text_of(node))),
    "boolean": lambda line, _, node: Truth(line, text_of(node) == "true"),
    "null": lambda line, *_: Nothing(line),
    "identifier": lambda line, _, node: Name(line, text_of(node)),
    "parenthesized_expression": lambda _, parts, __: expression(parts[0]),
    "member_expression": lambda line, parts, _: Member(line, expression(parts[0]), text_of(parts[-1])),
    "subscript_expression": lambda line, parts, _: _index(line, expression(parts[0]), expression(parts[1])),
    "call_expression": lambda line, parts, _: _call(line, parts),
    "array": lambda line, parts, _: Items(line, tuple(expression(part) for part in parts)),
    "object": lambda line, parts, _: Fields(line, tuple(_entry(p) for p in parts if p.type == "object_property")),
    "ternary_expression": lambda line, parts, _: Either(line, *(expression(part) for part in parts[:3])),
    "if_statement": lambda line, parts, _: When(line, expression(parts[0]), expression(parts[1])),
    "for_statement": lambda line, parts, _: _each(line, parts),
    "lambda_expression": lambda line, parts, _: Lambda(
        line, tuple(name for part in parts[:-1] for name in _names(part)), expression(parts[-1])
    ),
}
