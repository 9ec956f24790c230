metadata description = 'IceWatch: everything `azd up` puts into a subscription, in one resource group.'
targetScope = 'subscription'

import { Tuning, CorrectionTuning } from 'tuning.bicep'

@minLength(1)
@maxLength(40)
@description('Name of the azd environment; part of the name of the resource group, and the tag azd finds everything by.')
param environmentName string

@minLength(1)
@description('Region. Flex Consumption must be offered there: az functionapp list-flexconsumption-locations.')
@metadata({ azd: { type: 'location' } })
param location string

@minLength(3)
@description('Where alarms and the cost budget write to.')
param alertEmail string

@description('Object id of who deploys. azd fills it in itself, whatever its environment says.')
param deployerPrincipalId string = ''

@allowed(['User', 'Group', 'ServicePrincipal'])
@description('What deploys. azd fills it in itself, whatever its environment says.')
param deployerPrincipalType string = 'User'

@minLength(2)
@description('Who gets the rights of an operator on the data: me (who deploys), none, or an object id.')
param operatorId string = 'me'

@allowed(['User', 'Group', 'ServicePrincipal'])
@description('What the object id of the operator is; not looked at for me and none.')
param operatorType string = 'Group'

@allowed([512, 2048, 4096])
@description('Memory of one instance in MB; 2048 brings one core.')
param instanceMemoryMB int = 2048

@minValue(40)
@maxValue(1000)
@description('Most instances of one scaling group of the function app; 40 is the least the platform accepts.')
param maximumInstanceCount int = 40

@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS'])
@description('How often the storage account keeps everything. Results can be made again; LRS is enough for most.')
param storageSku string = 'Standard_LRS'

@description('Image of the container step; azd fills it in once it has built one.')
param correctImage string = ''

@minValue(1)
@maxValue(100)
@description('Most corrections at a time; each takes 4 vCPU of the quota of the region.')
param maximumCorrections int = 5

@minValue(1800)
@maxValue(86400)
@description('Seconds after which a run of the container step is ended from outside; never less than CORRECTION_TIME_LIMIT and half an hour.')
param replicaTimeout int = 9000

@minValue(0)
@description('Budget of a month in the currency of the subscription; mails at 80 % spent and 100 % forecast. 0: none, as some offers know no budgets.')
param monthlyBudget int = 150

@description('First day of the month in which the budget began, as yyyy-MM-01: it cannot be changed afterwards.')
param budgetStart string = ''

@minValue(30)
@maxValue(730)
@description('Days the logs are kept.')
param logRetentionDays int = 30

@minValue(1)
@description('GB of logs a day after which no more are taken, against a surprise on the bill.')
param logDailyCapGb int = 1

@description('True: a deleted key vault cannot be purged before its time, and its name cannot be used again until then.')
param keyVaultPurgeProtection bool = false

@secure()
@description('User of the Copernicus Data Space. Empty: what is in the key vault stays.')
param copernicusUser string = ''

@secure()
@description('Password of the Copernicus Data Space. Empty: what is in the key vault stays.')
param copernicusPassword string = ''

@secure()
@description('User of a DHuS hub. Empty: what is in the key vault stays.')
param dhusUser string = ''

@secure()
@description('Password of a DHuS hub. Empty: what is in the key vault stays.')
param dhusPassword string = ''

@secure()
@description('Key that the API and the pages ask for, 20 characters or more. Empty: what is in the key vault stays.')
param apiKey string = ''

@description('Settings of the function app; empty ones keep the default of the code.')
param tuning Tuning

@description('Settings of the container step; empty ones keep the default of the code.')
param correctionTuning CorrectionTuning

@description('Not to be given: the current month, for a budget without a start.')
param thisMonth string = utcNow('yyyy-MM-01')

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var operatorPrincipalId = operatorId == 'me' ? deployerPrincipalId : operatorId == 'none' ? '' : operatorId
var operatorPrincipalType = operatorId == 'me' ? deployerPrincipalType : operatorType

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-icewatch-${environmentName}'
  location: location
  tags: tags
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: { token: token, location: location, tags: tags, sku: storageSku }
}

