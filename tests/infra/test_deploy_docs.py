"""docs/deploy.md, followed: its command blocks run in sh, with stand-ins for az, azd and curl that record."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from infra.check.load import load
from infra.check.names import NAMES
from infra.check.spelled import spelled
from tests.conftest import ROOT

LEAST_KEY = 20  # characters of API_KEY that the app accepts
PAGE = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "docs/security.md").read_text(encoding="utf-8")
OPERATE = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
LOGIN = ("somebody@example.org", "pass word\\n")  # a password with what a shell may take apart
FILE = r"(?<![\w/.-])((?:infra|tests|shared|local|functions|docs)/[\w./-]+\.(?:py|md|sh|bicep|json|svg|kql))\b"
HEAD = """#!/bin/sh
set -eu
{ printf '%s' "$(basename "$0")"; for word in "$@"; do printf '\\t%s' "$word"; done; printf '\\n'; } >>"$RECORD"
"""
AZ = """
case "$*" in
  "account show --query id"*) echo 00000000-0000-0000-0000-000000000000 ;;
  "group exists"*) echo false ;;
  *systemKeys.blobs_extension*) echo the-key ;;
  *masterKey*) echo the-master-key ;;
  "keyvault secret set"*) while [ "$1" != --file ]; do shift; done; test -s "$2"; cat "$2" >>"$RECORD.secrets"
    printf '\t%s\n' "$(stat -c %a "$(dirname "$2")")" >>"$RECORD.secrets" ;;
esac
"""
CURL = """
for last in "$@"; do [ "${before:-}" != --output ] || file=$last; before=$last; done
case "$last" in
  *.run) echo installer >"$file" ;;
  *) cat >>"$RECORD.curl" ;;
esac
"""
# azd keeps its environment in a file, and runs the hooks of azure.yaml around its own steps.
AZD = """
load() { set -a; . "$AZD_ENV"; set +a; }
hook() { eval "script=\\${HOOK_$1:-}"; [ -z "$script" ] || (load; sh "$PROJECT/$script"); }
step() { printf 'azd\\t(%s)\\n' "$1" >>"$RECORD"; }
provision() {
  hook preprovision; step provision
  [ ! -f "$AZD_OUTPUTS" ] || cat "$AZD_OUTPUTS" >>"$AZD_ENV"
  hook postprovision
}
deploy() { hook predeploy; step "deploy $1"; hook postdeploy; }
case "$1 ${2:-}" in
  "env new") printf "AZURE_ENV_NAME='%s'\n" "$3" >"$AZD_ENV" ;;
  "env set") printf "%s='%s'\\n" "$3" "$4" >>"$AZD_ENV" ;;
  "env get-value") load; eval "printf '%s\\n' \\"\\${$3:?is not in the environment}\\"" ;;
  "up ") step package; provision; deploy all ;;
  "provision ") provision ;;
  "deploy "*) step package; deploy "$2" ;;
  "hooks run") hook "$3" ;;
  "down "*) step down ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Followed:
    """What the commands of a page have asked for."""

    code: int
    err: str
    calls: list[str]  # words joined by blanks
    curl: str  # what curl was given on its standard input
    secrets: list[tuple[str, str]]  # what the key vault was given, and the mode of the folder it came from
    folders: set[str]  # that lie beside it
    left: list[Path]  # what lies in the project's folder afterwards
    kept_secrets: list[Path]  # files that still hold one
    kept: str  # azd's environment


def blocks(page: str) -> list[str]:
    return re.findall(r"(?ms)^```sh\n(.*?)^```$", page)


