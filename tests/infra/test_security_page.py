"""docs/security.md says what the code and the templates do about secrets and who may come in."""

from __future__ import annotations

import pytest

from functions.api.access import HEADER, LINK_SECONDS, QUERY, SESSION_SECONDS, TOKEN
from functions.api.door import HEALTH, SIGN_IN, STATIC
from infra.check.application import bindings
from infra.check.load import load
from infra.check.secrets import made
from tests.conftest import ROOT

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
OPERATE = (ROOT / "docs/operate.md").read_text(encoding="utf-8")


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", sorted(made(load(ROOT))))
def test_every_secret_of_the_vault_is_named_as_something_to_protect(name):
    assert f"`{name}`" in section("What there is to protect")


def test_the_page_says_whom_the_platform_lets_in_and_what_the_app_asks_for():
    (trigger,) = [one for one in bindings()["api"] if one["type"] == "httpTrigger"]
    assert str(trigger["authLevel"]).lower() == "anonymous"
    (row,) = [line for line in section("What is reachable from outside").splitlines() if "(api)" in line]
    for told in ("*anonymous*", "`API_KEY`", f"`{HEADER}`", f"`{QUERY}`", f"{SESSION_SECONDS // 3600} hours"):
        assert told in row
    for open_to_all in (HEALTH, SIGN_IN, STATIC):
        assert f"`{open_to_all}`" in row


def test_links_and_signed_addresses_are_among_what_is_reachable_and_what_may_leak():
    assert LINK_SECONDS == 3600, "the page says one to two hours"
    assert f"?{TOKEN}=..." in section("What is reachable from outside")
    assert "signed addresses of blobs" in section("What is reachable from outside")
    for threat in ("| `API_KEY` leaks |", "| a link to results leaks |", "| a signed address of a blob leaks |"):
        assert threat in section("What might happen")


def test_a_new_key_is_a_new_secret_and_no_key_of_the_portal():
    (row,) = [line for line in OPERATE.splitlines() if line.startswith("| `API_KEY`")]
    assert "`api-key`" in row
    assert "restart" in row
