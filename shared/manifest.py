"""manifest.safe: the checksums that the producer of a SAFE folder wrote down for its files.

Source: ESA, "Sentinel-SAFE Control Book, Volume 1" (the data object section of the XFDU manifest); older products
carry MD5, newer ones SHA3-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import BadProduct
from shared.safe import xml_root

_HASHES: Mapping[str, Callable[[bytes], Any]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
    "SHA3-256": hashlib.sha3_256,
}


@dataclass(frozen=True, slots=True)
class Stated:
    """One digest of the manifest."""

    algorithm: str  # "MD5" or "SHA3-256"
    digest: str  # lower-case hexadecimal

    def check(self, data: bytes, label: str) -> None:
        """Raise BadProduct beginning with ``label`` unless ``data`` has this digest."""
        found = _HASHES[self.algorithm](data).hexdigest()
        if found != self.digest:
            raise BadProduct(
                f"{label} is damaged: its {self.algorithm} is {found[:12]}…, manifest.safe states {self.digest[:12]}…."
            )


def stated_checksums(xml: bytes, source: str) -> dict[str, Stated]:
    """Path inside the SAFE folder -> digest, where the algorithm is known; BadProduct where it does not parse."""
    found: dict[str, Stated] = {}
    for stream in xml_root(xml, source).iter("byteStream"):
        location, checksum = stream.find("fileLocation"), stream.find("checksum")
        if location is None or checksum is None:
            continue
        algorithm, digest = (checksum.get("checksumName") or "").upper(), (checksum.text or "").strip().lower()
        if algorithm in _HASHES and digest:
            found[(location.get("href") or "").removeprefix("./")] = Stated(algorithm, digest)
    return found
