"""What the templates promise: no keys, nothing public, bounded cost, a container step that only the queue retries."""

from __future__ import annotations

import json

import pytest

from infra.check.load import Templates, load
from infra.check.values import Fields, Items, Name, Number, Text, Value, body_of, every, used_names
from shared.settings import Correction
from tests.conftest import ROOT

TEMPLATES = load(ROOT)


def found(file: str, symbol: str, path: str) -> Value:
    """The value at ``path`` of a resource; a number in the path picks an item of an array."""
    value: Value | None = body_of(TEMPLATES.files[file].resources[symbol].value)
    for part in path.split("."):
        if isinstance(value, Items):
            value = value.values[int(part)]
        else:
            assert isinstance(value, Fields), path
            value = value.get(part)
    assert value is not None, f"{file} {symbol} has no {path}"
    return value


def plain(value: Value) -> object:
    if isinstance(value, Number):
        return value.number
    return [] if isinstance(value, Items) and not value.values else TEMPLATES.plain(TEMPLATES.main, value)


@pytest.mark.parametrize(
    ("file", "symbol", "path", "expected"),
    [
        ("storage.bicep", "account", "properties.allowSharedKeyAccess", False),
        ("storage.bicep", "account", "properties.allowBlobPublicAccess", False),
        ("storage.bicep", "account", "properties.minimumTlsVersion", "TLS1_2"),
        ("storage.bicep", "account", "properties.supportsHttpsTrafficOnly", True),
        ("storage.bicep", "blobContainers", "properties.publicAccess", "None"),
        ("storage.bicep", "blobs", "properties.deleteRetentionPolicy.enabled", True),
        ("storage.bicep", "blobs", "properties.containerDeleteRetentionPolicy.enabled", True),
        ("registry.bicep", "registry", "properties.adminUserEnabled", False),
        ("registry.bicep", "registry", "properties.anonymousPullEnabled", False),
        ("monitoring.bicep", "insights", "properties.DisableLocalAuth", True),
        ("monitoring.bicep", "workspace", "properties.features.disableLocalAuth", True),
        ("keyvault.bicep", "vault", "properties.enableRbacAuthorization", True),
        ("keyvault.bicep", "vault", "properties.enableSoftDelete", True),
        ("functions.bicep", "app", "properties.httpsOnly", True),
        ("functions.bicep", "app", "properties.siteConfig.minTlsVersion", "1.2"),
        ("functions.bicep", "app", "properties.siteConfig.ftpsState", "Disabled"),
        ("functions.bicep", "publishing", "properties.allow", False),
    ],
)
def test_nothing_is_open_and_nothing_has_a_key(file, symbol, path, expected):
    assert plain(found(file, symbol, path)) == expected


@pytest.mark.parametrize(
    ("file", "symbol", "path", "expected"),
    [
        ("functions.bicep", "plan", "sku.name", "FC1"),
        ("functions.bicep", "app", "properties.functionAppConfig.scaleAndConcurrency.alwaysReady", []),
        ("functions.bicep", "app", "properties.functionAppConfig.deployment.storage.type", "blobContainer"),
        (
            "functions.bicep",
            "app",
            "properties.functionAppConfig.deployment.storage.authentication.type",
            "UserAssignedIdentity",
        ),
        ("job.bicep", "job", "properties.configuration.triggerType", "Event"),
        ("job.bicep", "job", "properties.configuration.replicaRetryLimit", 0),
        ("job.bicep", "job", "properties.configuration.eventTriggerConfig.parallelism", 1),
        ("job.bicep", "job", "properties.configuration.eventTriggerConfig.scale.minExecutions", 0),
        ("job.bicep", "job", "properties.configuration.eventTriggerConfig.scale.rules.0.type", "azure-queue"),
        ("job.bicep", "job", "properties.configuration.eventTriggerConfig.scale.rules.0.metadata.queueLength", "1"),
        ("job.bicep", "job", "properties.template.containers.0.resources.cpu", 4),
        ("job.bicep", "job", "properties.template.containers.0.resources.memory", "8Gi"),
        ("alerts.bicep", "mail", "properties.enabled", True),
    ],
)
def test_idle_costs_nothing_and_only_the_queue_retries(file, symbol, path, expected):
    assert plain(found(file, symbol, path)) == expected


def test_the_scaler_and_the_registry_are_reached_by_the_identity_of_the_job():
    rule = "properties.configuration.eventTriggerConfig.scale.rules.0"
    for path in (f"{rule}.identity", "properties.configuration.registries.0.identity"):
        value = found("job.bicep", "job", path)
        assert isinstance(value, Name)
        assert value.name == "identityId"


