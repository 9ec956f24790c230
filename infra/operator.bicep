metadata description = 'What an operator may do. `python -m infra.check` refuses what the table in docs/security.md does not list.'

import { poisonQueues, queues, roleIds, tables } from 'names.bicep'

@description('Name of the storage account.')
param storageName string
@description('Name of the key vault.')
param vaultName string
@description('Object id of who operates it.')
param operatorPrincipalId string
@allowed(['User', 'Group', 'ServicePrincipal'])
@description('What the operator is.')
param operatorPrincipalType string

var writes = ['drop', 'config', 'models']
var reads = ['l1c', 'l2a', 'surface', 'staging']
var watched = concat(queues, poisonQueues)

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

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource written 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for name in writes: {
    parent: blobs
    name: name
  }
]

resource read 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for name in reads: {
    parent: blobs
    name: name
  }
]

resource work 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = [
  for name in queues: {
    parent: queueService
    name: name
  }
]

resource watchedQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = [
  for name in watched: {
    parent: queueService
    name: name
  }
]

resource ledger 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = [
  for name in tables: {
    parent: tableService
    name: name
  }
]

resource operatorWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in writes: {
    name: guid(written[i].id, operatorPrincipalId, roleIds['Storage Blob Data Contributor'])
    scope: written[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Contributor'])
    }
  }
]

resource operatorReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in reads: {
    name: guid(read[i].id, operatorPrincipalId, roleIds['Storage Blob Data Reader'])
    scope: read[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Reader'])
    }
  }
]

resource operatorQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in watched: {
    name: guid(watchedQueues[i].id, operatorPrincipalId, roleIds['Storage Queue Data Reader'])
    scope: watchedQueues[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Reader'])
    }
  }
]

resource operatorOrders 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in queues: {
    name: guid(work[i].id, operatorPrincipalId, roleIds['Storage Queue Data Message Sender'])
    scope: work[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Message Sender'])
    }
  }
]

resource operatorLedger 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in tables: {
    name: guid(ledger[i].id, operatorPrincipalId, roleIds['Storage Table Data Contributor'])
    scope: ledger[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Table Data Contributor'])
    }
  }
]

resource operatorSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, operatorPrincipalId, roleIds['Key Vault Secrets Officer'])
  scope: vault
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Key Vault Secrets Officer'])
  }
}