def follow(folder: Path, script: str) -> Followed:
    """Run ``script`` in an empty folder in place of the project's, typing a login where it asks for one."""
    programs = folder / "bin"
    programs.mkdir()
    for name, body in (("az", AZ), ("azd", AZD), ("curl", CURL), ("stty", "")):
        (programs / name).write_text(HEAD + body, encoding="utf-8")
        (programs / name).chmod(0o755)
    work = folder / "work"
    work.mkdir()
    outputs = folder / "outputs"
    outputs.write_text("".join(f"{name}='{value}'\n" for name, value in told().items()), encoding="utf-8")
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["hooks"]
    record = folder / "record"
    record.touch()
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=work,
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "TMPDIR": str(folder),
            "RECORD": str(record),
            "PROJECT": str(ROOT),
            "AZD_ENV": str(folder / "azd.env"),
            "AZD_OUTPUTS": str(outputs),
            "HOOK_PAUSE": "0",
            **{f"HOOK_{name}": one["posix"]["run"] for name, one in hooks.items()},
        },
        input="\n".join(LOGIN) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    curl, secrets = folder / "record.curl", folder / "record.secrets"
    lines = secrets.read_text(encoding="utf-8").splitlines() if secrets.exists() else []
    given = [(secret, mode) for secret, _, mode in (line.partition("\t") for line in lines)]
    below = [path for path in folder.rglob("*") if path.is_file() and path != secrets]
    return Followed(
        done.returncode,
        done.stderr,
        [line.replace("\t", " ") for line in record.read_text(encoding="utf-8").splitlines()],
        curl.read_text(encoding="utf-8") if curl.exists() else "",
        given,
        {path.name for path in folder.iterdir() if path.is_dir()},
        list(work.iterdir()),
        [path for path in below if any(one[0] in path.read_text(encoding="utf-8") for one in given)],
        (folder / "azd.env").read_text(encoding="utf-8") if (folder / "azd.env").exists() else "",
    )


def told() -> dict[str, str]:
    """The outputs of infra/main.bicep, made up but for the blob triggers."""
    names = re.findall(r"(?m)^output (\w+) string", (ROOT / "infra/main.bicep").read_text(encoding="utf-8"))
    triggers = load(ROOT).constant(NAMES, "blobTriggers")
    assert isinstance(triggers, list)
    joined = ";".join(f"{one['function']}|{one['begins']}|{one['ends']}" for one in triggers)
    return {name: f"the-{name.lower().replace('_', '-')}" for name in names} | {"BLOB_TRIGGERS": joined}


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return follow(tmp_path_factory.mktemp("deploy"), "\n".join(blocks(PAGE)))


def beginnings(calls: list[str], words: int) -> list[str]:
    return [" ".join(call.split(" ")[:words]) for call in calls]


def test_every_block_of_the_page_runs(followed):
    assert len(blocks(PAGE)) >= 9
    assert followed.code == 0, followed.err


def test_both_logins_come_first(followed):
    assert followed.calls[:2] == ["az login", "azd auth login"]


def test_azd_up_finds_what_it_needs_and_runs_the_hooks_around_its_steps_in_order(followed):
    up = followed.calls.index("azd up")
    begun = beginnings(followed.calls, 3)
    for setting in ("ICEWATCH_ALERT_EMAIL", "ICEWATCH_SEN2COR_SHA256"):
        assert any(call.startswith(f"azd env set {setting} ") for call in followed.calls[:up])
    steps = [call for call in begun[up : begun.index("azd env get-value")] if not call.startswith(("azd up", "stty"))]
    assert steps == [
        "azd (package)",
        "az account show",
        "az group exists",
        "azd env set",
        "azd (provision)",
        "azd (deploy all)",
        "az account show",
        "az functionapp keys",
        "az eventgrid system-topic",
        "az eventgrid system-topic",
    ]


def test_the_digest_is_that_of_the_file_that_was_fetched(followed):
    assert re.search(r"(?m)^ICEWATCH_SEN2COR_SHA256='[0-9a-f]{64}'$", followed.kept)


def test_logins_watchlist_and_the_first_run_come_after_the_deployment_and_in_this_order(followed):
    order = [
        "azd up",
        "az keyvault secret set --vault-name the-azure-key-vault-name --name copernicus-user",
        "az keyvault secret set --vault-name the-azure-key-vault-name --name copernicus-password",
        "az functionapp restart --name the-azure-function-app-name",
        "az storage blob upload",
        "curl --fail --config - --request POST",
        "az storage entity query",
        "azd provision",
        "azd deploy functions",
        "azd deploy correct",
        "azd down --purge",
    ]
    found = [next(n for n, call in enumerate(followed.calls) if call.startswith(beginning)) for beginning in order]
    assert found == sorted(found)


def test_the_watchlist_of_the_page_is_accepted():
    from shared.pipeline.watching import parse

    (body,) = re.findall(r"(?s)<<'END'\n(.*?)\nEND", PAGE)
    assert parse(body.encode()).areas


