"""The hooks of azd, run by sh against recording stand-ins of az and azd."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from infra.check.load import load
from infra.check.names import NAMES
from infra.check.promises import at
from infra.check.spelled import spelled
from infra.check.values import body_of
from shared.api_key import usable
from shared.errors import BadSetting
from tests.conftest import ROOT

HOOKS = ROOT / "infra/hooks"
KEY = "the-key/with+signs=="
STANDIN = """#!/bin/sh
# Records its arguments; what begins with @ is a file, whose text and mode are recorded as well.
{
  printf '%s' "$(basename "$0")"
  for word in "$@"; do
    printf '\\t%s' "$word"
    case $word in @*) printf '\\t=%s\\t=%s' "$(cat "${word#@}")" "$(stat -c %a "${word#@}")" ;; esac
  done
  printf '\\n'
} >>"$RECORD"
count=$(grep -c "$1	$2" "$RECORD")
case "$1 $2" in
  "functionapp keys") [ "$count" -gt "${KEY_AFTER:-0}" ] || exit "${KEY_EXIT:-0}"; printf '%s\\n' "$KEY" ;;
  "eventgrid system-topic") [ "$count" -gt "${EVENTS_AFTER:-0}" ] || exit 1 ;;
  "account show") echo the-account; exit "${LOGGED_OUT:-0}" ;;
  "group exists") [ "${GROUP:-false}" != refused ] || exit 1; echo "${GROUP:-false}" ;;
  "rest --method") case "$*" in
    *Microsoft.App/jobs*) [ "${IMAGE:-}" != refused ] || exit 1; echo "${IMAGE:-}" ;;
    *) [ "${BUDGET:-}" != refused ] || exit 1; echo "${BUDGET:-}" ;;
  esac ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str
    calls: list[list[str]]


