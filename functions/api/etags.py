"""Lists of entity tags, as If-Match and If-None-Match carry them (RFC 9110, 8.8.3 and 13.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")


@dataclass(frozen=True, slots=True)
class Tags:
    """What such a header names."""

    any: bool  # "*": whatever there is
    tags: frozenset[str]  # as they stand there: in double quotes, weak ones with W/ before

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read ``*`` or a list of tags, in which elements may be empty (5.6.1.2); None where it is neither."""
        if text.strip() == "*":
            return cls(any=True, tags=frozenset())
        return cls(any=False, tags=frozenset(re.findall(_TAG, text))) if _LIST.fullmatch(text) else None

    def holds(self, etag: str | None) -> bool:
        """Whether it names the version with ``etag`` (None: there is none), byte for byte: for If-Match."""
        return etag is not None and (self.any or (etag in self.tags and not etag.startswith("W/")))

    def holds_weakly(self, etag: str | None) -> bool:
        """The same for If-None-Match, for which a weak tag is as good: who compresses on the way weakens tags."""
        return etag is not None and (self.any or _opaque(etag) in map(_opaque, self.tags))


def _opaque(tag: str) -> str:
    return tag.removeprefix("W/")