module identities 'identities.bicep' = {
  name: 'identities'
  scope: group
  params: { token: token, location: location, tags: tags }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module keyVault 'keyvault.bicep' = {
  name: 'keyvault'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    purgeProtection: keyVaultPurgeProtection
    copernicusUser: copernicusUser
    copernicusPassword: copernicusPassword
    dhusUser: dhusUser
    dhusPassword: dhusPassword
    apiKey: apiKey
  }
}

module registry 'registry.bicep' = {
  name: 'registry'
  scope: group
  params: { token: token, location: location, tags: tags }
}

module roles 'roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    vaultName: keyVault.outputs.name
    registryName: registry.outputs.name
    functionsPrincipalId: identities.outputs.functionsPrincipalId
    jobPrincipalId: identities.outputs.jobPrincipalId
  }
}

module operator 'operator.bicep' = if (!empty(operatorPrincipalId)) {
  name: 'operator'
  scope: group
  params: {
    storageName: storage.outputs.name
    vaultName: keyVault.outputs.name
    operatorPrincipalId: operatorPrincipalId
    operatorPrincipalType: operatorPrincipalType
  }
}

module functions 'functions.bicep' = {
  name: 'functions'
  scope: group
  dependsOn: [roles] // an app that starts without its rights fails at once
  params: {
    token: token
    location: location
    tags: tags
    identityId: identities.outputs.functionsId
    identityClientId: identities.outputs.functionsClientId
    blobUri: storage.outputs.blobUri
    queueUri: storage.outputs.queueUri
    tableUri: storage.outputs.tableUri
    insightsConnectionString: monitoring.outputs.insightsConnectionString
    vaultUri: keyVault.outputs.uri
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    tuning: tuning
  }
}

module events 'events.bicep' = {
  name: 'events'
  scope: group
  params: { token: token, location: location, tags: tags, storageId: storage.outputs.id }
}

module job 'job.bicep' = {
  name: 'job'
  scope: group
  dependsOn: [roles] // the image is pulled with them
  params: {
    token: token
    location: location
    tags: tags
    identityId: identities.outputs.jobId
    identityClientId: identities.outputs.jobClientId
    storageName: storage.outputs.name
    blobUri: storage.outputs.blobUri
    queueUri: storage.outputs.queueUri
    tableUri: storage.outputs.tableUri
    registryServer: registry.outputs.loginServer
    workspaceId: monitoring.outputs.workspaceId
    image: correctImage
    maximumExecutions: maximumCorrections
    replicaTimeout: replicaTimeout
    tuning: tuning
    correctionTuning: correctionTuning
  }
}

module alerts 'alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    email: alertEmail
    monthlyBudget: monthlyBudget
    budgetStart: empty(budgetStart) ? thisMonth : budgetStart
  }
}

module workbook 'workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

@description('azd: region.')
output AZURE_LOCATION string = location
@description('azd and the hooks: where everything is.')
output AZURE_RESOURCE_GROUP string = group.name
@description('azd: where the image of the container step is pushed to.')
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
@description('Hooks: the function app.')
output AZURE_FUNCTION_APP_NAME string = functions.outputs.name
@description('Hooks: the host name of the function app.')
output AZURE_FUNCTION_APP_HOST string = functions.outputs.host
@description('Hooks: the Event Grid system topic of the storage account.')
output EVENT_TOPIC_NAME string = events.outputs.topicName
@description('Hooks: function|subject begins with|subject ends with, separated by semicolons.')
output BLOB_TRIGGERS string = events.outputs.blobTriggers
@description('For people: the storage account.')
output AZURE_STORAGE_ACCOUNT_NAME string = storage.outputs.name
@description('For people: the key vault with the Copernicus login.')
output AZURE_KEY_VAULT_NAME string = keyVault.outputs.name
@description('For people: the job of the container step.')
output AZURE_CORRECT_JOB_NAME string = job.outputs.name