def test_staged_products_go_after_fourteen_days_and_old_versions_after_thirty():
    defaults = {
        name: TEMPLATES.files["storage.bicep"].parameters[name].default for name in ("stagedDays", "versionDays")
    }
    assert {name: value.number for name, value in defaults.items() if isinstance(value, Number)} == {
        "stagedDays": 14,
        "versionDays": 30,
    }
    rules = found("storage.bicep", "lifecycle", "properties.policy.rules")
    assert isinstance(rules, Items)
    prefixes = [
        TEMPLATES.plain(TEMPLATES.main, found_in(rule, "definition.filters.prefixMatch")) for rule in rules.values
    ]
    assert prefixes[0] == ["l1c/", "staging/"]
    covered = {str(prefix).rstrip("/") for group in prefixes if isinstance(group, list) for prefix in group}
    everything = TEMPLATES.constant("names.bicep", "containers")
    assert isinstance(everything, list)
    assert covered == {*everything, TEMPLATES.constant("names.bicep", "packageContainer")}


def found_in(value: Value | None, path: str) -> Value | None:
    for part in path.split("."):
        assert isinstance(value, Fields)
        value = value.get(part)
    return value


def test_a_run_is_ended_from_outside_only_well_after_its_own_limit():
    default = TEMPLATES.main.parameters["replicaTimeout"].default
    assert isinstance(default, Number)
    assert default.number >= Correction().time_limit + 1800  # unpacking and upload


def secrets(templates: Templates) -> list[tuple[str, str]]:
    return [
        (file, parameter.name)
        for file, template in templates.files.items()
        for parameter in template.parameters.values()
        if parameter.name.lower().endswith(("password", "user", "secret", "key"))
    ]


def test_every_login_is_a_secure_parameter_and_no_output():
    assert len(secrets(TEMPLATES)) == 10
    for file, name in secrets(TEMPLATES):
        template = TEMPLATES.files[file]
        assert template.parameters[name].decorator("secure"), f"{name} of {file}"
        used = {use.name for output in template.outputs.values() for use in used_names(output.value)}
        assert name not in used


def test_no_setting_holds_a_login_only_references_to_the_key_vault_do():
    settings = TEMPLATES.files["functions.bicep"].variables["settings"].value
    for entry in (entry for inside in every(settings) if isinstance(inside, Fields) for entry in inside.entries):
        if entry.key and entry.key.endswith(("_USER", "_PASSWORD", "_KEY")):
            assert isinstance(entry.value, Text)
            assert entry.value.parts[0] == "@Microsoft.KeyVault(SecretUri="


def test_the_secrets_that_are_referred_to_are_the_ones_that_are_made():
    vault = TEMPLATES.files["keyvault.bicep"]
    made = {
        name
        for resource in vault.resources.values()
        if resource.type.endswith("/secrets")
        for name in TEMPLATES.names_of(vault, body_of(resource.value) or resource.value)
    }
    settings = TEMPLATES.files["functions.bicep"].variables["settings"].value
    texts = [inside for inside in every(settings) if isinstance(inside, Text) and len(inside.parts) == 3]
    asked = {str(text.parts[2]).strip("/)") for text in texts if str(text.parts[0]).startswith("@Microsoft.KeyVault")}
    assert made == asked


def test_no_default_is_a_name_that_a_developers_machine_has_set_for_something_else():
    # azd takes a variable from the process where its own environment has none.
    given = json.dumps(json.loads((ROOT / "infra/main.parameters.json").read_text(encoding="utf-8")))
    for name in ("PYTHON_VERSION", "USER", "EMAIL", "LOCATION", "PATH"):
        assert f"${{{name}=" not in given
        assert f"${{{name}}}" not in given


def test_every_module_of_main_is_in_its_resource_group():
    for module in TEMPLATES.main.modules.values():
        body = body_of(module.value)
        scope = body.get("scope") if body else None
        assert isinstance(scope, Name)
        assert scope.name == "group"


def test_everything_that_can_be_tagged_is_tagged():
    untagged = {
        "Microsoft.Authorization/roleAssignments",
        "Microsoft.Consumption/budgets",
        "Microsoft.Insights/diagnosticSettings",
        "Microsoft.KeyVault/vaults/secrets",
        "Microsoft.Storage/storageAccounts/managementPolicies",
    }
    for template in TEMPLATES.files.values():
        for resource in template.resources.values():
            body = body_of(resource.value)
            if resource.existing or resource.type in untagged or (body and body.get("parent")):
                continue
            assert body is not None
            assert body.get("tags") is not None, f"{template.shown} {resource.symbol}"
