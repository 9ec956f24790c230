"""The extract of Azure's resource types is what the package that carries them says."""

from __future__ import annotations

import json
import shutil

import pytest

from infra.check.extract import BY_HAND, TYPES, extract, text_of
from infra.check.load import load
from infra.check.schema import FOLDER, file_of
from tests.conftest import ROOT

AZMCP = shutil.which("azmcp")


@pytest.mark.skipif(AZMCP is None, reason="azmcp (package msmcp-azure, 157 MB) is not on the PATH")
@pytest.mark.parametrize("kind", ["Microsoft.App/jobs", "Microsoft.Storage/storageAccounts"])
def test_the_extract_is_what_azmcp_says(kind):
    assert text_of(extract(str(AZMCP), kind)) == file_of(kind).read_text(encoding="utf-8")


def test_there_is_an_extract_for_every_type_that_is_used_and_for_no_other():
    used = {resource.type for template in load(ROOT).files.values() for resource in template.resources.values()}
    assert used == {*TYPES, *BY_HAND}
    assert {path.name for path in FOLDER.glob("*.json")} == {file_of(kind).name for kind in used}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_an_extract_is_whole(path):
    told = json.loads(path.read_text(encoding="utf-8"))
    assert path == file_of(told["type"])
    assert told["apiVersion"]
    for name, form in told["types"].items():
        assert form.keys() <= {"has", "other", "by", "kinds"}, name
        assert set(form.get("kinds", {}).values()) <= told["types"].keys()
