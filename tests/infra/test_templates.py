"""The templates have no mistakes, and the check sees each kind of mistake, with its place and in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.check.__main__ import findings
from tests.conftest import ROOT


def test_the_templates_have_no_mistakes():
    assert [str(finding) for finding in findings(ROOT)] == []


FILES = sorted((Path(__file__).parent / "mistakes").glob("*.yaml"))
MISTAKES: dict[str, dict[str, str]] = {
    name: planted for path in FILES for name, planted in yaml.safe_load(path.read_text(encoding="utf-8")).items()
}


def plant(folder: Path, file: str, old: str, new: str) -> int:
    """Replace ``old`` once; returns the line of the mistake."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has changed; the mistake cannot be planted"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(copy, mistake):
    planted = MISTAKES[mistake]
    plant(copy, planted["file"], planted["old"], planted["new"])
    found = findings(copy)
    says = [finding for finding in found if finding.rule == planted["rule"] and planted["says"] in finding.sentence]
    assert says, "\n".join(map(str, found))


def test_a_loop_without_its_parent_is_found(copy):
    plant(copy, "infra/storage.bicep", "    parent: tableService\n", "")
    assert any("storageTables needs a parent of type" in finding.sentence for finding in findings(copy))


def test_the_command_names_file_and_line_and_ends_with_one(copy):
    line = plant(copy, "infra/storage.bicep", "allowBlobPublicAccess: false", "allowPublicAccess: false")
    done = subprocess.run(
        [sys.executable, "-m", "infra.check", str(copy)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"\ninfra/storage.bicep:{line}: property: properties.allowPublicAccess" in f"\n{done.stdout}"
    assert done.stderr == ""


def test_a_hook_without_its_script_is_found(copy):
    (copy / "infra/hooks/postdeploy.ps1").unlink()
    assert [finding.sentence for finding in findings(copy)] == ["there is no script infra/hooks/postdeploy.ps1."]


def test_no_mistake_hides_another_of_its_name():
    written = [line for path in FILES for line in path.read_text(encoding="utf-8").splitlines() if line[:1].isalpha()]
    assert len(written) == len(MISTAKES) > 170


def test_make_check_runs_it():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ncheck:")[2].partition("\n\n")[0]
    assert "\t$(BIN)/python -m infra.check\n" in f"{recipe}\n"


def test_the_untouched_copy_has_no_mistakes(copy):
    assert findings(copy) == []
