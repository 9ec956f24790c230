"""stage, the bytes on their way: counted, digested and compared with what server and catalogue say.

Right after publication the catalogue may state a wrong length or digest. So where it differs from what arrived,
the entry is asked for once more, and what it says then counts.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.errors import ProviderUnavailable
from shared.messages import ProductMessage
from shared.models import Checksum, Product
from shared.pipeline.stage_directory import Tail, check_directory
from shared.ports import Download

_log = logging.getLogger("icewatch")


class Checks:
    """Passes a download's chunks on and raises at their end where they are not the product."""

    def __init__(
        self,
        message: ProductMessage,
        *,
        entry: Callable[[], Product | None],
        alive: Callable[[int], None],
        resolution: int | None,
    ) -> None:
        """``entry`` asks the catalogue again; ``alive`` gets the bytes so far with each chunk, and may raise."""
        self.arrived = 0  # bytes
        self.made = ""  # for the ledger: the digest, and whether there was anything to compare it with
        self._message = message
        self._name = message.name()
        self._entry, self._alive, self._resolution = entry, alive, resolution

    def passed(self, download: Download) -> Iterator[bytes]:
        """The chunks of ``download``.

        Raises ProviderUnavailable where length or digest are not as stated, BadProduct where the zip's own
        directory does not list the whole product, and what ``alive`` raises.
        """
        states, tail = _states(self._message.digests()), Tail()
        for chunk in download.chunks:
            self.arrived += len(chunk)
            self._alive(self.arrived)
            for state in states.values():
                state.update(chunk)
            tail.append(chunk)
            yield chunk
        found = {algorithm: state.hexdigest() for algorithm, state in states.items()}
        if download.size not in {None, self.arrived}:
            raise ProviderUnavailable(
                f"The server announced {download.size} bytes for {self._name}, {self.arrived} arrived."
            )
        self.made = self._compared(found)
        check_directory(tail.file(self.arrived), self._name, length=self.arrived, resolution=self._resolution)

    def _compared(self, found: Mapping[str, str]) -> str:
        stated = self._message.digests()
        if fault := self._fault(self._message.size, stated, found):
            fresh = self._entry()
            if fresh is None or not _comparable(fresh.checksums, found):
                raise ProviderUnavailable(fault)
            if still := self._fault(fresh.size, fresh.checksums, found):
                raise ProviderUnavailable(f"{still} Asked again, the catalogue does not say otherwise.")
            _log.info("stage: the catalogue has corrected what it says about %s", self._name)
            stated = fresh.checksums
        if known := _comparable(stated, found):
            return ";".join(f"{told.algorithm}:{told.value}" for told in known)
        # Without a colon, so that nobody takes it for what the provider stated.
        return f"MD5 {found['MD5']} computed here, none stated; checked by length and directory"

    def _fault(self, size: int, stated: tuple[Checksum, ...], found: Mapping[str, str]) -> str:
        if size not in {0, self.arrived}:
            return f"The catalogue announced {size} bytes for {self._name}, {self.arrived} arrived."
        for told in _comparable(stated, found):
            if told.value != found[told.algorithm]:
                return (
                    f"The {told.algorithm} of {self._name} is {found[told.algorithm]}; the catalogue says {told.value}."
                )
        return ""


def _states(stated: tuple[Checksum, ...]) -> dict[str, Any]:
    """What digests the bytes: MD5 in any case, for the ledger, and BLAKE3 where it is stated."""
    states: dict[str, Any] = {"MD5": hashlib.md5(usedforsecurity=False)}
    if any(told.algorithm == "BLAKE3" for told in stated):
        from blake3 import blake3

        states["BLAKE3"] = blake3()
    return states


def _comparable(stated: tuple[Checksum, ...], found: Mapping[str, str]) -> list[Checksum]:
    return [told for told in stated if told.algorithm in found]
