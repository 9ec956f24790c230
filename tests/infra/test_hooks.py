"""The hooks of azd, run by sh against recording stand-ins of az and azd: their order, and the one after deployment."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.infra.hook_standins import KEY, Ran, option


def said(ran: Ran) -> list[list[str]]:
    """The calls without the name of the private file, which is another each time."""
    return [[word for word in call if not word.startswith("@")] for call in ran.calls]


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


def test_postdeploy_asks_in_the_subscription_that_azd_deploys_to(hook):
    ran = hook("postdeploy.sh", AZURE_SUBSCRIPTION_ID="another one")
    assert ran.code == 0, ran.err
    assert [option(call, "--subscription") for call in ran.calls[1:]] == ["another one"] * 3
    assert [option(call, "--subscription") for call in hook("postdeploy.sh").calls] == [None] * 4


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