@pytest.fixture
def hook(tmp_path: Path):
    """Run a hook with the outputs of the templates in its environment."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("az", "azd"):
        (programs / name).write_text(STANDIN, encoding="utf-8")
        (programs / name).chmod(0o755)
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    record = tmp_path / "record"

    def run(name: str, *, without: str = "", **more: str) -> Ran:
        record.write_text("", encoding="utf-8")
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "TMPDIR": str(scratch),
            "RECORD": str(record),
            "KEY": KEY,
            "HOOK_TRIES": "3",
            "HOOK_PAUSE": "0",
            "AZURE_RESOURCE_GROUP": "rg-icewatch-test",
            "AZURE_FUNCTION_APP_NAME": "func-test",
            "AZURE_FUNCTION_APP_HOST": "func-test.azurewebsites.net",
            "EVENT_TOPIC_NAME": "evgt-test",
            "BLOB_TRIGGERS": blob_triggers(),
            "AZURE_ENV_NAME": "test",
            "ICEWATCH_ALERT_EMAIL": "me@example.org",
            "ICEWATCH_SEN2COR_SHA256": "0" * 64,
        } | more
        environment.pop(without, None)
        done = subprocess.run(
            ["sh", HOOKS / name], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert list(scratch.iterdir()) == [], "the file with the key is left behind"
        calls = [line.split("\t") for line in record.read_text(encoding="utf-8").splitlines()]
        return Ran(done.returncode, done.stdout, done.stderr, calls)

    return run


def blob_triggers() -> str:
    """The output BLOB_TRIGGERS as the templates make it."""
    told = load(ROOT).constant(NAMES, "blobTriggers")
    assert isinstance(told, list)
    return ";".join(f"{one['function']}|{one['begins']}|{one['ends']}" for one in told)


def said(ran: Ran) -> list[list[str]]:
    """The calls without the name of the private file, which is another each time."""
    return [[word for word in call if not word.startswith("@")] for call in ran.calls]


def option(call: list[str], name: str) -> str | None:
    return call[call.index(name) + 1] if name in call else None


def test_postdeploy_reads_the_key_and_then_subscribes_each_blob_triggered_function(hook):
    ran = hook("postdeploy.sh")
    assert ran.code == 0, ran.err
    logged_in, keys, topic = ["account", "show"], ["functionapp", "keys"], ["eventgrid", "system-topic"]
    assert [call[1:3] for call in ran.calls] == [logged_in, keys, topic, topic]
    _, read, classify, drop = ran.calls
    assert option(read, "--name") == "func-test"
    assert option(read, "--query") == "systemKeys.blobs_extension"
    assert [option(call, "--name") for call in (classify, drop)] == ["classify", "drop"]
    assert option(classify, "--subject-begins-with") == "/blobServices/default/containers/l2a/blobs/"
    assert option(classify, "--subject-ends-with") == "/manifest.safe"
    assert option(drop, "--subject-begins-with") == "/blobServices/default/containers/drop/blobs/"
    assert "--subject-ends-with" not in drop
    for call in (classify, drop):
        assert call[1:5] == ["eventgrid", "system-topic", "event-subscription", "create"]
        assert option(call, "--system-topic-name") == "evgt-test"
        assert option(call, "--resource-group") == "rg-icewatch-test"
        assert option(call, "--endpoint-type") == "webhook"
        assert option(call, "--included-event-types") == "Microsoft.Storage.BlobCreated"


def test_the_endpoint_names_the_function_and_the_key_and_is_seen_by_nobody_else(hook):
    ran = hook("postdeploy.sh")
    told = [word for call in ran.calls for word in call if word.startswith("=")]
    address = "https://func-test.azurewebsites.net/runtime/webhooks/blobs?functionName=Host.Functions."
    assert told == [f"={address}classify&code={KEY}", "=600", f"={address}drop&code={KEY}", "=600"]
    assert KEY not in ran.out + ran.err
    assert not any(KEY in word for call in ran.calls for word in call if not word.startswith("="))


def test_postdeploy_may_run_again(hook):
    first, second = hook("postdeploy.sh"), hook("postdeploy.sh")
    assert first.code == second.code == 0
    assert said(first) == said(second)


def test_postdeploy_waits_for_the_key_and_for_the_app(hook):
    ran = hook("postdeploy.sh", KEY_AFTER="2", EVENTS_AFTER="2")
    assert ran.code == 0, ran.err
    assert [call[1] for call in ran.calls] == ["account"] + ["functionapp"] * 3 + ["eventgrid"] * 4
    assert [option(call, "--name") for call in ran.calls[4:]] == ["classify"] * 3 + ["drop"]


@pytest.mark.parametrize("how", [{"KEY_AFTER": "9"}, {"KEY_AFTER": "9", "KEY_EXIT": "1"}, {"KEY": "None"}])
def test_postdeploy_says_so_when_the_key_cannot_be_read(hook, how):
    ran = hook("postdeploy.sh", **how)
    assert ran.code == 1
    assert "postdeploy: the key blobs_extension of func-test cannot be read after 3 tries" in ran.err
    assert [call[1] for call in ran.calls] == ["account"] + ["functionapp"] * 3


def test_postdeploy_does_not_wait_for_a_key_that_a_dead_login_cannot_read(hook):
    ran = hook("postdeploy.sh", LOGGED_OUT="1")
    assert ran.code == 1
    assert "postdeploy: the Azure CLI is not logged in; run: az login" in ran.err
    assert [call[1] for call in ran.calls] == ["account"]


def test_postdeploy_says_so_when_event_grid_refuses(hook):
    ran = hook("postdeploy.sh", EVENTS_AFTER="9")
    assert ran.code == 1
    assert "postdeploy: Event Grid cannot subscribe function classify after 3 tries" in ran.err


@pytest.mark.parametrize(
    "name",
    ["AZURE_RESOURCE_GROUP", "AZURE_FUNCTION_APP_NAME", "AZURE_FUNCTION_APP_HOST", "EVENT_TOPIC_NAME", "BLOB_TRIGGERS"],
)
def test_postdeploy_does_nothing_without_the_outputs_of_the_templates(hook, name):
    ran = hook("postdeploy.sh", without=name)
    assert ran.code != 0
    assert f"{name}: is not set; run azd provision first" in ran.err
    assert ran.calls == []


THIS_MONTH = f"{datetime.now(UTC):%Y-%m}-01"
BEGUN = "2020-03-01T00:00:00Z"  # as Azure says it


def begins(ran: Ran) -> str | None:
    """The month that is kept as the budget's first; None where the one that was kept stays."""
    assert ran.code == 0, ran.err
    kept = [call for call in ran.calls if call[:4] == ["azd", "env", "set", "ICEWATCH_BUDGET_START"]]
    return kept[0][4] if kept else None


def test_a_first_budget_begins_this_month(hook):
    ran = hook("preprovision.sh")
    assert begins(ran) == THIS_MONTH
    assert [call[1] for call in ran.calls] == ["account", "group", "env"]
    assert option(ran.calls[1], "--name") == "rg-icewatch-test"
    assert option(ran.calls[1], "--subscription") == "the-account"


@pytest.mark.parametrize("group", ["false", "true"], ids=["after azd down", "after a first try without a budget"])
def test_a_budget_that_is_made_again_or_later_begins_this_month_and_not_where_the_old_one_did(hook, group):
    assert begins(hook("preprovision.sh", GROUP=group, ICEWATCH_BUDGET_START="2020-03-01")) == THIS_MONTH


