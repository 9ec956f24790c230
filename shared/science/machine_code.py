"""Loops as machine code by Numba; the only place that imports it, and only when asked to.

Machine code is kept where Numba can write: beside the loop's file, or in the folder that NUMBA_CACHE_DIR or the user's
cache names. Where there is none, as on a read-only disk, every process compiles once, in a second or two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(loop: Callable[..., None], signature: str, **options: Any) -> Callable[..., None] | None:
    """``loop`` for arguments of ``signature`` as machine code that leaves the interpreter free; None without Numba."""
    try:
        from numba import njit
    except ImportError:
        return None
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        code: Callable[..., None] = njit(signature, cache=True, **options)(loop)
    except RuntimeError:  # nowhere to keep machine code
        code = njit(signature, **options)(loop)
    return code
