metadata description = 'The function app on Flex Consumption, with its settings.'

import { packageContainer } from 'names.bicep'
import { Tuning } from 'tuning.bicep'

@description('Part of the names that makes them unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Resource id of the identity of the app.')
param identityId string
@description('Client id of the identity of the app.')
param identityClientId string
@description('Address of the blob service.')
param blobUri string
@description('Address of the queue service.')
param queueUri string
@description('Address of the table service.')
param tableUri string
@description('Where telemetry is sent to.')
param insightsConnectionString string
@description('Address of the key vault, with a slash at its end.')
param vaultUri string
@allowed([512, 2048, 4096])
@description('Memory of one instance in MB.')
param instanceMemoryMB int
@minValue(40)
@maxValue(1000)
@description('Most instances of one scaling group.')
param maximumInstanceCount int
@description('Settings that may be tuned.')
param tuning Tuning

var secrets = '${vaultUri}secrets'
var gigabytes = { '512': '0.5', '2048': '2', '4096': '4' }
var settings = union(tuning, {
  INSTANCE_GB: empty(tuning.INSTANCE_GB) ? gigabytes[string(instanceMemoryMB)] : tuning.INSTANCE_GB
  SCHEDULE: empty(tuning.SCHEDULE) ? '0 0 */6 * * *' : tuning.SCHEDULE
  WATCH_SCHEDULE: empty(tuning.WATCH_SCHEDULE) ? '0 */15 * * * *' : tuning.WATCH_SCHEDULE
  AzureWebJobsStorage__blobServiceUri: blobUri
  AzureWebJobsStorage__queueServiceUri: queueUri
  AzureWebJobsStorage__tableServiceUri: tableUri
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
  OTEL_PYTHON_DISABLED_INSTRUMENTATIONS: 'azure_sdk,requests,urllib,urllib3' // else every request to storage is a record
  COPERNICUS_USER: '@Microsoft.KeyVault(SecretUri=${secrets}/copernicus-user)'
  COPERNICUS_PASSWORD: '@Microsoft.KeyVault(SecretUri=${secrets}/copernicus-password)'
  DHUS_USER: '@Microsoft.KeyVault(SecretUri=${secrets}/dhus-user)'
  DHUS_PASSWORD: '@Microsoft.KeyVault(SecretUri=${secrets}/dhus-password)'
  API_KEY: '@Microsoft.KeyVault(SecretUri=${secrets}/api-key)'
})

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'functions' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobUri}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: { name: 'python', version: '3.11' } // that the packages are pinned for and tested with: docs/operate.md
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: []
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
    }
  }
}

resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: settings
}

// Deployment goes by identity; the passwords of the publishing profile are not needed.
resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = [
  for name in ['ftp', 'scm']: {
    parent: app
    name: name
    properties: { allow: false }
  }
]

@description('Name of the app.')
output name string = app.name
@description('Host name of the app.')
output host string = app.properties.defaultHostName
