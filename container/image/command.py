"""The command line that the installers of the image share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from container.image.fetch import Refused

Install = Callable[[str, str, Path], None]  # address, SHA-256, folder


def run(program: str, install: Install, arguments: Sequence[str] | None, *, optional: bool = False) -> int:
    """Install as the arguments say: 0, or 2 with one sentence; ``optional``: address and digest may be left out."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    for name in ("--url", "--sha256"):
        parser.add_argument(name, required=not optional, default="")
    parser.add_argument("--target", type=Path, required=True)
    asked = parser.parse_args(arguments)
    try:
        install(asked.url, asked.sha256, asked.target)
    except Refused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
