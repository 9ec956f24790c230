"""Fetches a file whose SHA-256 is known beforehand: whole and right, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import re
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_CHUNK = 1024 * 1024
_STALL = 120.0  # seconds without a byte
_LOCAL = ("http://127.0.0.1:", "http://localhost:")


class Refused(Exception):
    """What was asked cannot be done; a sentence for whoever builds the image."""


def checked(what: str, url: str, sha256: str) -> None:
    """Raise Refused where ``url`` is no https address or ``sha256`` no SHA-256; ``what`` begins their names."""
    if not url.startswith(("https://", *_LOCAL)):
        raise Refused(f"{what}_URL is '{url}'; expected an https address.")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise Refused(
            f"{what}_SHA256 is '{sha256}'; expected 64 hexadecimal digits, computed by you from a file that you trust."
        )


def fetch(url: str, sha256: str, target: Path, *, most: int) -> None:
    """Put the file at ``url`` to ``target``; Refused where it is not the one, or longer than ``most`` bytes.

    Under the name ``target`` there is only ever the right file.
    """
    partial = target.with_name(f"{target.name}.part")
    try:
        found = _download(url, partial, most)
        if found != sha256.lower():
            raise Refused(f"{url} has the SHA-256 {found}; expected {sha256.lower()}. Nothing of it is used.")
        partial.replace(target)
    except (URLError, OSError, http.client.HTTPException) as cause:
        raise Refused(f"{url} cannot be fetched: {cause}.") from cause
    finally:
        partial.unlink(missing_ok=True)


def _download(url: str, target: Path, most: int) -> str:
    """Put what ``url`` gives to ``target``; returns its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with urlopen(url, timeout=_STALL) as answer, target.open("wb") as file:  # noqa: S310  # the scheme is checked before
        stated = answer.headers.get("Content-Length")
        while chunk := answer.read(_CHUNK):
            size += len(chunk)
            if size > most:
                raise Refused(f"{url} is over {most} bytes long; that is not what was expected.")
            digest.update(chunk)
            file.write(chunk)
    if stated is not None and size != int(stated):
        raise Refused(f"{url} ended after {size} of {stated} bytes.")
    return digest.hexdigest()