@pytest.mark.parametrize("kept", ["", "2021-01-01"])
def test_a_budget_that_is_there_keeps_its_month_whatever_the_environment_says(hook, kept):
    ran = hook("preprovision.sh", GROUP="true", BUDGET=BEGUN, ICEWATCH_BUDGET_START=kept)
    assert begins(ran) == "2020-03-01"


def test_nothing_is_set_where_the_month_is_right_already(hook):
    assert begins(hook("preprovision.sh", GROUP="true", BUDGET=BEGUN, ICEWATCH_BUDGET_START="2020-03-01")) is None
    assert begins(hook("preprovision.sh", ICEWATCH_BUDGET_START=THIS_MONTH)) is None


def test_without_a_budget_nobody_asks_for_one(hook):
    ran = hook("preprovision.sh", ICEWATCH_MONTHLY_BUDGET="0", GROUP="true")
    assert ran.code == 0, ran.err
    assert not any("Microsoft.Consumption" in word for call in ran.calls for word in call)


def asked(ran: Ran, kind: str) -> list[str]:
    """The one question about resources of the type ``kind``."""
    (found,) = [call for call in ran.calls if kind in str(option(call, "--url"))]
    return found


def kept_image(ran: Ran) -> str | None:
    """What the environment is told of the image; None where it keeps what it has."""
    assert ran.code == 0, ran.err
    kept = [call for call in ran.calls if call[:4] == ["azd", "env", "set", "SERVICE_CORRECT_IMAGE_NAME"]]
    return kept[0][4] if kept else None


IMAGE, STAND_IN = "crabc.azurecr.io/icewatch/correct:azd-deploy-1", "mcr.microsoft.com/k8se/quickstart-jobs:latest"


def test_an_environment_that_knows_no_image_keeps_the_one_that_the_job_has(hook):
    ran = hook("preprovision.sh", GROUP="true", IMAGE=IMAGE)
    assert kept_image(ran) == IMAGE
    assert "no image yet" not in ran.out
    assert kept_image(hook("preprovision.sh", GROUP="true", IMAGE=IMAGE, SERVICE_CORRECT_IMAGE_NAME=IMAGE)) is None


def test_the_image_that_another_machine_deployed_meanwhile_stays(hook):
    older = IMAGE.replace("deploy-1", "deploy-0")
    ran = hook("preprovision.sh", GROUP="true", IMAGE=IMAGE, SERVICE_CORRECT_IMAGE_NAME=older)
    assert kept_image(ran) == IMAGE


def test_where_everything_was_removed_the_image_that_went_with_the_registry_is_forgotten(hook):
    ran = hook("preprovision.sh", GROUP="false", SERVICE_CORRECT_IMAGE_NAME=IMAGE)
    assert kept_image(ran) == ""
    assert "the container step has no image yet; azd up or azd deploy correct makes one" in ran.out
    assert not any("Microsoft.App" in word for call in ran.calls for word in call)


@pytest.mark.parametrize("there", ["", "None", STAND_IN], ids=["no job", "no image", "the stand-in"])
def test_a_job_without_an_image_of_its_own_takes_nothing_from_the_environment(hook, there):
    assert kept_image(hook("preprovision.sh", GROUP="true", IMAGE=there, SERVICE_CORRECT_IMAGE_NAME=IMAGE)) is None
    alone = hook("preprovision.sh", GROUP="true", IMAGE=there)
    assert kept_image(alone) is None
    assert "leaves a stand-in that corrects nothing" in alone.out


def test_the_image_is_asked_of_the_job_of_the_templates_and_their_stand_in_is_known(hook):
    job = load(ROOT).files["job.bicep"].resources["job"].value
    call = asked(hook("preprovision.sh", GROUP="true", IMAGE=IMAGE, AZURE_SUBSCRIPTION_ID="another"), "Microsoft.App")
    assert str(option(call, "--url")).startswith("/subscriptions/another/resourceGroups/rg-icewatch-test/")
    query = str(option(call, "--query"))
    begins = re.fullmatch(
        r"value\[\?starts_with\(name, '([^']+)'\)\]\.properties\.template\.containers\[0\]\.image", query
    )
    assert begins is not None, query
    assert spelled(at(body_of(job), "name")).startswith(f"'{begins[1]}")
    assert STAND_IN in spelled(at(body_of(job), "properties.template.containers.0.image"))


def test_the_month_is_that_of_the_budget_of_the_templates_and_of_no_other(hook):
    query = option(asked(hook("preprovision.sh", GROUP="true", BUDGET=BEGUN), "Microsoft.Consumption"), "--query")
    assert query is not None
    begins = re.fullmatch(r"value\[\?starts_with\(name, '([^']+)'\)\]\.properties\.timePeriod\.startDate", query)
    assert begins is not None, query
    name = load(ROOT).files["alerts.bicep"].resources["budget"].value
    assert spelled(at(body_of(name), "name")).startswith(f"'{begins[1]}")


