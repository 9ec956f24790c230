"""Ways in which the simulated Copernicus misbehaves, one small value each.

A fault says which kind of request it falls on, and is asked at three moments of it; a new one is a new class.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import anyio

from local.copernicus.errors import Refusal, download_refusal


class Kind(StrEnum):
    """The requests that can go wrong."""

    LOGIN = "login"
    SEARCH = "search"
    DOWNLOAD = "download"
    RETRIEVAL = "retrieval"  # of an offline product; only DHuS knows it


Entry = dict[str, Any]  # as the catalogue answers it


class Fault(Protocol):
    """Something that goes wrong with requests of one kind."""

    @property
    def kind(self) -> Kind:
        """The requests it falls on."""

    def before(self) -> None:
        """Raise a Refusal to answer with instead."""

    def listed(self, entries: list[Entry]) -> list[Entry]:
        """What the catalogue claims where ``entries`` is right; it may change them."""

    def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
        """The bytes of a download of ``size`` bytes."""


class Harmless:
    """Does nothing at any moment; faults override what they need."""

    def before(self) -> None:
        """Let the request pass."""

    def listed(self, entries: list[Entry]) -> list[Entry]:
        """Tell the truth."""
        return entries

    def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:  # noqa: ARG002 - faults cut
        """Send it all."""
        return chunks


def _nothing() -> None:
    """What happens besides, unless told."""


@dataclass(frozen=True, slots=True)
class TooManyRequests(Harmless):
    """429, with the body that the download service sends when too many sessions are open."""

    kind: Kind = Kind.DOWNLOAD
    retry_after: str = ""  # the header: seconds, or a date; empty: none

    def before(self) -> None:
        """Refuse."""
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        raise download_refusal(429, "DAT-ZIP-100", "Max session number exceeded", headers)


@dataclass(frozen=True, slots=True)
class Unavailable(Harmless):
    """503 or another trouble of the server, as a gateway sends it; injected several times, a burst."""

    kind: Kind = Kind.SEARCH
    status: int = 503

    def before(self) -> None:
        """Refuse."""
        raise Refusal(self.status, {"message": "no healthy upstream"})


@dataclass(frozen=True, slots=True)
class Forbidden(Harmless):
    """403: a permission is missing, or the quota is used up."""

    kind: Kind = Kind.DOWNLOAD

    def before(self) -> None:
        """Refuse."""
        raise download_refusal(403, "DAT-ZIP-403", "Forbidden")


@dataclass(frozen=True, slots=True)
class Redirect(Harmless):
    """The request is sent on to another address."""

    to: str
    kind: Kind = Kind.DOWNLOAD

    def before(self) -> None:
        """Send on."""
        raise Refusal(302, {}, {"Location": self.to})


@dataclass(frozen=True, slots=True)
class Meanwhile(Harmless):
    """Something happens just before the request is answered: a product appears, disappears, changes."""

    action: Callable[[], object]
    kind: Kind = Kind.SEARCH

    def before(self) -> None:
        """Let it happen."""
        self.action()


@dataclass(frozen=True, slots=True)
class Truncate(Harmless):
    """A download that ends early: the announced length stays, the connection closes before."""

    share: float = 0.5  # of the bytes that arrive
    kind: Kind = Kind.DOWNLOAD
    # What happens besides: with expire_tokens, the token ended on the way. No part of the value's name, as a function's
    # name is another in every process, and a test's case must be named the same in all of them.
    then: Callable[[], object] = field(default=_nothing, repr=False)

    async def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
        """Send the first bytes, then nothing."""
        left = int(size * self.share)
        async for chunk in chunks:
            if left:
                yield chunk[:left]
            left = max(left - len(chunk), 0)
            if not left:
                self.then()
                return


@dataclass(frozen=True, slots=True)
class Stall(Harmless):
    """A download that stops in the middle for a while, with the connection open."""

    seconds: float
    share: float = 0.5  # of the bytes, before it stops
    kind: Kind = Kind.DOWNLOAD

    async def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
        """Send the first bytes, pause, send the rest."""
        stop, sent = int(size * self.share), 0
        async for chunk in chunks:
            head = stop - sent
            sent += len(chunk)
            if not 0 <= head < len(chunk):
                yield chunk
                continue
            yield chunk[:head]
            await anyio.sleep(self.seconds)
            yield chunk[head:]


@dataclass(frozen=True, slots=True)
class Drip(Harmless):
    """A download that crawls but never stops."""

    piece: int = 100  # bytes at a time
    pause: float = 0.02  # seconds between them
    kind: Kind = Kind.DOWNLOAD

    async def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:  # noqa: ARG002 - crawls
        """Send little by little."""
        async for chunk in chunks:
            for start in range(0, len(chunk), self.piece):
                yield chunk[start : start + self.piece]
                await anyio.sleep(self.pause)


@dataclass(frozen=True, slots=True)
class WrongChecksum(Harmless):
    """The catalogue claims other digests than the zip has, as it does for a while after publication."""

    kind: Kind = Kind.SEARCH

    def listed(self, entries: list[Entry]) -> list[Entry]:
        """Lie."""
        for entry in entries:
            for checksum in entry["Checksum"]:
                checksum["Value"] = _other(checksum["Value"])
        return entries


@dataclass(frozen=True, slots=True)
class NoChecksum(Harmless):
    """The catalogue does not know the digests yet."""

    kind: Kind = Kind.SEARCH

    def listed(self, entries: list[Entry]) -> list[Entry]:
        """Leave them out."""
        return [entry | {"Checksum": []} for entry in entries]


@dataclass(frozen=True, slots=True)
class Repeated(Harmless):
    """The catalogue lists every entry twice."""

    kind: Kind = Kind.SEARCH

    def listed(self, entries: list[Entry]) -> list[Entry]:
        """Say it again."""
        return [entry for entry in entries for _ in range(2)]


def _other(digest: str) -> str:
    return digest[::-1] if digest != digest[::-1] else "0" * len(digest)
