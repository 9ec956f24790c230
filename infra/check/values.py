"""The expressions of a Bicep file as frozen values, and what can be said about them without running anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """Any expression; ``line`` counts from 1."""

    line: int

    def children(self) -> Iterator[Value]:
        """The expressions directly inside this one."""
        for name in getattr(type(self), "__slots__", ()):
            inside = getattr(self, name)
            if isinstance(inside, Value):
                yield inside
            elif isinstance(inside, tuple):
                yield from (item for item in inside if isinstance(item, Value))


@dataclass(frozen=True, slots=True)
class Text(Value):
    """A string; its parts are texts and interpolated expressions."""

    parts: tuple[str | Value, ...]

    @property
    def plain(self) -> str | None:
        """The text where nothing is interpolated, else None."""
        return "".join(map(str, self.parts)) if all(isinstance(part, str) for part in self.parts) else None


@dataclass(frozen=True, slots=True)
class Number(Value):
    """An integer."""

    number: int


@dataclass(frozen=True, slots=True)
class Truth(Value):
    """true or false."""

    truth: bool


@dataclass(frozen=True, slots=True)
class Nothing(Value):
    """null."""


@dataclass(frozen=True, slots=True)
class Name(Value):
    """A symbol that is used."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Value):
    """``of.name``, or ``of['name']``."""

    of: Value
    name: str


@dataclass(frozen=True, slots=True)
class Index(Value):
    """``of[index]`` with anything but a literal name."""

    of: Value
    index: Value


@dataclass(frozen=True, slots=True)
class Call(Value):
    """``function(arguments)``; a namespace or an object before the dot is ``of``."""

    function: str
    arguments: tuple[Value, ...]
    of: Value | None = None


@dataclass(frozen=True, slots=True)
class Items(Value):
    """An array literal."""

    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Entry(Value):
    """One property of an object literal; ``key`` is None where the name is computed."""

    key: str | None
    computed: Value | None
    value: Value


@dataclass(frozen=True, slots=True)
class Fields(Value):
    """An object literal."""

    entries: tuple[Entry, ...]

    def get(self, key: str) -> Value | None:
        """The value of the property ``key``, None where there is none."""
        return next((entry.value for entry in self.entries if entry.key == key), None)


@dataclass(frozen=True, slots=True)
class Either(Value):
    """``condition ? yes : no``."""

    condition: Value
    yes: Value
    no: Value


@dataclass(frozen=True, slots=True)
class When(Value):
    """``if (condition) body``."""

    condition: Value
    body: Value


@dataclass(frozen=True, slots=True)
class Each(Value):
    """``for names in over: body``."""

    names: tuple[str, ...]
    over: Value
    body: Value


@dataclass(frozen=True, slots=True)
class Lambda(Value):
    """``names => body``."""

    names: tuple[str, ...]
    body: Value


@dataclass(frozen=True, slots=True)
class Other(Value):
    """Operators and whatever else there is."""

    parts: tuple[Value, ...]
    sign: str  # "!", ">"


def entries(value: Value) -> Iterator[tuple[str, Value]]:
    """Every named property anywhere inside ``value``."""
    for inside in every(value):
        if isinstance(inside, Fields):
            yield from ((entry.key, entry.value) for entry in inside.entries if entry.key)


def body_of(value: Value) -> Fields | None:
    """The object literal of a declaration, below its loop and its condition."""
    while isinstance(value, Each | When):
        value = value.body
    return value if isinstance(value, Fields) else None


def used_names(value: Value, bound: frozenset[str] = frozenset()) -> Iterator[Name]:
    """Every symbol that ``value`` uses and does not bind itself."""
    if isinstance(value, Name):
        if value.name not in bound:
            yield value
        return
    if isinstance(value, Each):
        yield from used_names(value.over, bound)
        yield from used_names(value.body, bound | set(value.names))
        return
    if isinstance(value, Lambda):
        yield from used_names(value.body, bound | set(value.names))
        return
    for child in value.children():
        yield from used_names(child, bound)


def every(value: Value) -> Iterator[Value]:
    """``value`` and everything inside it."""
    yield value
    for child in value.children():
        yield from every(child)