def test_of_several_months_the_first_is_taken(hook):
    ran = hook("preprovision.sh", GROUP="true", BUDGET=f"{BEGUN}\n2020-01-01T00:00:00Z")
    assert ran.code == 0, ran.err
    assert ran.calls[-1][-1] == f"{BEGUN[:7]}-01"


def test_postdeploy_asks_in_the_subscription_that_azd_deploys_to(hook):
    ran = hook("postdeploy.sh", AZURE_SUBSCRIPTION_ID="another one")
    assert ran.code == 0, ran.err
    assert [option(call, "--subscription") for call in ran.calls[1:]] == ["another one"] * 3
    assert [option(call, "--subscription") for call in hook("postdeploy.sh").calls] == [None] * 4


def test_the_budget_is_looked_for_in_the_subscription_that_azd_deploys_to(hook):
    ran = hook("preprovision.sh", GROUP="true", BUDGET=BEGUN, AZURE_SUBSCRIPTION_ID="another")
    assert option(ran.calls[1], "--subscription") == "another"
    url = str(option(asked(ran, "Microsoft.Consumption"), "--url"))
    assert url.startswith("/subscriptions/another/resourceGroups/rg-icewatch-test/")


PLAIN = "holds a blank, a line break or a sign outside of ASCII"
KEYS = {  # that the app would refuse as well
    "short": "has 5 characters; expected 20 to 200",
    "k" * 201: "has 201 characters; expected 20 to 200",
    "a key with blanks in it, thirty": PLAIN,
    "k" * 30 + "\n": PLAIN,
    "schl\u00fcssel" * 4: PLAIN,
}


@pytest.mark.parametrize("key", KEYS)
def test_the_hook_refuses_the_keys_that_the_app_refuses(key):
    with pytest.raises(BadSetting):
        usable(key)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"LOGGED_OUT": "1"}, "not logged in; run: az login"),
        ({"without": "ICEWATCH_ALERT_EMAIL"}, "run: azd env set ICEWATCH_ALERT_EMAIL"),
        ({"without": "ICEWATCH_SEN2COR_SHA256"}, "run: azd env set ICEWATCH_SEN2COR_SHA256"),
        ({"without": "AZURE_ENV_NAME"}, "AZURE_ENV_NAME: is not set; run this by azd"),
        *[({"ICEWATCH_API_KEY": key}, f"ICEWATCH_API_KEY {says}") for key, says in KEYS.items()],
        ({"ICEWATCH_SCHEDULE": "0 0 */6 * *"}, "ICEWATCH_SCHEDULE has 5 fields; expected six"),
        ({"ICEWATCH_WATCH_SCHEDULE": "* * * * * * *"}, "ICEWATCH_WATCH_SCHEDULE has 7 fields; expected six"),
        ({"GROUP": "refused"}, "az cannot tell whether rg-icewatch-test exists"),
        (
            {"GROUP": "true", "IMAGE": "refused"},
            "az cannot read which image the container step of rg-icewatch-test has",
        ),
    ],
)
def test_preprovision_stops_before_anything_is_made(hook, how, says):
    ran = hook("preprovision.sh", **how)
    assert ran.code != 0
    assert says in ran.err
    assert not any(call[0] == "azd" for call in ran.calls)


KEPT = "!~" * 10  # the first sign and the last


def test_a_budget_that_cannot_be_read_stops_the_hook(hook):
    ran = hook("preprovision.sh", GROUP="true", BUDGET="refused")
    assert ran.code == 1
    assert "az cannot read the budget of rg-icewatch-test" in ran.err


def test_a_schedule_of_six_fields_and_a_long_key_are_taken(hook):
    how = {"ICEWATCH_SCHEDULE": "0 0 */6 * * *", "ICEWATCH_WATCH_SCHEDULE": "", "ICEWATCH_API_KEY": KEPT}
    ran = hook("preprovision.sh", **how)
    assert ran.code == 0, ran.err
    assert usable(KEPT) == KEPT
    assert KEPT not in ran.out + ran.err + str(ran.calls)


def test_azd_up_runs_the_hooks_around_provisioning_and_deployment(hook):
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))["hooks"]
    steps = [f"{when}{command}" for command in ("provision", "deploy") for when in ("pre", "post")]
    assert set(hooks) <= set(steps), "azd up runs provision and deploy"
    calls = []
    for name in sorted(hooks, key=steps.index):
        ran = hook(Path(hooks[name]["posix"]["run"]).name)
        assert ran.code == 0, ran.err
        calls += [" ".join(call[:3]) for call in ran.calls]
    assert calls[:3] == ["az account show", "az group exists", "azd env set"]
    assert calls[3:] == ["az account show", "az functionapp keys", *["az eventgrid system-topic"] * 2]