def test_no_secret_is_an_argument_of_a_program(followed):
    assert "the-master-key" in followed.curl
    secrets = ["the-master-key", *(secret for secret, _ in followed.secrets)]
    assert not any(secret in call for secret in secrets for call in followed.calls)


def test_secrets_reach_the_vault_as_they_were_typed_and_nobody_else_can_read_them_on_the_way(followed):
    (user, password, key), modes = zip(*followed.secrets, strict=True)
    assert (user, password) == LOGIN
    assert len(key) >= LEAST_KEY
    assert set(modes) == {"700"}
    assert followed.kept_secrets == []


def test_the_page_leaves_nothing_in_the_folder_that_is_packed(followed):
    assert followed.left == []


def test_neither_the_private_folder_nor_the_installer_in_it_is_left_behind(followed):
    assert followed.folders == {"bin", "work"}


def test_in_a_shell_without_the_private_folder_every_line_that_needs_it_stops(tmp_path):
    assert not re.search(r"\$private|\$\{private\}", "\n".join(blocks(PAGE)))
    lines = [line for block in blocks(PAGE) for line in block.splitlines() if line.endswith('"${private:?}/api-key"')]
    assert lines
    for number, line in enumerate(lines):
        (tmp_path / str(number)).mkdir()
        ran = follow(tmp_path / str(number), f"set +eu\n{line}")
        assert ran.code != 0
        assert "private" in ran.err


def test_a_blob_comes_back_by_copying_a_version_over_its_name():
    back = OPERATE.partition("## Getting things back")[2].partition("\n## ")[0]
    for command in ("--include vd", "az storage blob copy start", "?versionId=<version>"):
        assert command in back
    days = {name: load(ROOT).files["storage.bicep"].parameters[name].default for name in ("versionDays", "restoreDays")}
    version, restore = (spelled(days[name]) for name in ("versionDays", "restoreDays"))
    assert f"**it was written more than {version} days ago**" in back
    assert f"comes back for {restore} days" in back
    assert f"until {version} days after they were written, and {restore} days more" in SECURITY


@pytest.mark.parametrize("left_out", ["ICEWATCH_ALERT_EMAIL", "ICEWATCH_SEN2COR_SHA256"])
def test_where_a_setting_is_left_out_the_page_stops_before_anything_is_made(tmp_path, left_out):
    script = re.sub(rf"(?m)^azd env set {left_out} .*$", ":", "\n".join(blocks(PAGE)))
    ran = follow(tmp_path, script)
    assert ran.code == 1
    assert f"run: azd env set {left_out}" in ran.err
    assert not any(call.startswith("azd (provision") for call in ran.calls)


def test_every_resource_provider_that_the_templates_use_is_registered():
    used = set()
    for file in (ROOT / "infra").glob("*.bicep"):
        used |= set(re.findall(r"(?m)^resource \w+ 'Microsoft\.(\w+)/", file.read_text(encoding="utf-8")))
    (registered,) = re.findall(r"for provider in (.*?); do", PAGE)
    always_there = {"Authorization", "Consumption", "Resources"}
    assert set(registered.split()) == used - always_there


def test_what_the_page_sets_is_what_the_templates_read():
    parameters = (ROOT / "infra/main.parameters.json").read_text(encoding="utf-8")
    known = set(re.findall(r"\$\{(\w+)[=}]", parameters + (ROOT / "azure.yaml").read_text(encoding="utf-8")))
    for page in (PAGE, OPERATE):
        assert not re.search(r"`(?:WATCH_)?SCHEDULE`", page), "in Azure a setting has its prefix"
        assert set(re.findall(r"azd env set (\w+)", page)) <= known


def test_every_alarm_has_its_paragraph_with_what_to_do():
    rules = re.findall(
        r"name: '([\w-]+)'\s+title: '([^']+)'", (ROOT / "infra/alerts.bicep").read_text(encoding="utf-8")
    )
    assert len(rules) >= 6
    headings = re.findall(r"(?m)^### (.+)$", OPERATE)
    for name, title in rules:
        assert f"{title} (`{name}`)" in headings
    assert len([heading for heading in headings if heading.endswith("`)")]) == len(rules)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_link_of_the_docs_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} names {target}"
    for name in re.findall(FILE, page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
