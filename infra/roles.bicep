metadata description = 'Who may do what. `python -m infra.check` refuses what the table in docs/security.md does not list.'

import { roleIds } from 'names.bicep'

@description('Name of the storage account.')
param storageName string
@description('Name of Application Insights.')
param insightsName string
@description('Name of the key vault.')
param vaultName string
@description('Name of the container registry.')
param registryName string
@description('Object id of the identity of the function app.')
param functionsPrincipalId string
@description('Object id of the identity of the container step.')
param jobPrincipalId string

var jobWrites = ['l1c', 'l2a', 'locks']
var jobReads = ['config']

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: storage
  name: 'default'
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' existing = {
  parent: storage
  name: 'default'
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' existing = {
  parent: storage
  name: 'default'
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource jobWritten 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for name in jobWrites: {
    parent: blobs
    name: name
  }
]

resource jobRead 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for name in jobReads: {
    parent: blobs
    name: name
  }
]

resource corrections 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = {
  parent: queueService
  name: 'corrections'
}

resource correctionsPoison 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = {
  parent: queueService
  name: 'corrections-poison'
}

resource products 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = {
  parent: tableService
  name: 'products'
}

// The host of the functions makes containers, queues and tables of its own: the scope has to be the account.

resource functionsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, functionsPrincipalId, roleIds['Storage Blob Data Owner'])
  scope: storage
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Owner'])
  }
}

resource functionsQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, functionsPrincipalId, roleIds['Storage Queue Data Contributor'])
  scope: storage
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Contributor'])
  }
}

resource functionsTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, functionsPrincipalId, roleIds['Storage Table Data Contributor'])
  scope: storage
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Table Data Contributor'])
  }
}

resource functionsTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, functionsPrincipalId, roleIds['Monitoring Metrics Publisher'])
  scope: insights
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Monitoring Metrics Publisher'])
  }
}

resource functionsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, functionsPrincipalId, roleIds['Key Vault Secrets User'])
  scope: vault
  properties: {
    principalId: functionsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Key Vault Secrets User'])
  }
}

resource jobWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in jobWrites: {
    name: guid(jobWritten[i].id, jobPrincipalId, roleIds['Storage Blob Data Contributor'])
    scope: jobWritten[i]
    properties: {
      principalId: jobPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Contributor'])
    }
  }
]

resource jobReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in jobReads: {
    name: guid(jobRead[i].id, jobPrincipalId, roleIds['Storage Blob Data Reader'])
    scope: jobRead[i]
    properties: {
      principalId: jobPrincipalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Reader'])
    }
  }
]

resource jobQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(corrections.id, jobPrincipalId, roleIds['Storage Queue Data Contributor'])
  scope: corrections
  properties: {
    principalId: jobPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Contributor'])
  }
}

resource jobPoison 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(correctionsPoison.id, jobPrincipalId, roleIds['Storage Queue Data Message Sender'])
  scope: correctionsPoison
  properties: {
    principalId: jobPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Message Sender'])
  }
}

resource jobLedger 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(products.id, jobPrincipalId, roleIds['Storage Table Data Contributor'])
  scope: products
  properties: {
    principalId: jobPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Table Data Contributor'])
  }
}

resource jobImage 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, jobPrincipalId, roleIds.AcrPull)
  scope: registry
  properties: {
    principalId: jobPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.AcrPull)
  }
}
