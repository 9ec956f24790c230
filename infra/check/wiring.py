"""What is plugged into what: modules get what their parameters are named after, and expressions are as promised."""

from __future__ import annotations

from collections.abc import Iterator

from infra.check.finding import Finding
from infra.check.load import MAIN, Templates
from infra.check.names import FUNCTIONS, JOB
from infra.check.promises import at
from infra.check.spelled import spelled
from infra.check.template import Module, Template
from infra.check.values import Call, Each, Fields, Items, Value, When, body_of

ALERTS, VAULT, IDENTITIES, EVENTS = "alerts.bicep", "keyvault.bicep", "identities.bicep", "events.bicep"
MONITORING, STORAGE, WORKBOOK = "monitoring.bicep", "storage.bicep", "workbook.bicep"
_OF_IDENTITY = {"identityId": "Id", "identityClientId": "ClientId"}  # of the module that takes it
_GIVEN = {  # parameter of any module: what main.bicep gives it; the others get what has their own name
    "storageName": "storage.outputs.name",
    "storageId": "storage.outputs.id",
    "blobUri": "storage.outputs.blobUri",
    "queueUri": "storage.outputs.queueUri",
    "tableUri": "storage.outputs.tableUri",
    "insightsName": "monitoring.outputs.insightsName",
    "insightsConnectionString": "monitoring.outputs.insightsConnectionString",
    "workspaceId": "monitoring.outputs.workspaceId",
    "vaultName": "keyVault.outputs.name",
    "vaultUri": "keyVault.outputs.uri",
    "registryName": "registry.outputs.name",
    "registryServer": "registry.outputs.loginServer",
    "functionsPrincipalId": "identities.outputs.functionsPrincipalId",
    "jobPrincipalId": "identities.outputs.jobPrincipalId",
    "sku": "storageSku",
    "retentionDays": "logRetentionDays",
    "dailyCapGb": "logDailyCapGb",
    "purgeProtection": "keyVaultPurgeProtection",
    "image": "correctImage",
    "maximumExecutions": "maximumCorrections",
    "email": "alertEmail",
    "budgetStart": "empty(budgetStart) ? thisMonth : budgetStart",
}
_TIMED = "empty(tuning.{0}) ? '{1}' : tuning.{0}"
_DEPLOYMENT = "properties.functionAppConfig"
_TRIGGER = "properties.configuration.eventTriggerConfig.scale"
_SETTINGS = "var settings.AzureWebJobsStorage__"
# File, place, and what has to stand there. A place is "var NAME", "output NAME" or a symbol, with the path below it;
# "if" is the condition of a declaration, "for" what it goes through.
WRITTEN = (
    (MAIN, "var tags", "{ azd-env-name: environmentName }"),  # azd finds everything by it
    (MAIN, "var token", "toLower(uniqueString(subscription().id, environmentName, location))"),  # all that tells apart
    (MAIN, "group.name", "'rg-icewatch-${environmentName}'"),  # the hook looks for the budget there
    (
        MAIN,
        "var operatorPrincipalId",
        "operatorId == 'me' ? deployerPrincipalId : operatorId == 'none' ? '' : operatorId",
    ),
    (MAIN, "var operatorPrincipalType", "operatorId == 'me' ? deployerPrincipalType : operatorType"),
    (MAIN, "functions.dependsOn", "[roles]"),  # an app that starts without its rights fails at once
    (MAIN, "job.dependsOn", "[roles]"),
    (MAIN, "operator if", "!empty(operatorPrincipalId)"),
    (MAIN, "output AZURE_LOCATION", "location"),
    (MAIN, "output AZURE_RESOURCE_GROUP", "group.name"),
    (MAIN, "output AZURE_CONTAINER_REGISTRY_ENDPOINT", "registry.outputs.loginServer"),
    (MAIN, "output AZURE_FUNCTION_APP_NAME", "functions.outputs.name"),
    (MAIN, "output AZURE_FUNCTION_APP_HOST", "functions.outputs.host"),
    (MAIN, "output EVENT_TOPIC_NAME", "events.outputs.topicName"),
    (MAIN, "output BLOB_TRIGGERS", "events.outputs.blobTriggers"),
    (MAIN, "output AZURE_STORAGE_ACCOUNT_NAME", "storage.outputs.name"),
    (MAIN, "output AZURE_KEY_VAULT_NAME", "keyVault.outputs.name"),
    (MAIN, "output AZURE_CORRECT_JOB_NAME", "job.outputs.name"),
    (STORAGE, "blobContainers for", "concat(containers, [packageContainer])"),
    (STORAGE, "storageQueues for", "concat(queues, poisonQueues)"),
    (STORAGE, "storageTables for", "tables"),
    (STORAGE, "blobs.properties.deleteRetentionPolicy.days", "restoreDays"),
    (STORAGE, "blobs.properties.containerDeleteRetentionPolicy.days", "restoreDays"),
    (STORAGE, "output name", "account.name"),
    (STORAGE, "output id", "account.id"),
    (IDENTITIES, "output functionsId", "functions.id"),
    (IDENTITIES, "output functionsClientId", "functions.properties.clientId"),
    (IDENTITIES, "output functionsPrincipalId", "functions.properties.principalId"),
    (IDENTITIES, "output jobId", "job.id"),
    (IDENTITIES, "output jobClientId", "job.properties.clientId"),
    (IDENTITIES, "output jobPrincipalId", "job.properties.principalId"),
    (MONITORING, "output workspaceId", "workspace.id"),
    (MONITORING, "output insightsName", "insights.name"),
    (MONITORING, "output insightsConnectionString", "insights.properties.ConnectionString"),
    (MONITORING, "insights.properties.WorkspaceResourceId", "workspace.id"),
    (VAULT, "output uri", "vault.properties.vaultUri"),
    (VAULT, "vault.properties.enablePurgeProtection", "purgeProtection ? true : null"),  # false is refused
    (FUNCTIONS, "output name", "app.name"),
    (FUNCTIONS, "output host", "app.properties.defaultHostName"),
    (FUNCTIONS, "var secrets", "'${vaultUri}secrets'"),
    (FUNCTIONS, "var settings.SCHEDULE", _TIMED.format("SCHEDULE", "0 0 */6 * * *")),  # as the docs and alarms say
    (FUNCTIONS, "var settings.WATCH_SCHEDULE", _TIMED.format("WATCH_SCHEDULE", "0 */15 * * * *")),
    (FUNCTIONS, f"{_SETTINGS}credential", "'managedidentity'"),
    (FUNCTIONS, f"{_SETTINGS}clientId", "identityClientId"),
    (JOB, f"{_SETTINGS}clientId", "identityClientId"),
    (FUNCTIONS, "var settings.APPLICATIONINSIGHTS_CONNECTION_STRING", "insightsConnectionString"),
    (
        FUNCTIONS,
        "var settings.APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
        "'ClientId=${identityClientId};Authorization=AAD'",
    ),
    (FUNCTIONS, "var settings.PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY", "'true'"),
    (
        FUNCTIONS,
        "var settings.OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
        "'azure_sdk,requests,urllib,urllib3'",  # the libraries that reach storage; those of the provider stay
    ),
    (FUNCTIONS, "appSettings.properties", "settings"),
    (FUNCTIONS, "publishing for", "['ftp', 'scm']"),
    (FUNCTIONS, "app.kind", "'functionapp,linux'"),
    (FUNCTIONS, "app.identity.type", "'UserAssigned'"),
    (FUNCTIONS, "app.properties.serverFarmId", "plan.id"),
    (FUNCTIONS, "app.properties.keyVaultReferenceIdentity", "identityId"),  # else no reference is resolved
    (FUNCTIONS, "app.identity.userAssignedIdentities", "{ '${identityId}': {  } }"),
    (FUNCTIONS, f"app.{_DEPLOYMENT}.deployment.storage.value", "'${blobUri}${packageContainer}'"),
    (
        FUNCTIONS,
        f"app.{_DEPLOYMENT}.deployment.storage.authentication.userAssignedIdentityResourceId",
        "identityId",
    ),
    (FUNCTIONS, f"app.{_DEPLOYMENT}.runtime", "{ name: 'python', version: '3.11' }"),  # of the pins
    (FUNCTIONS, f"app.{_DEPLOYMENT}.scaleAndConcurrency.maximumInstanceCount", "maximumInstanceCount"),
    (JOB, "var variables", "map(items(settings), setting => { name: setting.key, value: setting.value })"),
    (JOB, "job.identity.type", "'UserAssigned'"),
    (JOB, "job.identity.userAssignedIdentities", "{ '${identityId}': {  } }"),
    (JOB, "job.properties.environmentId", "environment.id"),
    (JOB, "job.properties.configuration.replicaTimeout", "max(replicaTimeout, timeLimit + around)"),
    (JOB, "job.properties.configuration.registries", "[{ server: registryServer, identity: identityId }]"),
    (JOB, f"job.{_TRIGGER}.maxExecutions", "maximumExecutions"),
    (JOB, f"job.{_TRIGGER}.rules.0.identity", "identityId"),  # the scaler has no key
    (JOB, f"job.{_TRIGGER}.rules.0.metadata.accountName", "storageName"),
    (
        JOB,
        "job.properties.template.containers.0.image",
        "empty(image) ? 'mcr.microsoft.com/k8se/quickstart-jobs:latest' : image",
    ),
    (JOB, "job.properties.template.containers.0.env", "variables"),
    (JOB, "logs.scope", "environment"),
    (JOB, "logs.properties.logs.0", "{ category: 'ContainerAppConsoleLogs', enabled: true }"),
    (JOB, "logs.properties.logs.1", "{ category: 'ContainerAppSystemLogs', enabled: true }"),
    (EVENTS, "topic.properties.source", "storageId"),
    (
        EVENTS,
        "output blobTriggers",
        "join(map(blobTriggers, one => '${one.function}|${one.begins}|${one.ends}'), ';')",
    ),
    (ALERTS, "alarms.properties.evaluationFrequency", "'PT1H'"),  # as docs/operate.md says
    (ALERTS, "alarms.properties.criteria.allOf.0.timeAggregation", "'Count'"),  # of the rows a query gives
    (
        ALERTS,
        "alarms.properties.criteria.allOf.0.failingPeriods",
        "{ numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }",
    ),
    (ALERTS, "budget.name", "'budget-${token}'"),  # the hook asks for what begins so
    (ALERTS, "budget.properties.notifications.forecast100.thresholdType", "'Forecasted'"),
    (ALERTS, "alarms.properties.scopes", "[workspaceId]"),
    (ALERTS, "alarms.properties.windowSize", "rule.window"),
    (ALERTS, "alarms.properties.criteria.allOf.0.operator", "rule.operator"),
    (ALERTS, "alarms.properties.criteria.allOf.0.threshold", "rule.threshold"),
    (ALERTS, "alarms.properties.actions", "{ actionGroups: [mail.id] }"),
    (ALERTS, "mail.properties.emailReceivers.0.emailAddress", "email"),
    (ALERTS, "budget if", "monthlyBudget > 0"),
    (ALERTS, "budget.properties.notifications.spent80.contactEmails", "[email]"),
    (ALERTS, "budget.properties.notifications.forecast100.contactEmails", "[email]"),
    (
        WORKBOOK,
        "workbook.properties.serializedData",
        "replace(string(loadJsonContent('workbook.json')), '<workspace>', workspaceId)",
    ),
)
ALARMS = {  # operator, threshold and window of each rule
    "poison": ("GreaterThan", "0", "PT1H"),
    "failures": ("GreaterThan", "failuresPerHour", "PT1H"),
    "watch-silent": ("LessThan", "1", "PT1H"),
    "schedule-silent": ("LessThan", "1", "P1D"),
    "oldest": ("GreaterThan", "0", "P2D"),
    "job-failures": ("GreaterThan", "0", "PT1H"),
}


