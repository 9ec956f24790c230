"""A copy of the templates in which a test may plant a mistake."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.infra.hook_standins import Ran, runner

PARTS = ("azure.yaml", "docs/security.md")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The templates, azd's files and the table of roles, in a folder of their own."""
    shutil.copytree(
        ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("check", "schemas", "__pycache__")
    )
    for part in PARTS:
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / part, tmp_path / part)
    return tmp_path


@pytest.fixture
def hook(tmp_path: Path) -> Callable[..., Ran]:
    """Runs a hook of azd by its name; see tests/infra/hook_standins.py."""
    return runner(tmp_path)
