"""Ways in which the simulated Copernicus misbehaves, one small value each.

A fault says which kind of request it falls on, and is asked at three moments of it; a new one is a new class.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from local.copernicus.errors import Refusal, download_refusal


class Kind(StrEnum):
    """The requests that can go wrong."""

    LOGIN = "login"
    SEARCH = "search"
    DOWNLOAD = "download"


class Fault(Protocol):
    """Something that goes wrong with requests of one kind."""

    @property
    def kind(self) -> Kind:
        """The requests it falls on."""

    def before(self) -> None:
        """Raise a Refusal to answer with instead."""

    def checksum(self, md5: str) -> str:
        """The MD5 that the catalogue claims where ``md5`` is right."""

    def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
        """The bytes of a download of ``size`` bytes."""


class Harmless:
    """Does nothing at any moment; faults override what they need."""

    def before(self) -> None:
        """Let the request pass."""

    def checksum(self, md5: str) -> str:
        """Tell the truth."""
        return md5

    def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:  # noqa: ARG002 - faults cut
        """Send it all."""
        return chunks


@dataclass(frozen=True, slots=True)
class TooManyRequests(Harmless):
    """429, with the body that the download service sends when too many sessions are open."""

    kind: Kind = Kind.DOWNLOAD

    def before(self) -> None:
        """Refuse."""
        raise download_refusal(429, "DAT-ZIP-100", "Max session number exceeded")


@dataclass(frozen=True, slots=True)
class Unavailable(Harmless):
    """503, as a gateway sends it."""

    kind: Kind = Kind.SEARCH

    def before(self) -> None:
        """Refuse."""
        raise Refusal(503, {"message": "no healthy upstream"})


@dataclass(frozen=True, slots=True)
class Truncate(Harmless):
    """A download that ends early: the announced length stays, the connection closes before."""

    share: float = 0.5  # of the bytes that arrive
    kind: Kind = Kind.DOWNLOAD

    async def body(self, chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
        """Send the first bytes, then nothing."""
        left = int(size * self.share)
        async for chunk in chunks:
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return


@dataclass(frozen=True, slots=True)
class WrongChecksum(Harmless):
    """The catalogue claims another MD5 than the zip has, as it does for a while after publication."""

    kind: Kind = Kind.SEARCH

    def checksum(self, md5: str) -> str:
        """Lie."""
        return md5[::-1] if md5 != md5[::-1] else "0" * 32