def check(templates: Templates) -> Iterator[Finding]:
    """Every finding about what is plugged into what."""
    for module in templates.main.modules.values():
        yield from _given(templates.main, module)
    for file, place, text in WRITTEN:
        template = templates.files[file]
        line, found = place_of(template, place)
        if spelled(found) != text:
            yield template.says(line, "wiring", f"{place} is not {text}.")
    yield from _alarms(templates.files[ALERTS])


def _given(main: Template, module: Module) -> Iterator[Finding]:
    given = at(body_of(module.value), "params")
    for entry in given.entries if isinstance(given, Fields) else ():
        name = entry.key or ""
        if name in _OF_IDENTITY:
            expected = f"identities.outputs.{module.symbol}{_OF_IDENTITY[name]}"
        else:
            expected = _GIVEN.get(name, name)
        if spelled(entry.value) != expected:
            yield main.says(entry.line, "wiring", f"{name} of {module.symbol} is not {expected}.")


def place_of(template: Template, place: str) -> tuple[int, Value | None]:
    """The line and the expression at ``place`` (see ``WRITTEN``); line 1 and None where there is nothing."""
    kind, _, rest = place.partition(" ")
    if kind in {"var", "output"}:
        name, _, path = rest.partition(".")
        declared = (template.variables if kind == "var" else template.outputs).get(name)
        line, value = (declared.line, declared.value) if declared else (1, None)
    else:
        name, _, path = kind.partition(".")
        symbol = template.resources.get(name) or template.modules.get(name)
        line, value = (symbol.line, symbol.value) if symbol else (1, None)
        if rest == "if":
            return line, value.condition if isinstance(value, When) else None
        if rest == "for":
            return line, value.over if isinstance(value, Each) else None
        value = body_of(value) if value else None
    if isinstance(value, Call) and value.function == "union" and path:
        value = value.arguments[-1]
    value = at(value, path) if path else value
    return (value.line if value else line), value


def _alarms(template: Template) -> Iterator[Finding]:
    """Each alarm reads the query of its name and compares as promised."""
    line, rules = place_of(template, "var rules")
    seen = set()
    for rule in rules.values if isinstance(rules, Items) else ():
        name = spelled(at(rule, "name")).strip("'")
        seen.add(name)
        found = tuple(spelled(at(rule, part)).strip("'") for part in ("operator", "threshold", "window"))
        if found != ALARMS.get(name):
            yield template.says(rule.line, "wiring", f"alarm {name} is not {' '.join(ALARMS.get(name, ('known',)))}.")
        if spelled(at(rule, "query")) != f"loadTextContent('queries/{name}.kql')":
            yield template.says(rule.line, "wiring", f"alarm {name} does not ask queries/{name}.kql.")
    yield from (template.says(line, "wiring", f"there is no alarm {name}.") for name in sorted(ALARMS.keys() - seen))
