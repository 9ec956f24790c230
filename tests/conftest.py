"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(), reason="the folder of real data is not beside the project"
)
# How long an example may take says nothing on a busy machine.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
