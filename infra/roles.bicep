metadata description = 'Who may do what. `python -m infra.check` refuses what the table in docs/security.md does not list.'

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
@description('Object id of who operates it; empty: nobody gets the rights.')
param operatorPrincipalId string
@allowed(['User', 'Group', 'ServicePrincipal'])
@description('What the operator is.')
param operatorPrincipalType string

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var roleIds = {
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Reader': '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Storage Queue Data Message Sender': 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  'Storage Queue Data Reader': '19e7f393-937e-4f77-808e-94535e297925'
  'Storage Table Data Contributor': '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
  AcrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
}

var jobWrites = ['l1c', 'l2a', 'locks']
var jobReads = ['config']
var operatorWrites = ['drop', 'config', 'models']
var operatorReads = ['l1c', 'l2a', 'surface', 'staging']
var ledger = ['products', 'tilemonths']
var work = ['tile-months', 'products', 'corrections', 'classifications']
var watched = concat(work, [
  'tile-months-poison'
  'products-poison'
  'corrections-poison'
  'classifications-poison'
  'webjobs-blobtrigger-poison'
])

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

resource operatorWritten 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for name in operatorWrites: {
    parent: blobs
    name: name
  }
]

resource operatorRead 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [
  for name in operatorReads: {
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

resource workQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' existing = [
  for name in work: {
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

resource products 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = {
  parent: tableService
  name: 'products'
}

resource ledgerTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' existing = [
  for name in ledger: {
    parent: tableService
    name: name
  }
]

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

resource operatorWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in operatorWrites: if (!empty(operatorPrincipalId)) {
    name: guid(operatorWritten[i].id, operatorPrincipalId, roleIds['Storage Blob Data Contributor'])
    scope: operatorWritten[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Contributor'])
    }
  }
]

resource operatorReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in operatorReads: if (!empty(operatorPrincipalId)) {
    name: guid(operatorRead[i].id, operatorPrincipalId, roleIds['Storage Blob Data Reader'])
    scope: operatorRead[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Blob Data Reader'])
    }
  }
]

resource operatorQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in watched: if (!empty(operatorPrincipalId)) {
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
  for (name, i) in work: if (!empty(operatorPrincipalId)) {
    name: guid(workQueues[i].id, operatorPrincipalId, roleIds['Storage Queue Data Message Sender'])
    scope: workQueues[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Queue Data Message Sender'])
    }
  }
]

resource operatorLedger 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (name, i) in ledger: if (!empty(operatorPrincipalId)) {
    name: guid(ledgerTables[i].id, operatorPrincipalId, roleIds['Storage Table Data Contributor'])
    scope: ledgerTables[i]
    properties: {
      principalId: operatorPrincipalId
      principalType: operatorPrincipalType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Storage Table Data Contributor'])
    }
  }
]

resource operatorSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(vault.id, operatorPrincipalId, roleIds['Key Vault Secrets Officer'])
  scope: vault
  properties: {
    principalId: operatorPrincipalId
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds['Key Vault Secrets Officer'])
  }
}
