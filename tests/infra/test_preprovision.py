"""The hook before provisioning, run by sh against stand-ins: what stops it, and what it finds out and keeps."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from infra.check.load import load
from infra.check.promises import at
from infra.check.spelled import spelled
from infra.check.values import body_of
from shared.api_key import usable
from shared.errors import BadSetting
from tests.conftest import ROOT
from tests.infra.hook_standins import Ran, option

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
        *[
            (
                {"GROUP": there, "SERVICE_CORRECT_IMAGE_NAME": IMAGE},
                "neither true nor false to whether rg-icewatch-test",
            )
            for there in ("", "True", "Result\n--------\nTrue", "true\n...")
        ],
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
