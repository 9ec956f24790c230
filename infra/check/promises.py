"""What the templates promise: no keys, nothing public, bounded cost, a container step that only the queue retries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.check.finding import Finding
from infra.check.load import Templates
from infra.check.names import FUNCTIONS, JOB
from infra.check.spelled import spelled
from infra.check.template import Resource, Template
from infra.check.values import Fields, Items, Name, Number, Value, body_of

_DEPLOYMENT = "properties.functionAppConfig.deployment.storage"
_TRIGGER = "properties.configuration.eventTriggerConfig"
_RULE = f"{_TRIGGER}.scale.rules.0"
_PROFILE = "properties.workloadProfiles.0"
_MAILS = "properties.notifications"
_UNTAGGED = {  # what takes no tags
    "Microsoft.Authorization/roleAssignments",
    "Microsoft.Consumption/budgets",
    "Microsoft.Insights/diagnosticSettings",
    "Microsoft.KeyVault/vaults/secrets",
    "Microsoft.Storage/storageAccounts/managementPolicies",
}


@dataclass(frozen=True, slots=True)
class Promise:
    """What a property of a resource has to be."""

    file: str
    resource: str  # its symbol
    path: str  # a number picks an item of an array
    value: object  # None: absent
    why: str


PROMISES = (
    Promise("storage.bicep", "account", "properties.allowSharedKeyAccess", False, "access is by identity"),
    Promise("storage.bicep", "account", "properties.allowBlobPublicAccess", False, "nothing is public"),
    Promise("storage.bicep", "account", "properties.minimumTlsVersion", "TLS1_2", "older TLS is broken"),
    Promise("storage.bicep", "account", "properties.publicNetworkAccess", "Enabled", "no private network is made"),
    Promise("storage.bicep", "account", "properties.supportsHttpsTrafficOnly", True, "nothing goes in clear"),
    Promise("storage.bicep", "blobContainers", "properties.publicAccess", "None", "nothing is public"),
    Promise("storage.bicep", "blobs", "properties.isVersioningEnabled", True, "what is overwritten can be got back"),
    Promise("storage.bicep", "blobs", "properties.deleteRetentionPolicy.enabled", True, "deletion can be undone"),
    Promise("storage.bicep", "blobs", "properties.containerDeleteRetentionPolicy.enabled", True, "the same"),
    Promise("registry.bicep", "registry", "properties.adminUserEnabled", False, "images are pulled by identity"),
    Promise("registry.bicep", "registry", "properties.anonymousPullEnabled", False, "Sen2Cor must not be given away"),
    Promise("monitoring.bicep", "insights", "properties.DisableLocalAuth", True, "telemetry is sent by identity"),
    Promise("monitoring.bicep", "workspace", "properties.features.disableLocalAuth", True, "the same"),
    Promise("keyvault.bicep", "vault", "properties.enableRbacAuthorization", True, "rights are in infra/roles.bicep"),
    Promise("keyvault.bicep", "vault", "properties.enableSoftDelete", True, "deletion can be undone"),
    Promise(FUNCTIONS, "app", "properties.httpsOnly", True, "nothing goes in clear"),
    Promise(FUNCTIONS, "app", "properties.siteConfig.minTlsVersion", "1.2", "older TLS is broken"),
    Promise(FUNCTIONS, "app", "properties.siteConfig.ftpsState", "Disabled", "nobody deploys by FTP"),
    Promise(FUNCTIONS, "publishing", "properties.allow", False, "nobody deploys with a password"),
    Promise(FUNCTIONS, "plan", "sku.name", "FC1", "Flex Consumption is paid by use"),
    Promise(FUNCTIONS, "plan", "properties.reserved", True, "Flex Consumption is Linux"),
    Promise(FUNCTIONS, "app", "properties.functionAppConfig.scaleAndConcurrency.alwaysReady", [], "idle costs nothing"),
    Promise(FUNCTIONS, "app", f"{_DEPLOYMENT}.type", "blobContainer", "the package is fetched by identity"),
    Promise(FUNCTIONS, "app", f"{_DEPLOYMENT}.authentication.type", "UserAssignedIdentity", "the same"),
    Promise(JOB, "job", "properties.configuration.triggerType", "Event", "a message starts it"),
    Promise(JOB, "job", "properties.configuration.replicaRetryLimit", 0, "the queue alone counts tries"),
    Promise(JOB, "job", f"{_TRIGGER}.parallelism", 1, "one run takes one message"),
    Promise(JOB, "job", f"{_TRIGGER}.scale.minExecutions", 0, "idle costs nothing"),
    Promise(JOB, "job", f"{_RULE}.type", "azure-queue", "a message starts it"),
    Promise(JOB, "job", f"{_RULE}.metadata.queueLength", "1", "one run takes one message"),
    Promise(
        JOB, "job", "properties.template.containers.0.resources.cpu", 4, "Sen2Cor needs the disk that comes with it"
    ),
    Promise(JOB, "job", "properties.template.containers.0.resources.memory", "8Gi", "Sen2Cor takes over 4 GiB"),
    Promise("keyvault.bicep", "vault", "properties.softDeleteRetentionInDays", 7, "as the docs say"),
    Promise("keyvault.bicep", "vault", "properties.publicNetworkAccess", "Enabled", "no private network is made"),
    Promise("registry.bicep", "registry", "properties.publicNetworkAccess", "Enabled", "no private network is made"),
    Promise("registry.bicep", "registry", "sku.name", "Basic", "as docs/cost.md reckons"),
    Promise("monitoring.bicep", "workspace", "properties.sku.name", "PerGB2018", "as docs/cost.md reckons"),
    Promise(FUNCTIONS, "plan", "sku.tier", "FlexConsumption", "paid by use"),
    Promise(JOB, "environment", "properties.appLogsConfiguration.destination", "azure-monitor", "no key is needed"),
    Promise(JOB, "job", f"{_TRIGGER}.replicaCompletionCount", 1, "one run takes one message"),
    Promise(JOB, "job", f"{_TRIGGER}.scale.pollingInterval", 30, "a message waits for seconds"),
    Promise(JOB, "job", "properties.workloadProfileName", "Consumption", "paid by use"),
    Promise(JOB, "environment", f"{_PROFILE}.name", "Consumption", "the profile that the job names"),
    Promise(JOB, "environment", f"{_PROFILE}.workloadProfileType", "Consumption", "paid by use"),
    Promise("events.bicep", "topic", "properties.topicType", "Microsoft.Storage.StorageAccounts", "blobs are told of"),
    Promise(JOB, "job", "properties.template.containers.0.name", "correct", "capitals and blanks are refused"),
    Promise(JOB, "job", f"{_TRIGGER}.scale.rules.0.name", "corrections", "the same"),
    Promise("alerts.bicep", "mail", "location", "global", "few regions have groups of their own"),
    Promise("alerts.bicep", "mail", "properties.groupShortName", "icewatch", "at most 12 letters"),
    Promise("alerts.bicep", "budget", "properties.timeGrain", "Monthly", "it is called a month's"),
    Promise("alerts.bicep", "mail", "properties.enabled", True, "alarms reach somebody"),
    Promise("alerts.bicep", "alarms", "properties.enabled", True, "alarms reach somebody"),
    Promise("alerts.bicep", "budget", f"{_MAILS}.spent80.enabled", True, "the budget reaches somebody"),
    Promise("alerts.bicep", "budget", f"{_MAILS}.spent80.threshold", 80, "as the docs say"),
    Promise("alerts.bicep", "budget", f"{_MAILS}.forecast100.enabled", True, "the budget reaches somebody"),
    Promise("alerts.bicep", "budget", f"{_MAILS}.forecast100.threshold", 100, "as the docs say"),
    Promise(
        "storage.bicep", "lifecycle", "properties.policy.rules.0.enabled", True, "staged products go by themselves"
    ),
    Promise(
        "storage.bicep",
        "lifecycle",
        "properties.policy.rules.0.definition.filters.prefixMatch",
        ["l1c/", "staging/"],
        "results must stay",
    ),
    Promise(
        "storage.bicep",
        "lifecycle",
        "properties.policy.rules.1.definition.actions.baseBlob",
        None,
        "only versions and snapshots go everywhere",
    ),
    Promise(
        "storage.bicep",
        "lifecycle",
        "properties.policy.rules.1.definition.filters.prefixMatch",
        None,
        "versions go everywhere",
    ),
    Promise(
        "storage.bicep",
        "lifecycle",
        "properties.policy.rules.0.definition.actions.version.delete.daysAfterCreationGreaterThan",
        1,
        "versions of staged products are hundreds of MB",
    ),
    Promise("storage.bicep", "lifecycle", "properties.policy.rules.2", None, "no other rule deletes anything"),
)
DEFAULTS = {  # as the docs say
    ("storage.bicep", "stagedDays"): 14,
    ("storage.bicep", "versionDays"): 30,
    ("storage.bicep", "restoreDays"): 7,
    ("alerts.bicep", "failuresPerHour"): 20,
}


def check(templates: Templates) -> Iterator[Finding]:
    """Every promise that is not kept."""
    for promise in PROMISES:
        yield from _kept(templates, promise)
    for (file, name), days in DEFAULTS.items():
        parameter = templates.files[file].parameters.get(name)
        default = parameter.default if parameter else None
        if not (isinstance(default, Number) and default.number == days):
            told = f"{name} is not {days} by default, which the docs promise."
            yield templates.files[file].says(parameter.line if parameter else 1, "promise", told)
    yield from _in_the_group(templates)
    for template in templates.files.values():
        yield from (
            template.says(resource.line, "promise", f"{resource.symbol} has no tags.")
            for resource in template.resources.values()
            if _lacks_tags(resource)
        )


def at(value: Value | None, path: str) -> Value | None:
    """The value at ``path`` of the body of a declaration; None where there is none."""
    for part in path.split("."):
        if isinstance(value, Items):
            value = value.values[int(part)] if part.isdigit() and int(part) < len(value.values) else None
        else:
            value = value.get(part) if isinstance(value, Fields) else None
    return value


def _kept(templates: Templates, promise: Promise) -> Iterator[Finding]:
    template = templates.files[promise.file]
    resource = template.resources.get(promise.resource)
    if resource is None:
        yield template.says(1, "promise", f"there is no {promise.resource}: {promise.why}.")
        return
    value = at(body_of(resource.value), promise.path)
    if _said(templates, template, value) != promise.value:
        expected = "absent" if promise.value is None else promise.value
        line = value.line if value else resource.line
        yield template.says(line, "promise", f"{promise.path} is not {expected}: {promise.why}.")


def _said(templates: Templates, template: Template, value: Value | None) -> object:
    if isinstance(value, Number):
        return value.number
    told = templates.plain(template, value)
    return value if told is None else told  # what only Azure knows is no constant, and not absent


def _in_the_group(templates: Templates) -> Iterator[Finding]:
    for module in templates.main.modules.values():
        scope = at(body_of(module.value), "scope")
        if not (isinstance(scope, Name) and scope.name == "group"):
            told = f"{module.symbol} is not in the resource group; azd down would leave it."
            yield templates.main.says(module.line, "promise", told)


def _lacks_tags(resource: Resource) -> bool:
    body = body_of(resource.value)
    if resource.existing or resource.type in _UNTAGGED or body is None:
        return False
    tags = spelled(body.get("tags"))
    return body.get("parent") is None and tags != "tags" and not tags.startswith("union(tags, ")
