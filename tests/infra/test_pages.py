"""The pages about deploying, operating and security say what azure.yaml, the templates and the hooks do."""

from __future__ import annotations

import re

import pytest
import yaml

from functions.api.door import HEALTH
from infra.check.load import load
from infra.check.names import FUNCTIONS, JOB, settings_of
from infra.check.project import LEAST_AZD
from infra.check.roles import documented
from infra.check.wiring import place_of
from local.cost import Scene
from shared.api_key import usable
from shared.errors import BadSetting
from tests.conftest import ROOT


def page(name: str) -> str:
    """The page as one line, so that a sentence can be found however it is broken."""
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def test_the_azd_that_is_asked_for_is_the_one_that_the_page_names():
    asked = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["requiredVersions"]["azd"]
    least = ".".join(map(str, LEAST_AZD))
    assert asked == f">= {least}"
    assert f"install-azd), {least} or newer" in page("deploy.md")


def test_the_key_that_the_page_describes_is_the_one_that_the_app_takes():
    told = re.search(r"a key of your own: (\d+) to (\d+) letters, digits and signs of ASCII", page("deploy.md"))
    assert told is not None
    least, most = map(int, told.groups())
    assert usable("k" * least)
    assert usable("k" * most)
    for wrong in ("k" * (least - 1), "k" * (most + 1), " " * least):
        with pytest.raises(BadSetting):
            usable(wrong)
    assert HEALTH == "/api/health", "the page says that only a bare health is answered without a key"


def test_the_python_of_the_page_is_that_of_the_templates_and_of_the_pins():
    line, runtime = place_of(load(ROOT).files[FUNCTIONS], "app.properties.functionAppConfig.runtime.version")
    version = load(ROOT).plain(load(ROOT).files[FUNCTIONS], runtime)
    assert f"**Python is {version}, and no setting changes that.**" in page("operate.md"), line
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"--python-version (\S+)", makefile)) == {version}
    assert "PYTHON_VERSION" not in (ROOT / "infra/main.parameters.json").read_text(encoding="utf-8")


def test_the_way_packages_come_is_among_what_is_reachable():
    (row,) = [line for line in (ROOT / "docs/security.md").read_text("utf-8").splitlines() if "scm.azure" in line]
    assert "/api/publish" in row
    assert "publishing passwords are off" in row
    _, names = place_of(load(ROOT).files[FUNCTIONS], "publishing for")
    assert load(ROOT).plain(load(ROOT).files[FUNCTIONS], names) == ["ftp", "scm"]


def test_an_operator_has_rights_on_data_only_and_the_page_says_what_the_portal_asks_for():
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    roles = {grant.role for grant, _ in documented(text) if grant.identity == "operator"}
    assert all(" Data " in role or role.startswith("Key Vault Secrets") for role in roles), roles
    for wanted in ("| Reader |", "| Log Analytics Reader |", "| Website Contributor |"):
        assert wanted in text
    (looked_at,) = re.findall(r"for type in (.*?); do", text)
    made = {resource.type for template in load(ROOT).files.values() for resource in template.resources.values()}
    assert {f"Microsoft.{kind}" for kind in looked_at.split()} <= made
    assert "ContainerRegistry" not in looked_at, "who reads a registry may pull its images"


def test_who_may_read_the_job_reads_no_secret_in_its_settings():
    assert "of the job with its settings, none of which is secret" in page("security.md")
    assert not [name for name in settings_of(load(ROOT), JOB) if name.endswith(("_KEY", "_PASSWORD", "_USER"))]


def test_the_pages_say_who_restarts_the_app_and_who_does_not():
    assert "Restarting is not among the rights of an operator ([security.md]" in page("deploy.md")
    assert "The roles of an operator are on the data" in page("operate.md")


def test_the_size_of_the_logs_is_that_of_the_model():
    assert f"| `log_kb` | {Scene().log_kb:g} |" in page("cost.md")
