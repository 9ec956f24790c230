"""Refuses to build a release on a base image that may change: ``python -m container.image.pinned IMAGE VERSION``.

A tag such as python:3.11-slim names another image tomorrow; a digest always names the same. While developing (VERSION
is ``dev``) a tag will do. Exit 0, or 2 with one sentence.
"""

from __future__ import annotations

import re
import sys

_PINNED = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
_VERSION = re.compile(r"[\w][\w.+-]{0,127}", re.ASCII)


def fault(image: str, version: str) -> str:
    """What speaks against building ``version`` on ``image``, as a sentence; "" for nothing."""
    if not _VERSION.fullmatch(version):
        return f"VERSION is '{version}'; expected a version such as 1.2.0, or dev."
    if version != "dev" and not _PINNED.fullmatch(image):
        return (
            f"Version {version} is a release, and PYTHON_IMAGE is '{image}'; give it with its digest, "
            "NAME:TAG@sha256:DIGEST, so that the same image can be built again."
        )
    return ""


if __name__ == "__main__":
    if told := fault(*sys.argv[1:3]) if len(sys.argv) == 3 else "Expected two arguments: IMAGE VERSION.":
        sys.stderr.write(f"{told}\n")
        sys.exit(2)
