metadata description = 'The container step: a job that starts for each message in queue corrections.'

import { CorrectionTuning, Tuning } from 'tuning.bicep'

@description('Part of the names that makes them unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('Resource id of the identity of the job.')
param identityId string
@description('Client id of the identity of the job.')
param identityClientId string
@description('Name of the storage account.')
param storageName string
@description('Address of the blob service.')
param blobUri string
@description('Address of the queue service.')
param queueUri string
@description('Address of the table service.')
param tableUri string
@description('Host name of the registry.')
param registryServer string
@description('Resource id of the Log Analytics workspace.')
param workspaceId string
@description('Image; empty until azd has built one: then a stand-in that does nothing.')
param image string
@minValue(1)
@description('Most runs at a time.')
param maximumExecutions int
@minValue(1800)
@description('Seconds after which a run is ended from outside; a longer time limit of the step lengthens it.')
param replicaTimeout int
@description('Settings that the function app has as well.')
param tuning Tuning
@description('Settings of the container step.')
param correctionTuning CorrectionTuning

var queue = 'corrections'
var usualTimeLimit = 5400 // of the code; a run that ends by itself says why
var timeLimit = empty(correctionTuning.CORRECTION_TIME_LIMIT) ? usualTimeLimit : int(correctionTuning.CORRECTION_TIME_LIMIT)
var around = 1800 // seconds for unpacking before and uploading after it
var settings = union(correctionTuning, {
  AzureWebJobsStorage__blobServiceUri: blobUri
  AzureWebJobsStorage__queueServiceUri: queueUri
  AzureWebJobsStorage__tableServiceUri: tableUri
  AzureWebJobsStorage__clientId: identityClientId
  CLOUD_PROBABILITY: tuning.CLOUD_PROBABILITY
  CLOUD_RULE: tuning.CLOUD_RULE
  MINIMUM_USABLE: tuning.MINIMUM_USABLE
  RESOLUTION: tuning.RESOLUTION
})
var variables = map(items(settings), setting => { name: setting.key, value: setting.value })

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: 'cae-${token}'
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: { destination: 'azure-monitor' } // the other way needs a key of the workspace
    workloadProfiles: [{ name: 'Consumption', workloadProfileType: 'Consumption' }]
  }
}

resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-workspace'
  scope: environment
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'ContainerAppConsoleLogs', enabled: true }
      { category: 'ContainerAppSystemLogs', enabled: true }
    ]
  }
}

resource job 'Microsoft.App/jobs@2025-01-01' = {
  name: 'job-correct-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'correct' })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Event'
      replicaTimeout: max(replicaTimeout, timeLimit + around)
      replicaRetryLimit: 0 // the queue alone counts tries
      registries: [{ server: registryServer, identity: identityId }]
      eventTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
        scale: {
          minExecutions: 0
          maxExecutions: maximumExecutions
          pollingInterval: 30
          rules: [
            {
              name: queue
              type: 'azure-queue'
              identity: identityId
              metadata: { accountName: storageName, queueName: queue, queueLength: '1' }
            }
          ]
        }
      }
    }
    template: {
      containers: [
        {
          name: 'correct'
          image: empty(image) ? 'mcr.microsoft.com/k8se/quickstart-jobs:latest' : image
          resources: { cpu: 4, memory: '8Gi' } // the most there is; brings 8 GiB of disk
          env: variables
        }
      ]
    }
  }
}

@description('Name of the job.')
output name string = job.name
