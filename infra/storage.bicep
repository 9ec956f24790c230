metadata description = 'The one storage account: blobs, queues, tables, what is deleted when.'

import { containers, packageContainer, queues, poisonQueues, tables } from 'names.bicep'

@description('Part of the name that makes it unique.')
param token string
@description('Region.')
param location string
@description('Tags.')
param tags object
@description('How often everything is kept.')
param sku string
@minValue(1)
@maxValue(365)
@description('Days in which a deleted blob or container can be restored.')
param restoreDays int = 7
@minValue(1)
@description('Days after which a staged product is deleted, corrected or not; a product that still waits is staged again.')
param stagedDays int = 14
@minValue(1)
@description('Days after which an overwritten or deleted version goes for good.')
param versionDays int = 30

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'st${token}'
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled' // by identity only; a private network is not part of this version
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: { enabled: true, days: restoreDays }
    containerDeleteRetentionPolicy: { enabled: true, days: restoreDays }
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = [
  for name in concat(containers, [packageContainer]): {
    parent: blobs
    name: name
    properties: { publicAccess: 'None' }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' = [
  for name in concat(queues, poisonQueues): {
    parent: queueService
    name: name
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource storageTables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-01-01' = [
  for name in tables: {
    parent: tableService
    name: name
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = {
  parent: account
  name: 'default'
  dependsOn: [blobs]
  properties: {
    policy: {
      rules: [
        {
          name: 'staged-products'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['l1c/', 'staging/'] }
            actions: {
              baseBlob: { delete: { daysAfterModificationGreaterThan: stagedDays } }
              version: { delete: { daysAfterCreationGreaterThan: 1 } } // hundreds of MB each, and the provider has them
            }
          }
        }
        {
          name: 'old-versions'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: { blobTypes: ['blockBlob'] } // no prefix: the containers that the host makes have versions as well
            actions: {
              version: { delete: { daysAfterCreationGreaterThan: versionDays } }
              snapshot: { delete: { daysAfterCreationGreaterThan: versionDays } }
            }
          }
        }
      ]
    }
  }
}

@description('Name of the account.')
output name string = account.name
@description('Resource id of the account.')
output id string = account.id
@description('Address of the blob service.')
output blobUri string = account.properties.primaryEndpoints.blob
@description('Address of the queue service.')
output queueUri string = account.properties.primaryEndpoints.queue
@description('Address of the table service.')
output tableUri string = account.properties.primaryEndpoints.table
